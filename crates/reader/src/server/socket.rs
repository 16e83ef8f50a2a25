//! Where the server listens: a socket in the file system.

use super::Access;
use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Why a socket, or what listens to it, cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The path that was named is no good for it.
    Path(String),
    /// The system does not let it be.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Path(sentence) | Self::Failed(sentence)) = self;
        f.write_str(sentence)
    }
}

impl std::error::Error for Error {}

/// The longest path of a socket: `sun_path` has 108 bytes with the zero at its end, and libpcsclite
/// cuts a longer one off without a word.
pub(super) const LONGEST: usize = 107;

/// So many users are named whom nobody has let in: a stranger may have many numbers.
const NAMED: usize = 64;

/// A socket that waits for clients; they are let in no more when this value is dropped, and its
/// file goes.
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
    closed: Arc<AtomicBool>,
    access: Access,
    turned_away: Arc<TurnedAway>,
}

/// Is told the number of a user who may not connect and has tried to, once for each.
type TurnedAway = dyn Fn(u32) + Send + Sync;

impl Listening {
    /// Listens at `path`, which only this user may connect to; what a killed server left there is
    /// replaced.
    ///
    /// # Errors
    /// If the path is too long, or of another file, or another process listens there.
    pub fn at(path: &Path) -> Result<Self, Error> {
        Self::listen(path, 0o600, Access::default(), Arc::new(|_| {}))
    }

    /// The same for a socket that others may connect to as well; `turned_away` is told the number
    /// of each user who may not and has tried to, once.
    ///
    /// # Errors
    /// As above, or where the system does not tell users apart.
    pub fn for_others(
        path: &Path,
        access: Access,
        turned_away: impl Fn(u32) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        access.check()?;
        Self::listen(path, access.socket_mode(), access, Arc::new(turned_away))
    }

    fn listen(
        path: &Path,
        mode: u32,
        access: Access,
        turned_away: Arc<TurnedAway>,
    ) -> Result<Self, Error> {
        let shown = path.display();
        if path.as_os_str().len() > LONGEST {
            return Err(Error::Path(format!(
                "{shown} is longer than the {LONGEST} bytes that a socket's path may have"
            )));
        }
        if is_left_over(path)? {
            fs::remove_file(path)
                .map_err(|error| Error::Failed(format!("cannot replace {shown}: {error}")))?;
        }
        let listen = || -> io::Result<UnixListener> {
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, Permissions::from_mode(mode))?;
            Ok(listener)
        };
        let listener = listen()
            .map_err(|error| Error::Failed(format!("cannot listen at {shown}: {error}")))?;
        Ok(Self { listener, path: path.into(), closed: Arc::default(), access, turned_away })
    }

    /// Lets clients in from here on, each in a thread of its own, if they may connect. They leave
    /// some of the file descriptors that the process may have to the rest of it.
    ///
    /// # Errors
    /// If the process has no file descriptor or no thread left.
    pub fn serve(&self, serve: impl Fn(UnixStream) + Send + Sync + 'static) -> Result<(), Error> {
        let start = || {
            let (listener, closed) = (self.listener.try_clone()?, Arc::clone(&self.closed));
            let (access, turned_away) = (self.access.clone(), Arc::clone(&self.turned_away));
            let serve = Arc::new(serve);
            let mut strangers = BTreeSet::new();
            let accept = move || {
                loop {
                    let accepted = listener.accept();
                    if closed.load(Ordering::Acquire) {
                        return;
                    }
                    let Ok((stream, _)) = accepted else {
                        // Out of file descriptors, most likely, of which a client will soon free
                        // one.
                        thread::sleep(Duration::from_millis(10));
                        continue;
                    };
                    // Before anything else: the descriptor is free again for who saves a card.
                    if is_among_the_last(&stream) {
                        continue;
                    }
                    let Some(peer) = access.examine(&stream) else { continue };
                    if peer.is_admitted {
                        let serve = Arc::clone(&serve);
                        // Without a thread the client finds its connection closed.
                        thread::Builder::new().spawn(move || serve(stream)).ok();
                    } else if strangers.len() < NAMED && strangers.insert(peer.user) {
                        turned_away(peer.user);
                    }
                }
            };
            thread::Builder::new().spawn(accept)
        };
        let path = self.path.display();
        start().map(drop).map_err(|error| Error::Failed(format!("cannot serve {path}: {error}")))
    }

    /// Where they do.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether there is a socket that nobody listens to; refuses to replace anything else.
fn is_left_over(path: &Path) -> Result<bool, Error> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(false) };
    let path_shown = path.display();
    if !metadata.file_type().is_socket() {
        return Err(Error::Path(format!("{path_shown} exists and is no socket")));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(Error::Failed(format!("another process serves {path_shown}")));
    }
    Ok(true)
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, access, .. } = self;
        f.debug_struct("Listening").field("path", path).field("access", access).finish()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes who waits for clients.
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).ok();
        // As for the folder: the next server replaces what is left.
        fs::remove_file(&self.path).ok();
    }
}

/// How many file descriptors clients leave to the rest of the process, which opens files to save
/// cards.
const RESERVE: u64 = 16;

/// Whether a client has one of the last descriptors that the process may have. The lowest that is
/// free is the first to be given out, so that these are given out when there is no other.
fn is_among_the_last(stream: &UnixStream) -> bool {
    let number = u64::try_from(stream.as_raw_fd()).unwrap_or_default();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.is_some_and(|limit| number.saturating_add(RESERVE) >= limit)
}
