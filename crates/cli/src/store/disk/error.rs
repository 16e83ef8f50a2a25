//! Why a card's file cannot be used.

use crate::text::failure::Failure;
use std::error::Error;
use std::fmt;
use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a card's file cannot be used.
#[derive(Debug)]
pub(crate) struct DiskError {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
pub(super) enum Cause {
    Exists,
    InUse,
    NotAFile,
    NoFolder,
    OthersMayWrite,
    /// The file has hard links, under which the old card would be left.
    Linked,
    /// Another file has its path now.
    Replaced,
    /// There is no file with its path any more.
    Missing,
    /// The file is a mount point of its own, which no other file can replace.
    Mounted,
    TooLong,
    /// A save makes a new file, so the folder must be writable.
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

impl DiskError {
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

    /// The error of a save to a full disk; a card in memory has no path.
    pub(crate) fn full(path: Option<&Path>) -> Self {
        let path = path.unwrap_or(Path::new("the card in memory"));
        Self::unsaved(path, rustix::io::Errno::NOSPC.into())
    }

    /// Whether the card's file was removed or replaced.
    pub(crate) fn is_replaced(&self) -> bool {
        matches!(self.cause, Cause::Replaced | Cause::Missing)
    }

    /// Whether the card can never be saved again, as another file has its path.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.cause, Cause::Replaced)
    }

    /// Whether the card could not be made because the file exists.
    pub(crate) fn exists(&self) -> bool {
        matches!(self.cause, Cause::Exists)
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Error for DiskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Unwritable(error) | Cause::Unsaved(error) | Cause::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.cause {
            Cause::Exists => write!(f, "{path} exists already and is not overwritten"),
            Cause::InUse => write!(f, "{path} is in use by another process, or in another reader"),
            Cause::NotAFile => write!(f, "{path} is not a file"),
            Cause::NoFolder => write!(f, "{path} cannot be made: its folder does not exist"),
            Cause::OthersMayWrite => write!(
                f,
                "{path} may be written by other users than its owner, who could change the card; \
                 run: chmod go-w {path}"
            ),
            Cause::Linked => write!(
                f,
                "{path} has other names (hard links), under which the old card would be left with \
                 its PIN tries; copy it to a file of its own"
            ),
            Cause::Replaced => write!(f, "{path} was replaced while in use, so it is not saved"),
            Cause::Missing => write!(f, "{path} was removed while in use, so it is not saved"),
            Cause::Mounted => write!(
                f,
                "cannot save {path}: it is a mount point, which no file can replace; mount its \
                 folder"
            ),
            Cause::Unwritable(error) => write!(f, "cannot write in the folder of {path}: {error}"),
            Cause::Unsaved(error) => write!(f, "cannot save {path}: {error}"),
            Cause::TooLong => write!(f, "{path} is too long for a card image"),
            Cause::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                write!(f, "there is no card {path}; make it with: vschsm new {path}")
            }
            Cause::Io(error) => write!(f, "cannot use {path}: {error}"),
        }
    }
}
