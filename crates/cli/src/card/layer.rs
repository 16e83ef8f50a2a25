//! What every layer around a card does: it responds to commands, and resets.
//!
//! A layer is a card to whoever is outside it. It passes commands inwards and responses outwards,
//! once each, and does one thing on the way: saves the card, injects faults, writes a trace.

use crate::faults::Loss;
use crate::text::failure::Failure;
use std::time::Duration;

/// A card, with whatever layers are around it.
pub(crate) trait Layer {
    /// The answer to reset, 2 to 33 bytes; a fault may make it another than the card's own.
    fn atr(&self) -> &[u8];

    /// Power on, power off or reset, after each of which the session is over; `event` is what a
    /// trace calls it.
    fn reset(&mut self, event: &str);

    /// The response to a command APDU, both as they are on the line: the response ends with its
    /// status word, unless a fault has cut it.
    ///
    /// # Errors
    ///
    /// Why there is no response.
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse>;

    /// What the layers within have injected into the last command. None of most cards.
    fn injected(&self) -> Option<&Injected> {
        None
    }
}

/// Why a card gives no response.
#[derive(Debug)]
pub(crate) enum NoResponse {
    /// It has been taken away.
    Removed,
    /// It has lost contact and power for a moment.
    ContactLost,
    /// It has not responded for as long as its reader has waited.
    TimedOut,
    /// It cannot go on.
    Failed(Failure),
    /// It has changed and cannot be saved: whoever asks sees it removed, and it comes back, as the
    /// last command has left it, when it is saved.
    Unsaved(Failure),
}

/// The faults that were injected into a command.
#[derive(Debug, Default)]
pub(crate) struct Injected {
    /// What a trace says of them; empty if nothing has come of them.
    pub(crate) words: String,
    /// How much later the response arrives. Not waited for here: others reach the card meanwhile.
    pub(crate) delay: Duration,
}

impl NoResponse {
    /// A panic, which leaves nobody knowing what the card is.
    pub(crate) fn defect() -> Self {
        Self::Failed(Failure::Failed("a defect in vschsm has ended the card".into()))
    }
}

impl From<Loss> for NoResponse {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Removed => Self::Removed,
            Loss::Contact => Self::ContactLost,
            Loss::TimedOut => Self::TimedOut,
        }
    }
}

/// For subcommands that ask the card without a reader. Only faults bring them anything but a
/// failure.
impl From<NoResponse> for Failure {
    fn from(why: NoResponse) -> Self {
        let gone = |why: &str| Self::Failed(format!("{why}, as a fault has it"));
        match why {
            NoResponse::Failed(failure) | NoResponse::Unsaved(failure) => failure,
            NoResponse::Removed => gone("the card is gone"),
            NoResponse::ContactLost => gone("the card has lost contact"),
            NoResponse::TimedOut => gone("the card does not answer"),
        }
    }
}
