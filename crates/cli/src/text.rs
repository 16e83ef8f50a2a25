//! What people read and type: output, failures as sentences, names of numbers, and files that
//! options name.

pub(crate) mod failure;
pub(crate) mod input;
pub(crate) mod names;
pub(crate) mod output;

pub(crate) use vschsm_host::{hex, secret};
