//! The layers around a card, each a card to the next one out.
//!
//!     a transport, or a subcommand without one
//!       SharedCard    one thread at a time; handles panics and delays
//!         Traced      writes a line about each command
//!           Faulty    injects faults; only around a card that has any
//!             Persistent   saves what a command has changed, and then responds
//!               vschsm_card::Card
//!
//! | file                | what                                                             |
//! |---------------------|------------------------------------------------------------------|
//! | `layer.rs`          | what a layer does                                                |
//! | `persistent.rs`, `faulty.rs`, `traced.rs` | the layers                                 |
//! | `virtual_card.rs`   | a card with its layers, and what else can be done to it          |
//! | `shared.rs`         | a virtual card that several threads use                          |
//! | `card_defaults.rs`  | how virtual cards are made: from files, templates and images     |
//! | `image.rs`          | a card's image, read and written                                 |
//! | `personalisation.rs`, `aes_keys.rs` | options of new cards, and of those that are used |
//! | `summary.rs`        | what is on a card, as text and as JSON                           |

pub(crate) mod aes_keys;
pub(crate) mod card_defaults;
mod faulty;
pub(crate) mod image;
pub(crate) mod layer;
mod persistent;
pub(crate) mod personalisation;
#[cfg(test)]
mod power_loss;
pub(crate) mod shared;
pub(crate) mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod traced;
pub(crate) mod virtual_card;
