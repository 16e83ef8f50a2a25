//! What goes wrong when a vector is played.

use vschsm_host::{Transport, TransportError};

/// Why a vector was not played to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The card answered something else.
    Deviates(Deviation),
    /// The card could not be asked; one sentence says why.
    Broken(String),
}

/// A response that is not the one wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// Where it happened.
    pub place: Place,
    /// The command APDU.
    pub command: Vec<u8>,
    /// What was to come: a response as a vector writes it, or words.
    pub wanted: String,
    /// The response APDU.
    pub got: Vec<u8>,
}

/// A place in a vector, or before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// While the card was prepared: what it was to be made to do, such as "makes key 1".
    Preparation(String),
    /// At a command: the first is 1. With its line, if it stands in a file.
    Step {
        /// The number of the command.
        number: usize,
        /// The number of its line.
        line: Option<usize>,
    },
}

impl Trouble {
    /// There is no response from the card.
    pub fn broken(error: TransportError) -> Self {
        Self::Broken(error.to_string())
    }

    /// Sends a command that must be answered with 9000, and returns the data of its response.
    pub fn unless_ok(
        card: &mut dyn Transport,
        place: impl FnOnce() -> Place,
        command: &[u8],
    ) -> Result<Vec<u8>, Self> {
        let response = card.transmit(command).map_err(Self::broken)?;
        match response.strip_suffix(&[0x90, 0x00]) {
            Some(data) => Ok(data.to_vec()),
            None => Err(Self::Deviates(Deviation {
                place: place(),
                command: command.to_vec(),
                wanted: "9000".into(),
                got: response,
            })),
        }
    }
}
