//! Why something could not be done with a card.

use crate::certificates::CertificateError;
use crate::secure_channel::SecureMessagingError;
use crate::smart_card_hsm::PinStatus;
use crate::transport::TransportError;
use crate::update::UpdateError;
use std::error::Error;
use std::fmt;
use vschsm_protocol::apdu::Status;

/// Why something could not be done with a card.
#[derive(Debug)]
#[non_exhaustive]
pub enum HostError {
    /// There is no response from the card.
    Transport(TransportError),
    /// The card refuses the command of that name, with this status word.
    Refused {
        /// The name of the command, such as `SIGN`.
        command: &'static str,
        /// The status word.
        status: Status,
    },
    /// The response to the command of that name is not what it should be.
    Malformed {
        /// The name of the command.
        command: &'static str,
    },
    /// The PIN is wrong; so many tries are left.
    WrongPin {
        /// How often another PIN can be tried, 0 to 15.
        tries: u8,
    },
    /// The PIN has no tries left.
    PinBlocked,
    /// The PIN was not sent, as only one try is left.
    LastTry,
    /// A certificate or a request is not verified.
    Certificate(CertificateError),
    /// The secure channel was not opened, or has ended.
    SecureMessaging(SecureMessagingError),
    /// The card does not know the root that the certificates of another card lead to.
    UnknownRoot {
        /// The name of the root, or of the issuer that is missing.
        authority: Vec<u8>,
    },
    /// The card does not have what was asked for, or the arguments do not fit together.
    Unsupported(&'static str),
    /// The firmware was not updated.
    Update(UpdateError),
    /// The system has no random bytes.
    Random(getrandom::Error),
}

impl HostError {
    /// The status word by which the card refuses; `None` for what is no refusal.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Refused { status, .. } | Self::Transport(TransportError::NotSelected(status)) => {
                Some(*status)
            }
            Self::WrongPin { tries } => Some(PinStatus::TriesLeft(*tries).status()),
            Self::PinBlocked => Some(PinStatus::Blocked.status()),
            _ => None,
        }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => write!(f, "{error}"),
            Self::Refused { command, status } => write!(f, "{command} returns {status:?}"),
            Self::Malformed { command } => write!(f, "the response to {command} is malformed"),
            Self::WrongPin { tries: 1 } => f.write_str("wrong PIN, 1 try left"),
            Self::WrongPin { tries } => write!(f, "wrong PIN, {tries} tries left"),
            Self::PinBlocked => f.write_str("the PIN is blocked"),
            Self::LastTry => f.write_str("no PIN was sent, as only one try is left"),
            Self::Certificate(error) => write!(f, "not verified: {error}"),
            Self::SecureMessaging(error) => write!(f, "{error}"),
            Self::UnknownRoot { authority } => write!(
                f,
                "the card does not know {}: real cards and virtual ones do not trust each other",
                authority.escape_ascii()
            ),
            Self::Update(error) => write!(f, "{error}"),
            Self::Unsupported(why) => f.write_str(why),
            Self::Random(_) => f.write_str("the system has no random bytes"),
        }
    }
}

impl Error for HostError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Transport(error) => error.source(),
            Self::Certificate(error) => Some(error),
            Self::SecureMessaging(error) => error.source(),
            Self::Random(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TransportError> for HostError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl From<CertificateError> for HostError {
    fn from(error: CertificateError) -> Self {
        Self::Certificate(error)
    }
}

impl From<SecureMessagingError> for HostError {
    fn from(error: SecureMessagingError) -> Self {
        Self::SecureMessaging(error)
    }
}

impl From<UpdateError> for HostError {
    fn from(error: UpdateError) -> Self {
        Self::Update(error)
    }
}

impl From<getrandom::Error> for HostError {
    fn from(error: getrandom::Error) -> Self {
        Self::Random(error)
    }
}
