//! Vectors: a state of a card, commands, and the response to each, as text; and how they are played
//! to a card, whatever is between. `vectors/README.md` describes the text.

mod deviation;
pub mod facts;
pub mod group;
mod pattern;
mod reading;
mod sealing;
mod selection;
mod state;
mod vector;

pub use deviation::{Deviation, Place, Trouble};
pub use reading::{changes_nothing, offers_a_code, offers_another_code};
pub use selection::{extension, of_version, selected};
pub use state::{Change, Made, State};
pub use vector::{Error, Vector};

use vschsm_host::command;

/// The user PIN of cards that a vector initialises.
pub const PIN: &str = "648219";

/// Their initialisation code (SO-PIN), `3537363231383830`.
pub const INITIALISATION_CODE: [u8; 8] = *b"57621880";

/// The vectors that are built in, sorted: the name of each in the folder `vectors`, and its text.
pub const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// INITIALIZE DEVICE with [`PIN`], [`INITIALISATION_CODE`], options, and further objects.
#[must_use]
pub fn initialize(options: [u8; 2], objects: &[u8]) -> Vec<u8> {
    command::initialize_device(options, PIN, &INITIALISATION_CODE, objects)
}
