//! Errors of the server.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no socket, or it is not served.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerError {
    /// The path is longer than a socket's path may be.
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// The longest length in bytes.
        limit: usize,
    },
    /// A file that is not a socket has the path.
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Another process listens on the socket.
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Other users were named on a system that does not tell users apart.
    NoOtherUsers,
    /// This ID stands for all users or groups that the user namespace does not map, so that it does
    /// not tell who has connected.
    UnmappedId {
        /// `uid` or `gid`.
        kind: &'static str,
        /// The ID.
        id: u32,
    },
    /// No directory can have a private folder for sockets.
    NoPrivateFolder {
        /// The directories that were tried, and why each failed.
        tried: Vec<(PathBuf, PrivateFolderError)>,
    },
    /// The system has refused an operation.
    Io {
        /// What was attempted, such as `listen at`.
        operation: &'static str,
        /// The path of the socket.
        path: PathBuf,
        /// Why it was refused.
        source: io::Error,
    },
    /// There is no thread for the cards that lose their power.
    NoThread(io::Error),
}

impl ServerError {
    /// Whether another argument would help: the path or the users that were named are unusable.
    #[must_use]
    pub fn is_invalid_argument(&self) -> bool {
        matches!(self, Self::PathTooLong { .. } | Self::NotASocket { .. } | Self::NoOtherUsers)
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathTooLong { path, limit } => write!(
                f,
                "{} is longer than the {limit} bytes that a socket's path may have",
                path.display()
            ),
            Self::NotASocket { path } => {
                write!(f, "{} exists and is not a socket", path.display())
            }
            Self::InUse { path } => write!(f, "another process serves {}", path.display()),
            Self::NoOtherUsers => f.write_str("other users can be admitted on Linux only"),
            Self::UnmappedId { kind, id } => write!(
                f,
                "{kind} {id} stands for all IDs that this user namespace does not map, so that \
                 it cannot be checked"
            ),
            Self::NoPrivateFolder { tried } => {
                f.write_str("cannot make a folder for sockets in ")?;
                for (number, (path, error)) in tried.iter().enumerate() {
                    let separator = if number == 0 { "" } else { " or " };
                    write!(f, "{separator}{} ({error})", path.display())?;
                }
                f.write_str("; name another directory in TMPDIR")
            }
            Self::Io { operation, path, source } => {
                write!(f, "cannot {operation} {}: {source}", path.display())
            }
            Self::NoThread(source) => {
                write!(f, "cannot start the thread that powers off cards: {source}")
            }
        }
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::NoThread(source) => Some(source),
            Self::NoPrivateFolder { tried } => {
                tried.last().map(|(_, error)| error as &(dyn Error + 'static))
            }
            Self::PathTooLong { .. }
            | Self::NotASocket { .. }
            | Self::InUse { .. }
            | Self::NoOtherUsers
            | Self::UnmappedId { .. } => None,
        }
    }
}

/// Why a directory cannot have a private folder.
#[derive(Debug)]
#[non_exhaustive]
pub enum PrivateFolderError {
    /// The users and groups that may connect cannot pass this directory.
    Closed(PathBuf),
    /// The path would be too long for that of a socket.
    PathTooLong,
    /// The system has no randomness for the folder's name.
    NoRandomness(getrandom::Error),
    /// The system has refused to make it.
    Io(io::Error),
}

impl From<io::Error> for PrivateFolderError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for PrivateFolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(path) => {
                write!(f, "{} is closed to the users who may connect", path.display())
            }
            Self::PathTooLong => f.write_str("too long for the path of a socket"),
            Self::NoRandomness(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for PrivateFolderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoRandomness(error) => Some(error),
            Self::Io(error) => Some(error),
            Self::Closed(_) | Self::PathTooLong => None,
        }
    }
}
