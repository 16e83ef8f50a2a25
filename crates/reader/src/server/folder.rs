//! Where sockets without a place of their own go: a folder that goes with the program.

use super::socket::LONGEST;
use super::{Access, Error};
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{env, io, iter};

/// How such a folder's name begins; sixteen hexadecimal digits follow.
const PREFIX: &str = "vschsm-";

/// A folder of this user, which nobody else may list or write; removed in the end, with the sockets
/// in it.
///
/// It is locked for as long as its program lives. One that a killed program has left is removed
/// when the same user's next one is made beside it.
#[derive(Debug)]
pub struct PrivateFolder {
    path: PathBuf,
    /// None where the file system has no locks, and dead folders stay.
    _lock: Option<File>,
}

impl PrivateFolder {
    /// Makes one where temporary files belong, for sockets that so many may connect to.
    ///
    /// # Errors
    /// If there is no such place.
    pub fn new(access: &Access) -> Result<Self, Error> {
        let named = ["TMPDIR", "XDG_RUNTIME_DIR"].into_iter().filter_map(env::var_os);
        let places = named.map(PathBuf::from).chain(iter::once(PathBuf::from("/tmp")));
        let mut troubles = Vec::new();
        for place in places.filter(|place| place.is_absolute()) {
            match Self::within(&place, access) {
                Ok(folder) => return Ok(folder),
                Err(trouble) => troubles.push(format!("{} ({trouble})", place.display())),
            }
        }
        Err(Error::Failed(format!(
            "cannot make a folder for sockets in {}; name another place in TMPDIR",
            troubles.join(" or ")
        )))
    }

    fn within(place: &Path, access: &Access) -> Result<Self, String> {
        if let Some(obstacle) = access.obstacle(&place.join(PREFIX)) {
            return Err(format!("{} is closed to whom you let in", obstacle.display()));
        }
        remove_dead(place);
        loop {
            let number = getrandom::u64().map_err(|error| error.to_string())?;
            let path = place.join(format!("{PREFIX}{number:016x}"));
            if path.join("12345678").as_os_str().len() > LONGEST {
                return Err("too long for the path of a socket".into());
            }
            let make = || {
                DirBuilder::new().mode(0o700).create(&path)?;
                hold(&path)
            };
            match make().map_err(|error| error.to_string())? {
                Held::Yes(lock) => {
                    let folder = Self { path, _lock: lock };
                    let mode = Permissions::from_mode(access.folder_mode());
                    let opened = fs::set_permissions(&folder.path, mode);
                    return opened.map(|()| folder).map_err(|error| error.to_string());
                }
                // Another program has taken it for dead before it was locked.
                Held::No => {}
            }
        }
    }

    /// The path of a socket in it, whose name has no more than eight bytes.
    #[must_use]
    pub fn socket(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // There is nobody to tell, and the next program makes its own.
        fs::remove_dir_all(&self.path).ok();
    }
}

/// Whether a folder is locked by this process.
enum Held {
    /// As far as the file system has locks.
    Yes(Option<File>),
    /// Another process holds it, or it is not there any more.
    No,
}

fn hold(path: &Path) -> io::Result<Held> {
    let folder = match File::open(path) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Held::No),
        Err(error) => return Err(error),
    };
    match folder.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Held::No),
        Err(TryLockError::Error(_)) => return Ok(Held::Yes(None)),
    }
    let (locked, named) = (folder.metadata()?, path.symlink_metadata());
    let is_named =
        named.is_ok_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino()));
    Ok(if is_named { Held::Yes(Some(folder)) } else { Held::No })
}

/// Removes the folders of this user's programs that were killed. What fails is left for the next.
fn remove_dead(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_name = digits.is_some_and(|digits| {
            digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        if is_name {
            remove_if_dead(&entry.path()).ok();
        }
    }
}

/// Removes a folder that is this user's, held by nobody, and without anything in it but sockets
/// that nobody listens to.
fn remove_if_dead(path: &Path) -> io::Result<()> {
    // Whatever a link leads to.
    let folder = path.symlink_metadata()?;
    if !folder.is_dir() || folder.uid() != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let Held::Yes(Some(_lock)) = hold(path)? else { return Ok(()) };
    let sockets = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    for socket in &sockets {
        let is_dead =
            socket.file_type()?.is_socket() && UnixStream::connect(socket.path()).is_err();
        if !is_dead {
            return Ok(());
        }
    }
    sockets.iter().try_for_each(|socket| fs::remove_file(socket.path()))?;
    fs::remove_dir(path)
}
