//! Why a vector is not played to its end.

use std::error::Error;
use std::fmt;
use vschsm_host::{Transport, TransportError};

/// Why a vector was not played to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlayError {
    /// The card gave another response than the one expected.
    Mismatch(Mismatch),
    /// The card could not be asked; one sentence says why.
    Failed(String),
}

/// A response that is not the one expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where it happened.
    pub location: Location,
    /// The command APDU.
    pub command: Vec<u8>,
    /// What should have come: a response as a vector writes it, or a description.
    pub expected: String,
    /// The response APDU that came.
    pub actual: Vec<u8>,
}

/// A place in a vector, or before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// While the card was prepared: what should have happened, such as "makes key 1".
    Preparation(String),
    /// At a command: the first is 1. With its line, if it stands in a file.
    Step {
        /// The number of the command.
        number: usize,
        /// The number of its line.
        line: Option<usize>,
    },
}

impl PlayError {
    /// There is no response from the card.
    #[must_use]
    pub fn transport(error: TransportError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Sends a command whose status word must be 9000, and returns the data of its response.
pub(crate) fn expect_ok(
    card: &mut dyn Transport,
    location: impl FnOnce() -> Location,
    command: &[u8],
) -> Result<Vec<u8>, PlayError> {
    let response = card.transmit(command).map_err(PlayError::transport)?;
    match response.strip_suffix(&[0x90, 0x00]) {
        Some(data) => Ok(data.to_vec()),
        None => Err(PlayError::Mismatch(Mismatch {
            location: location(),
            command: command.to_vec(),
            expected: "9000".into(),
            actual: response,
        })),
    }
}

impl fmt::Display for PlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch(mismatch) => mismatch.fmt(f),
            Self::Failed(sentence) => f.write_str(sentence),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, command, expected, actual } = self;
        write!(f, "{location}: {} to {}", upper(actual), upper(command))?;
        write!(f, ", and not {expected}")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preparation(what) => write!(f, "preparation, which {what}"),
            Self::Step { number, line: Some(line) } => write!(f, "command {number}, line {line}"),
            Self::Step { number, line: None } => write!(f, "command {number}"),
        }
    }
}

fn upper(bytes: &[u8]) -> String {
    base16ct::upper::encode_string(bytes)
}

impl Error for PlayError {}
