//! Why a card's file cannot be used, in a sentence.

use crate::text::failure::Failure;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a card's file cannot be used.
#[derive(Debug)]
pub(crate) struct Error {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
pub(super) enum Cause {
    Exists,
    InUse,
    NoFile,
    NoFolder,
    OthersMayWrite,
    /// The file has other names, under which the old card would be left.
    Linked,
    /// Another file has its name now.
    Replaced,
    /// There is no file of that name any more.
    Missing,
    /// The file is a mount of its own, in whose place no other can be put.
    Mounted,
    TooLong,
    /// A save makes a new file, so it is the folder that must be writable.
    Unwritable(io::Error),
    /// A save that has failed.
    Unsaved(io::Error),
    Io(io::Error),
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for Cause {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<TryLockError> for Cause {
    fn from(error: TryLockError) -> Self {
        match error {
            TryLockError::WouldBlock => Self::InUse,
            TryLockError::Error(error) => Self::Io(error),
        }
    }
}

impl Error {
    pub(super) fn new(path: &Path, cause: Cause) -> Self {
        Self { path: path.to_path_buf(), cause }
    }

    /// The error of a save.
    pub(super) fn unsaved(path: &Path, cause: Cause) -> Self {
        match cause {
            Cause::Io(error) => Self::new(path, Cause::Unsaved(error)),
            cause => Self::new(path, cause),
        }
    }

    /// The error of a save for which the disk has no room; a card in memory has no path.
    pub(crate) fn full(path: Option<&Path>) -> Self {
        let path = path.unwrap_or(Path::new("the card in memory"));
        Self::unsaved(path, rustix::io::Errno::NOSPC.into())
    }

    /// Whether the card's file is not there any more, or another one is.
    pub(crate) fn is_replaced(&self) -> bool {
        matches!(self.cause, Cause::Replaced | Cause::Missing)
    }

    /// Whether the card can never be saved again: its place is another one's.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.cause, Cause::Replaced)
    }

    /// Whether the card could not be made because there is one already.
    pub(crate) fn exists(&self) -> bool {
        matches!(self.cause, Cause::Exists)
    }
}

impl From<Error> for Failure {
    fn from(Error { path, cause }: Error) -> Self {
        let path = path.display();
        Self::Failed(match cause {
            Cause::Exists => format!("{path} exists already and is not overwritten"),
            Cause::InUse => format!("{path} is in use by another process, or in another reader"),
            Cause::NoFile => format!("{path} is not a file"),
            Cause::NoFolder => format!("{path} cannot be made: its folder does not exist"),
            Cause::OthersMayWrite => format!(
                "{path} may be written by others than its owner, who could change the card; \
                 run: chmod go-w {path}"
            ),
            Cause::Linked => format!(
                "{path} has other names (hard links), under which the old card would be left with \
                 its PIN tries; copy it to a file of its own"
            ),
            Cause::Replaced => format!("{path} was replaced while in use, so it is not saved"),
            Cause::Missing => format!("{path} was removed while in use, so it is not saved"),
            Cause::Mounted => format!(
                "cannot save {path}: it is mounted alone, and no file can take its place; mount \
                 its folder"
            ),
            Cause::Unwritable(error) => format!("cannot write in the folder of {path}: {error}"),
            Cause::Unsaved(error) => format!("cannot save {path}: {error}"),
            Cause::TooLong => format!("{path} is too long for a card image"),
            Cause::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                format!("there is no card {path}; make it with: vschsm new {path}")
            }
            Cause::Io(error) => format!("cannot use {path}: {error}"),
        })
    }
}
