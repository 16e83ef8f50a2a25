//! Where the server listens: a UNIX socket in the file system.

use super::{ServerError, SocketAccess};
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

/// The longest path of a socket in bytes: `sun_path` has 108 with the zero at its end, and
/// libpcsclite silently truncates a longer one.
pub(super) const LONGEST: usize = 107;

/// The maximum of rejected users that are reported: one user may have many IDs.
const MAX_REPORTED: usize = 64;

/// A socket that listens for clients. When this value is dropped, it accepts no more clients and
/// its file is removed.
pub struct ListeningSocket {
    listener: UnixListener,
    path: PathBuf,
    closed: Arc<AtomicBool>,
    access: SocketAccess,
    on_rejected: Arc<OnRejected>,
}

/// Is called with the ID of a user who may not connect and has tried to, once for each.
type OnRejected = dyn Fn(u32) + Send + Sync;

impl ListeningSocket {
    /// Listens at `path`, for clients of this user and root; a socket that a killed server has left
    /// is replaced.
    ///
    /// # Errors
    ///
    /// If the path is too long or that of another file, or another process listens there.
    pub fn at(path: &Path) -> Result<Self, ServerError> {
        Self::listen(path, 0o600, SocketAccess::default(), Arc::new(|_| {}))
    }

    /// The same for a socket that other users may connect to; `on_rejected` is called with the ID
    /// of each user who may not and has tried to, once.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at), or if the system does not tell users apart.
    pub fn for_others(
        path: &Path,
        access: SocketAccess,
        on_rejected: impl Fn(u32) + Send + Sync + 'static,
    ) -> Result<Self, ServerError> {
        access.check()?;
        Self::listen(path, access.socket_mode(), access, Arc::new(on_rejected))
    }

    fn listen(
        path: &Path,
        mode: u32,
        access: SocketAccess,
        on_rejected: Arc<OnRejected>,
    ) -> Result<Self, ServerError> {
        let failed =
            |operation| move |source| ServerError::Io { operation, path: path.into(), source };
        if path.as_os_str().len() > LONGEST {
            return Err(ServerError::PathTooLong { path: path.into(), limit: LONGEST });
        }
        if is_left_over(path)? {
            fs::remove_file(path).map_err(failed("replace"))?;
        }
        let listen = || -> io::Result<UnixListener> {
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, Permissions::from_mode(mode))?;
            Ok(listener)
        };
        let listener = listen().map_err(failed("listen at"))?;
        Ok(Self { listener, path: path.into(), closed: Arc::default(), access, on_rejected })
    }

    /// Accepts clients from here on, each in a thread of its own, if they may connect. Some file
    /// descriptors are reserved for the rest of the process.
    ///
    /// # Errors
    ///
    /// If the process has no file descriptor or no thread left.
    pub fn serve(
        &self,
        serve: impl Fn(UnixStream) + Send + Sync + 'static,
    ) -> Result<(), ServerError> {
        let start = || {
            let (listener, closed) = (self.listener.try_clone()?, Arc::clone(&self.closed));
            let (access, on_rejected) = (self.access.clone(), Arc::clone(&self.on_rejected));
            let serve = Arc::new(serve);
            let mut rejected = BTreeSet::new();
            let accept = move || {
                loop {
                    let accepted = listener.accept();
                    if closed.load(Ordering::Acquire) {
                        return;
                    }
                    let Ok((stream, _)) = accepted else {
                        // Out of file descriptors, most likely, and a client will soon free one.
                        thread::sleep(Duration::from_millis(10));
                        continue;
                    };
                    // Before anything else: the descriptor is needed to save a card.
                    if is_among_the_last(&stream) {
                        continue;
                    }
                    let Some(peer) = access.examine(&stream) else { continue };
                    if peer.is_admitted {
                        let serve = Arc::clone(&serve);
                        // Without a thread the client finds its connection closed.
                        thread::Builder::new().spawn(move || serve(stream)).ok();
                    } else if rejected.len() < MAX_REPORTED && rejected.insert(peer.user) {
                        on_rejected(peer.user);
                    }
                }
            };
            thread::Builder::new().spawn(accept)
        };
        start().map(drop).map_err(|source| ServerError::Io {
            operation: "serve",
            path: self.path.clone(),
            source,
        })
    }

    /// The path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether there is a socket without a listener; fails if there is anything else.
fn is_left_over(path: &Path) -> Result<bool, ServerError> {
    let Ok(metadata) = path.symlink_metadata() else { return Ok(false) };
    if !metadata.file_type().is_socket() {
        return Err(ServerError::NotASocket { path: path.into() });
    }
    if UnixStream::connect(path).is_ok() {
        return Err(ServerError::InUse { path: path.into() });
    }
    Ok(true)
}

impl fmt::Debug for ListeningSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, access, .. } = self;
        f.debug_struct("ListeningSocket").field("path", path).field("access", access).finish()
    }
}

impl Drop for ListeningSocket {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the thread that accepts clients.
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).ok();
        // If it fails, the next server replaces the socket.
        fs::remove_file(&self.path).ok();
    }
}

/// The number of file descriptors that are reserved for the rest of the process, which opens files
/// to save cards.
const RESERVE: u64 = 16;

/// Whether a client has one of the last descriptors that the process may have. The lowest free one
/// is assigned first, so these are assigned only when there is no other.
fn is_among_the_last(stream: &UnixStream) -> bool {
    let number = u64::try_from(stream.as_raw_fd()).unwrap_or_default();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.is_some_and(|limit| number.saturating_add(RESERVE) >= limit)
}
