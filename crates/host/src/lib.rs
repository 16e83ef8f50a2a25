//! A client library for SmartCard-HSMs, real and virtual ones.
//!
//! | module        | what                                                  |
//! |---------------|-------------------------------------------------------|
//! | [`command`]   | command APDUs, one function for each                  |
//! | [`transport`] | ways to a card: command APDUs there, responses back   |

pub mod command;

pub use vschsm_card::transport;

pub use transport::{Transport, TransportError};
