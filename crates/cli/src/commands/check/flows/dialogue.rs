//! Commands one after the other, and checks of their responses.

use vschsm_host::Transport;
use vschsm_vectors::{Location, Mismatch, PlayError};

/// A card, the last command and its response.
pub(crate) struct Dialogue<'a> {
    card: &'a mut dyn Transport,
    number: usize,
    command: Vec<u8>,
    response: Vec<u8>,
}

impl<'a> Dialogue<'a> {
    pub(crate) fn with(card: &'a mut dyn Transport) -> Self {
        Self { card, number: 0, command: Vec::new(), response: Vec::new() }
    }

    /// Sends a command and returns the status word; the data is in [`data`](Self::data).
    pub(crate) fn send(&mut self, command: Vec<u8>) -> Result<u16, PlayError> {
        self.number += 1;
        self.response = self.card.transmit(&command).map_err(PlayError::transport)?;
        self.command = command;
        Ok(self.response.last_chunk().map_or(0, |status| u16::from_be_bytes(*status)))
    }

    /// Sends a command, which must return 9000, and returns the data.
    pub(crate) fn ask(&mut self, command: Vec<u8>) -> Result<Vec<u8>, PlayError> {
        let status = self.send(command)?;
        self.must(status == 0x9000, "9000")?;
        Ok(self.data().to_vec())
    }

    /// The data of the last response.
    pub(crate) fn data(&self) -> &[u8] {
        self.response.split_last_chunk::<2>().map_or(&[], |(data, _)| data)
    }

    /// Fails unless the last response has what was `expected`.
    pub(crate) fn must(&self, holds: bool, expected: &str) -> Result<(), PlayError> {
        if holds {
            return Ok(());
        }
        Err(PlayError::Mismatch(Mismatch {
            location: Location::Step { number: self.number, line: None },
            command: self.command.clone(),
            expected: expected.into(),
            actual: self.response.clone(),
        }))
    }

    /// Like [`must`](Self::must), for a value that is `None` if the response does not have it.
    pub(crate) fn there<T>(&self, value: Option<T>, expected: &str) -> Result<T, PlayError> {
        self.must(value.is_some(), expected)?;
        value.ok_or_else(|| PlayError::Failed(format!("no {expected}")))
    }

    /// Begins a new session with the applet.
    pub(crate) fn begin(&mut self) -> Result<(), PlayError> {
        self.card.begin().map_err(PlayError::transport)
    }
}
