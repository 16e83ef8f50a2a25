//! A SmartCard-HSM as a function: command APDUs in, response APDUs out.
//!
//! [`Card::transmit`] is the whole card. There is no I/O here, no clock and no randomness but the
//! stream whose seed the card is given; readers, disks and terminals are other crates' business, and
//! the formats are those of `vschsm_protocol`.
//!
//! | module              | what                                                             |
//! |---------------------|------------------------------------------------------------------|
//! | [`Card`]            | power, reset, commands, image                                    |
//! | [`personalisation`] | a card as delivered, and its certificates                        |
//! | [`profile`]         | a firmware: what it has, how it behaves, what it refuses         |
//! | [`state`]           | what survives power-off: keys, files, PINs, key domains          |
//! | [`image`]           | that and the firmware as a file                                  |
//! | [`card_manager`]    | the application with which the issuer replaces the firmware      |
//!
//! ```
//! use vschsm_card::personalisation::PersonalisationData;
//! use vschsm_card::profile::{DEFAULT, Profile};
//! use vschsm_card::Card;
//!
//! let firmware = Profile::built_in(DEFAULT).ok_or("no such firmware")?;
//! let mut card = Card::new(&PersonalisationData::default(), firmware, [0; 32])?;
//! // SELECT of the applet, which comes first: after power-on the card manager is selected.
//! // Tag 85 in the applet's FCI ends with the version.
//! let select = b"\x00\xA4\x04\x00\x0B\xE8\x2B\x06\x01\x04\x01\x81\xC3\x1F\x02\x01\x00";
//! let outcome = card.transmit(select);
//! assert!(outcome.response.ends_with(&[0x03, 0x04, 0x90, 0x00]));
//! // Nothing has to be saved before the response may be seen.
//! assert!(!outcome.changed);
//!
//! let again = Card::load(&card.image(), [1; 32])?;
//! assert_eq!(again.state().device().serial(), card.state().device().serial());
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

#![no_std]

extern crate alloc;

mod card;
pub mod card_manager;
mod commands;
mod context;
mod hex;
pub mod image;
mod key_agreement;
pub mod personalisation;
pub mod profile;
mod randomness;
mod request;
mod session;
pub mod state;
mod unwrapping;

pub use crate::card::{Card, Outcome};
