//! Real PC/SC clients, unmodified, in front of a virtual SmartCard-HSM.
//!
//! A [`Station`] is what stands on a user's desk: a reader, a card in it ([`CardProcess`]), and a
//! home folder for the tools that use both. There are two ways to a card, real pcscd ([`Pcscd`])
//! and the server of `vschsm`, and a test goes both ([`both_ways!`]) unless it is about one of
//! them. Each has a station of its own, so that tests run side by side and the machine's own pcscd
//! never notices.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a harness that cannot go on fails its test"
)]

mod card_process;
mod crowd;
mod many_cards;
mod openssl;
mod pcscd;
mod pkcs11;
mod random;
mod station;
mod terminal;
mod tool;
mod user;
mod way;

pub use card_process::{Answering, CardProcess, PROFILE, vschsm};
pub use crowd::{Crowd, Visitor};
pub use many_cards::ManyCards;
pub use openssl::openssl;
pub use pcscd::{Pcscd, unshared};
pub use pkcs11::{KEYS, Key, key};
pub use random::Random;
pub use station::{PIN, SO_PIN, Station, WRONG_PIN};
pub use terminal::Terminal;
pub use tool::{Finished, Tool, installed, library};
pub use user::User;
pub use way::Way;

use std::time::Duration;

/// How long anything may take before it counts as hanging; RSA-4096 on a slow machine included.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
