//! A SmartCard-HSM as a function: command APDUs in, response APDUs out.
//!
//! [`Card::transmit`] is the whole card. There is no I/O here, no clock and no randomness but the
//! stream whose seed the card is given; readers, disks and terminals are other crates' business.

#![no_std]

extern crate alloc;

pub mod apdu;
mod card;
pub mod commands;
mod crypto;
pub mod cvc;
pub mod factory;
mod hex;
pub mod image;
pub mod key_blob;
pub mod profile;
mod request;
mod session;
mod signature;
pub mod state;
pub mod tlv;
mod trust;

pub use crate::card::{Card, Outcome};
pub use crate::crypto::curve::{Curve, Domain};
