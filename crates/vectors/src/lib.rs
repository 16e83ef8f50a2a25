//! Vectors: a state of a card, commands, and the response to each, as text; and how they are played
//! to a card, whatever is between. `vectors/README.md` describes the text.

pub mod command;
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

use vschsm_card::Card;

/// The user PIN of cards that a vector initialises.
pub const PIN: &str = "648219";

/// Their initialisation code (SO-PIN), `3537363231383830`.
pub const INITIALISATION_CODE: [u8; 8] = *b"57621880";

/// The vectors that are built in, sorted: the name of each in the folder `vectors`, and its text.
pub const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// A card, whatever is between. The error is one sentence.
pub trait Medium {
    /// The response to a command APDU.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, String>;

    /// Resets the card, whose card manager is selected then.
    fn reset(&mut self) -> Result<(), String>;

    /// Begins a session with the applet: resets the card and selects the applet.
    fn begin(&mut self) -> Result<(), String> {
        self.reset()?;
        let response = self.transmit(command::SELECT_APPLET)?;
        if response.ends_with(&[0x90, 0x00]) {
            return Ok(());
        }
        let response = base16ct::upper::encode_string(&response);
        Err(format!("the card answers {response} to SELECT of the SmartCard-HSM's applet"))
    }
}

/// A card in this process, of which nothing is kept.
impl Medium for Card {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, String> {
        Ok(Self::transmit(self, command).response)
    }

    fn reset(&mut self) -> Result<(), String> {
        Self::reset(self);
        Ok(())
    }
}
