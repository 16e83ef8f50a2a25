//! Where the server listens: a socket in the file system, for one user alone.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, iter, thread};

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
const LONGEST: usize = 107;

/// A folder that only this user may enter; removed in the end, with the socket in it.
#[derive(Debug)]
pub struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// Makes one where temporary files belong.
    ///
    /// # Errors
    /// If there is no such place.
    pub fn new() -> Result<Self, Error> {
        let named = ["TMPDIR", "XDG_RUNTIME_DIR"].into_iter().filter_map(env::var_os);
        let places = named.map(PathBuf::from).chain(iter::once(PathBuf::from("/tmp")));
        let mut troubles = Vec::new();
        for place in places.filter(|place| place.is_absolute()) {
            match Self::within(&place) {
                Ok(folder) => return Ok(folder),
                Err(trouble) => troubles.push(format!("{} ({trouble})", place.display())),
            }
        }
        Err(Error::Failed(format!(
            "cannot make a folder for sockets in {}; name another place in TMPDIR",
            troubles.join(" or ")
        )))
    }

    fn within(place: &Path) -> Result<Self, String> {
        let number = getrandom::u64().map_err(|error| error.to_string())?;
        let folder = Self(place.join(format!("vschsm-{number:016x}")));
        if folder.socket("12345678").as_os_str().len() > LONGEST {
            return Err("too long for the path of a socket".into());
        }
        let made = DirBuilder::new().mode(0o700).create(&folder.0);
        made.map(|()| folder).map_err(|error| error.to_string())
    }

    /// The path of a socket in it, whose name has no more than eight bytes.
    #[must_use]
    pub fn socket(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // There is nobody to tell, and the next program makes its own.
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A socket that waits for clients; they are let in no more when this value is dropped, and its
/// file goes.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
    closed: Arc<AtomicBool>,
}

impl Listening {
    /// Listens at `path`, which only this user may connect to; what a killed server left there is
    /// replaced.
    ///
    /// # Errors
    /// If the path is too long, or of another file, or another process listens there.
    pub fn at(path: &Path) -> Result<Self, Error> {
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
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = listen()
            .map_err(|error| Error::Failed(format!("cannot listen at {shown}: {error}")))?;
        Ok(Self { listener, path: path.into(), closed: Arc::default() })
    }

    /// Lets clients in from here on, each in a thread of its own: processes of this user, and
    /// root's.
    ///
    /// # Errors
    /// If the process has no file descriptor or no thread left.
    pub fn serve(&self, serve: impl Fn(UnixStream) + Send + Sync + 'static) -> Result<(), Error> {
        let start = || {
            let (listener, closed) = (self.listener.try_clone()?, Arc::clone(&self.closed));
            let serve = Arc::new(serve);
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
                    if is_own(&stream) {
                        let serve = Arc::clone(&serve);
                        // Without a thread the client finds its connection closed.
                        thread::Builder::new().spawn(move || serve(stream)).ok();
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

impl Drop for Listening {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes who waits for clients.
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).ok();
        // As for the folder: the next server replaces what is left.
        fs::remove_file(&self.path).ok();
    }
}

/// Whether a client is a process of this user, or root's.
#[cfg(target_os = "linux")]
fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    rustix::net::sockopt::socket_peercred(stream)
        .is_ok_and(|peer| peer.uid == own || peer.uid.is_root())
}

/// The socket's permissions say who may connect.
#[cfg(not(target_os = "linux"))]
fn is_own(_: &UnixStream) -> bool {
    true
}
