//! A client library for SmartCard-HSMs, real and virtual ones.
//!
//! | module                         | what                                                        |
//! |--------------------------------|-------------------------------------------------------------|
//! | [`smart_card_hsm`]             | a session with the applet: a method for all that cards can do |
//! | [`transport`]                  | ways to a card: command APDUs there, responses back         |
//! | [`reader`]                     | cards in PC/SC readers (feature `pcsc`)                     |
//! | [`secure_channel`]             | secure messaging with a card                                |
//! | [`certificates`]               | certificates and requests, verified up to a trusted root    |
//! | [`provisioning`]               | what a new card is given, from a file or a value            |
//! | [`key_spec`]                   | kinds of keys, such as `rsa:2048`                           |
//! | [`dkek`]                       | share files of a DKEK, and passwords split among people     |
//! | [`public_key_authentication`]  | keys of custodians, who together log in at a card           |
//! | [`update`]                     | another firmware on a card, as its issuer puts it there     |
//! | [`pkcs15`]                     | descriptions of keys and certificates                       |
//! | [`public_key`]                 | public keys as SubjectPublicKeyInfo                         |
//! | [`command`]                    | command APDUs, a function for each                          |
//! | [`secret`], [`hex`]            | secrets that are wiped; hexadecimal digits                  |

pub mod certificates;
pub mod command;
pub mod dkek;
pub mod error;
pub mod hex;
pub mod key_spec;
pub mod pkcs15;
pub mod provisioning;
pub mod public_key;
pub mod public_key_authentication;
#[cfg(feature = "pcsc")]
pub mod reader;
pub mod secret;
pub mod secure_channel;
pub mod smart_card_hsm;
pub mod update;

pub use vschsm_protocol::transport;

pub use error::HostError;
pub use smart_card_hsm::SmartCardHsm;
pub use transport::{Transport, TransportError};
