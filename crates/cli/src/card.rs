//! What stands around a card: layers, each a card to whoever is outside it.
//!
//!     a transport, or a subcommand without one
//!       Shared        one at a time; a panic, and a delay, are dealt with here
//!         Traced      a line about each command
//!           Faulty    faults on purpose; there is none around most cards
//!             Persistent   saves what a command has changed, and then responds
//!               vschsm_card::Card
//!
//! | file                | what                                                             |
//! |---------------------|------------------------------------------------------------------|
//! | `layer.rs`          | what a layer does, and why there may be no response              |
//! | `persistent.rs`, `faulty.rs`, `traced.rs` | the layers                                 |
//! | `slot.rs`           | a card with its layers, and what can be done to it besides       |
//! | `shared.rs`         | a slot that several threads reach                                |
//! | `equipment.rs`      | how slots are made, from files, templates and images             |
//! | `personalisation.rs`, `aes_keys.rs` | options of new cards, and of those that work     |
//! | `summary.rs`        | what is on a card, in words and in JSON                          |

pub(crate) mod aes_keys;
pub(crate) mod equipment;
mod faulty;
pub(crate) mod layer;
mod persistent;
pub(crate) mod personalisation;
#[cfg(test)]
mod power_loss;
pub(crate) mod shared;
pub(crate) mod slot;
pub(crate) mod summary;
#[cfg(test)]
pub(crate) mod tests;
mod traced;
