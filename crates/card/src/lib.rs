//! A SmartCard-HSM as a function: command APDUs in, response APDUs out.
//!
//! [`Card::transmit`] is the whole card. There is no I/O here, no clock, and no randomness except
//! the streams that are derived from the card's seed; readers, disks and terminals are in other
//! crates, and the formats in `vschsm_protocol`.
//!
//! | module              | what it is                                                             |
//! |---------------------|------------------------------------------------------------------------|
//! | [`personalisation`] | what a card is delivered with: device key, certificates, serial number |
//! | [`profile`]         | firmwares, as data: functions, behaviours and restrictions             |
//! | [`state`]           | what the card keeps: keys, files, PINs, key domains, options           |
//! | [`image`]           | a card as bytes, to be saved and loaded                                |
//! | [`card_manager`]    | the application with which the card's issuer replaces the firmware     |
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
//! // The card has not changed, so nothing has to be saved before the response is sent.
//! assert!(!outcome.changed);
//!
//! let loaded = Card::load(&card.image(), [1; 32])?;
//! assert_eq!(loaded.state().device().serial(), card.state().device().serial());
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
