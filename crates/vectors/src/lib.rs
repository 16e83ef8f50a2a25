//! Vectors: a state of a card, commands, and the response to each, as text; and how they are played
//! to a card, whatever is between. `vectors/README.md` describes the text.

pub mod facts;
mod in_channel;
mod pattern;
pub mod peer_card;
mod play_error;
mod reading;
mod selection;
mod state;
mod vector;

pub use play_error::{Location, Mismatch, PlayError};
pub use reading::{carries_other_so_pin, carries_so_pin, changes_nothing};
pub use selection::{extension, of_version, selected};
pub use state::{CardState, Preparation, PreparationStep};
pub use vector::{Vector, VectorError};

use vschsm_host::command;

/// The user PIN of cards that a vector initialises.
pub const PIN: &str = "648219";

/// The SO-PIN of these cards, `3537363231383830`.
pub const SO_PIN: [u8; 8] = *b"57621880";

/// The vectors that are built in, sorted: the name of each in the folder `vectors`, and its text.
pub const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// INITIALIZE DEVICE with [`PIN`], [`SO_PIN`], options, and further objects.
#[must_use]
pub fn initialize(options: [u8; 2], objects: &[u8]) -> Vec<u8> {
    command::initialize_device(options, PIN, &SO_PIN, objects)
}
