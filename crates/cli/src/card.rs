//! What stands around a card: the file that keeps it, its trace, its faults, and who reaches it.

pub(crate) mod aes_keys;
mod persistent;
pub(crate) mod personalisation;
pub(crate) mod shared;
pub(crate) mod slot;
pub(crate) mod summary;
