//! What every layer around a card does: it responds to commands, and resets.
//!
//! A layer is a card to the next one out. It passes commands inwards and responses outwards, once
//! each, and does one thing on the way: saves the card, injects faults, writes a trace.

use crate::text::failure::TransmitError;
use std::time::Duration;

/// A card, with whatever layers are around it.
pub(crate) trait Layer {
    /// The answer to reset, 2 to 33 bytes; a fault may replace the card's own.
    fn atr(&self) -> &[u8];

    /// Power on, power off or reset, each of which ends the session; `event` is its name in a
    /// trace.
    fn reset(&mut self, event: &str);

    /// The response to a command APDU, both as transmitted: the response ends with its status word,
    /// unless a fault has truncated it.
    ///
    /// # Errors
    ///
    /// Why there is no response.
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransmitError>;

    /// The faults that the layers within have injected into the last command; `None` for a card
    /// without faults.
    fn injected(&self) -> Option<&Injected> {
        None
    }
}

/// The faults that were injected into a command.
#[derive(Debug, Default)]
pub(crate) struct Injected {
    /// Their description in a trace; empty if they have had no effect.
    pub(crate) description: String,
    /// The delay of the response. This layer does not wait for it: others can use the card
    /// meanwhile.
    pub(crate) delay: Duration,
}
