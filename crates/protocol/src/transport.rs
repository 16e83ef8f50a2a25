//! A way to a card: command APDUs there, response APDUs back.
//!
//! ```
//! use vschsm_protocol::transport::{Transport, TransportError};
//!
//! /// A card that knows no command.
//! struct NoCommands;
//!
//! impl Transport for NoCommands {
//!     fn transmit(&mut self, _command: &[u8]) -> Result<Vec<u8>, TransportError> {
//!         Ok(vec![0x6D, 0x00])
//!     }
//!
//!     fn reset(&mut self) -> Result<(), TransportError> {
//!         Ok(())
//!     }
//! }
//!
//! let error = NoCommands.begin().unwrap_err();
//! assert_eq!(error.to_string(), "the card has no SmartCard-HSM applet: SELECT returns 6D00");
//! ```

use crate::apdu::Status;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

/// SELECT of the SmartCard-HSM's applet, with its FCI.
pub const SELECT_APPLET: &[u8] =
    b"\x00\xA4\x04\x00\x0B\xE8\x2B\x06\x01\x04\x01\x81\xC3\x1F\x02\x01\x00";

/// A card, whatever is between: a reader, a socket, a secure channel, or nothing.
pub trait Transport {
    /// Sends a command APDU and returns the response APDU: data, and a status word of two bytes.
    ///
    /// # Errors
    /// If there is no response. A status word that is not `9000` is a response.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError>;

    /// Resets the card, whose card manager is selected then.
    ///
    /// # Errors
    /// If the card cannot be reset.
    fn reset(&mut self) -> Result<(), TransportError>;

    /// Begins a session with the applet: resets the card and selects the applet.
    ///
    /// # Errors
    /// If the card cannot be reset, does not respond, or has no such applet.
    fn begin(&mut self) -> Result<(), TransportError> {
        self.reset()?;
        match self.transmit(SELECT_APPLET)?.last_chunk() {
            Some([0x90, 0x00]) => Ok(()),
            Some(status) => Err(TransportError::NotSelected(Status(u16::from_be_bytes(*status)))),
            None => Err(TransportError::Failed("the response has no status word".into())),
        }
    }
}

impl<T: Transport + ?Sized> Transport for &mut T {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        (**self).transmit(command)
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        (**self).reset()
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        (**self).begin()
    }
}

/// Why there is no response to a command.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransportError {
    /// The card was removed.
    Removed,
    /// The card is there, and contact with it was lost.
    ContactLost,
    /// The card did not respond in time.
    TimedOut,
    /// The applet was not selected: SELECT returns this status word.
    NotSelected(Status),
    /// Another reason.
    Failed(Box<dyn Error + Send + Sync>),
}

impl TransportError {
    /// An error of whatever is between here and the card.
    pub fn failed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(source.into())
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("the card was removed"),
            Self::ContactLost => f.write_str("contact with the card was lost"),
            Self::TimedOut => f.write_str("the card did not respond in time"),
            Self::NotSelected(status) => {
                write!(f, "the card has no SmartCard-HSM applet: SELECT returns {status:?}")
            }
            Self::Failed(source) => write!(f, "{source}"),
        }
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(source) => source.source(),
            _ => None,
        }
    }
}
