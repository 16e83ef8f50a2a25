//! A private folder for sockets without a path of their own, removed with the program.

use super::socket::LONGEST;
use super::{PrivateFolderError, ServerError, SocketAccess};
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{env, io, iter};

/// How such a folder's name begins; sixteen hexadecimal digits follow.
const PREFIX: &str = "vschsm-";

/// A folder of this user, which no other user may list or write; removed when it is dropped, with
/// the sockets in it.
///
/// It is locked as long as its program lives. One that a killed program has left is removed when
/// the same user's next one is made beside it.
#[derive(Debug)]
pub struct PrivateFolder {
    path: PathBuf,
    /// Absent where the file system has no locks: folders of killed programs stay there.
    _lock: Option<File>,
}

impl PrivateFolder {
    /// Makes one in TMPDIR, XDG_RUNTIME_DIR or /tmp, for sockets with this access.
    ///
    /// # Errors
    ///
    /// [`ServerError::NoPrivateFolder`] if there can be none in any of them.
    pub fn new(access: &SocketAccess) -> Result<Self, ServerError> {
        let named = ["TMPDIR", "XDG_RUNTIME_DIR"].into_iter().filter_map(env::var_os);
        let places = named.map(PathBuf::from).chain(iter::once(PathBuf::from("/tmp")));
        let mut tried = Vec::new();
        for place in places.filter(|place| place.is_absolute()) {
            match Self::within(&place, access) {
                Ok(folder) => return Ok(folder),
                Err(error) => tried.push((place, error)),
            }
        }
        Err(ServerError::NoPrivateFolder { tried })
    }

    fn within(place: &Path, access: &SocketAccess) -> Result<Self, PrivateFolderError> {
        if let Some(closed) = access.first_closed_folder(&place.join(PREFIX)) {
            return Err(PrivateFolderError::Closed(closed));
        }
        remove_abandoned(place);
        loop {
            let number = getrandom::u64().map_err(PrivateFolderError::NoRandomness)?;
            let path = place.join(format!("{PREFIX}{number:016x}"));
            if path.join("12345678").as_os_str().len() > LONGEST {
                return Err(PrivateFolderError::PathTooLong);
            }
            let make = || {
                DirBuilder::new().mode(0o700).create(&path)?;
                lock(&path)
            };
            match make()? {
                FolderLock::Acquired(lock) => {
                    let folder = Self { path, _lock: lock };
                    let mode = Permissions::from_mode(access.folder_mode());
                    fs::set_permissions(&folder.path, mode)?;
                    return Ok(folder);
                }
                // Another program has removed it as abandoned before it was locked.
                FolderLock::Unavailable => {}
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
        // If it fails, the next program removes it.
        fs::remove_dir_all(&self.path).ok();
    }
}

/// Whether a folder is locked by this process.
enum FolderLock {
    /// It is, if the file system has locks.
    Acquired(Option<File>),
    /// Another process has locked it, or it was removed.
    Unavailable,
}

fn lock(path: &Path) -> io::Result<FolderLock> {
    let folder = match File::open(path) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(FolderLock::Unavailable);
        }
        Err(error) => return Err(error),
    };
    match folder.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(FolderLock::Unavailable),
        Err(TryLockError::Error(_)) => return Ok(FolderLock::Acquired(None)),
    }
    let (locked, named) = (folder.metadata()?, path.symlink_metadata());
    let is_named =
        named.is_ok_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino()));
    Ok(if is_named { FolderLock::Acquired(Some(folder)) } else { FolderLock::Unavailable })
}

/// Removes the folders of this user's killed programs. Errors are left to the next program.
fn remove_abandoned(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_name = digits.is_some_and(|digits| {
            digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        if is_name {
            remove_if_abandoned(&entry.path()).ok();
        }
    }
}

/// Removes a folder that is this user's, not locked, and empty but for sockets without a listener.
fn remove_if_abandoned(path: &Path) -> io::Result<()> {
    // Not what a symbolic link points to.
    let folder = path.symlink_metadata()?;
    if !folder.is_dir() || folder.uid() != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let FolderLock::Acquired(Some(_lock)) = lock(path)? else { return Ok(()) };
    let sockets = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    for socket in &sockets {
        let is_abandoned =
            socket.file_type()?.is_socket() && UnixStream::connect(socket.path()).is_err();
        if !is_abandoned {
            return Ok(());
        }
    }
    sockets.iter().try_for_each(|socket| fs::remove_file(socket.path()))?;
    fs::remove_dir(path)
}
