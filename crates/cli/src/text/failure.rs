//! How a command of the program fails: a sentence and an exit code; and why a card gives no
//! response.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// One sentence for the user, and the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command makes no sense: exit code 2, as for a wrong option.
    Usage(String),
    /// The command could not be done: exit code 1.
    Failed(String),
    /// A card has the defect that was checked for: exit code 3.
    Defect(String),
    /// The reader of standard output is gone: ends as by SIGPIPE.
    Unread,
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
            Self::Defect(_) => ExitCode::from(3),
            // As shells report an end by SIGPIPE.
            Self::Unread => ExitCode::from(128 + 13),
        }
    }

    /// Could not do what was asked for; the error is the whole sentence.
    pub(crate) fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// A failure of `what`, such as "cannot read x", and its cause.
    pub(crate) fn because(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(sentence) | Self::Failed(sentence) | Self::Defect(sentence) => {
                f.write_str(sentence)
            }
            Self::Unread => f.write_str("standard output is closed"),
        }
    }
}

impl Error for Failure {}

/// Why a card gives no response.
#[derive(Debug)]
pub(crate) enum TransmitError {
    /// The card was removed.
    Removed,
    /// The card has lost contact and power for a moment.
    ContactLost,
    /// The card has not responded for as long as its reader waits.
    TimedOut,
    /// The card cannot go on.
    Failed(Failure),
    /// The card has changed and cannot be saved: its client sees it removed, and it is inserted
    /// again, as the last command has left it, when it is saved.
    Unsaved(Failure),
}

impl TransmitError {
    /// After a panic the state of the card is unknown, so it is removed.
    pub(crate) fn panicked() -> Self {
        Self::Failed(Failure::Failed("internal error: the card was removed".into()))
    }
}

impl fmt::Display for TransmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed => f.write_str("card removed"),
            Self::ContactLost => f.write_str("contact with the card lost"),
            Self::TimedOut => f.write_str("the card did not respond in time"),
            Self::Failed(failure) | Self::Unsaved(failure) => failure.fmt(f),
        }
    }
}

impl Error for TransmitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(failure) | Self::Unsaved(failure) => Some(failure),
            Self::Removed | Self::ContactLost | Self::TimedOut => None,
        }
    }
}

/// For subcommands that use a card without a reader, where only faults lose contact with it.
impl From<TransmitError> for Failure {
    fn from(error: TransmitError) -> Self {
        match error {
            TransmitError::Failed(failure) | TransmitError::Unsaved(failure) => failure,
            error => Self::Failed(format!("{error} (injected fault)")),
        }
    }
}
