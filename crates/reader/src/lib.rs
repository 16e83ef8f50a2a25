//! Ways to put a card in front of PC/SC clients.
//!
//! [`Environment`] is for tests: cards in readers that only the program under test sees.
//!
//! ```
//! use vschsm_card::{Card, personalisation::PersonalisationData, profile::{DEFAULT, Profile}};
//! use vschsm_reader::Environment;
//!
//! let firmware = Profile::built_in(DEFAULT).ok_or("no such firmware")?;
//! let card = Card::new(&PersonalisationData::default(), firmware, [0; 32])?;
//! let environment = Environment::new([card])?;
//! // Or `opensc-tool --list-readers`, or any other PC/SC client.
//! let client = environment.command("sh").args(["-c", "test -S $PCSCLITE_CSOCK_NAME"]).status()?;
//! assert!(client.success());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module          | what                                                             |
//! |-----------------|------------------------------------------------------------------|
//! | [`pcsc`]        | pcscd's side of PC/SC as a state machine, without I/O             |
//! | [`server`]      | that state machine behind a UNIX socket                          |
//! | [`vpcd`]        | messages between a card and vsmartcard's reader, without sockets |

mod environment;
pub mod pcsc;
pub mod server;
pub mod vpcd;

pub use environment::{DEFAULT_READER_NAME, Environment, EnvironmentError};
