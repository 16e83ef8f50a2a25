//! How a command of the program ends when it does not end well.

use std::fmt;
use std::process::ExitCode;

/// One sentence for the user, and the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for makes no sense: exit code 2, as for a wrong option.
    Usage(String),
    /// What was asked for could not be done: exit code 1.
    Failed(String),
    /// A card has the defect that was looked for: exit code 3.
    Defect(String),
    /// Nobody reads what is printed any more, and nobody wants to know.
    Unread,
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
            Self::Defect(_) => ExitCode::from(3),
            // As a shell has it for who ends by SIGPIPE.
            Self::Unread => ExitCode::from(128 + 13),
        }
    }

    /// Could not do what was asked for; the error is the whole sentence.
    pub(crate) fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// Could not do what the sentence's first part says, such as "cannot read x".
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
            Self::Unread => f.write_str("nobody reads what is printed"),
        }
    }
}
