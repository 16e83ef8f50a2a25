//! A card's file: locked while in use, and at any moment either the old card or the new one.
//!
//! The lock is on the file itself. A record of a change is appended to the file. To save an image,
//! a new file is written and locked, and replaces the old one, so that the card is locked at every
//! moment, and a killed process leaves no lock behind. The new file is called `.NAME.new` until
//! then, and the old one for a moment after; a file of that name that a killed process has left is
//! removed when its card is opened next.

mod access;
mod error;
mod operations;
mod place;

use access::keep_access;
use clap::ValueEnum;
use error::Cause;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use error::DiskError;
pub(crate) use operations::{Operations, System};
pub(crate) use place::{card, cards, locate, make_data_folder};

/// The longest file that is read, and thus the longest that is written.
pub(crate) const LONGEST: u64 = 16 << 20;

/// What a save waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// A command with a response survives a power cut: each save waits for the disk
    Full,
    /// A command with a response survives the end of the program, but not a power cut: much faster
    None,
}

/// A card's file, locked against other processes while this value lives.
#[derive(Debug)]
pub(crate) struct CardFile {
    /// The path by which it was opened, symbolic links included.
    name: PathBuf,
    /// The same, symbolic links resolved.
    path: PathBuf,
    file: File,
    /// Why it can only be read, if so.
    read_only: Option<io::Error>,
    durability: Durability,
    operations: Arc<dyn Operations>,
}

impl CardFile {
    /// Opens and locks a card's file and reads its image.
    ///
    /// Symbolic links are followed, and stay when the card is saved. Refuses a card that is in use,
    /// one that other users may write, and one with hard links, which a save would leave with the
    /// old card.
    pub(crate) fn open(path: &Path, durability: Durability) -> Result<(Self, Vec<u8>), DiskError> {
        Self::open_by(Arc::new(System), path, durability)
    }

    /// The same with these operations.
    pub(crate) fn open_by(
        operations: Arc<dyn Operations>,
        name: &Path,
        durability: Durability,
    ) -> Result<(Self, Vec<u8>), DiskError> {
        let named = || Ok((std::path::absolute(name)?, name.canonicalize()?));
        let (name, path) =
            named().map_err(|error: io::Error| DiskError::new(name, error.into()))?;
        let open = || {
            let (file, read_only) = lock(&path)?;
            let metadata = file.metadata()?;
            if metadata.mode() & 0o022 != 0 {
                return Err(Cause::OthersMayWrite);
            }
            if metadata.nlink() > 1 && read_only.is_none() {
                return Err(Cause::Linked);
            }
            let image = read_all(&file)?;
            // Any other reason why it cannot be removed will keep the card from being saved.
            if let Err(Cause::InUse) = clear(&*operations, &temporary(&path)) {
                return Err(Cause::InUse);
            }
            Ok((file, read_only, image))
        };
        let (file, read_only, image) = open().map_err(|cause| DiskError::new(&path, cause))?;
        Ok((Self { name, path, file, read_only, durability, operations }, image))
    }

    /// The same file, whose saves wait for this from here on.
    pub(crate) fn with(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// Makes a new file, which only its owner may read; fails if there is one already.
    pub(crate) fn create(
        path: &Path,
        image: &[u8],
        durability: Durability,
    ) -> Result<Self, DiskError> {
        Self::create_by(Arc::new(System), path, image, durability)
    }

    /// The same with these operations.
    pub(crate) fn create_by(
        operations: Arc<dyn Operations>,
        path: &Path,
        image: &[u8],
        durability: Durability,
    ) -> Result<Self, DiskError> {
        let disk = &*operations;
        let create = || {
            refuse_existing(path)?;
            if !folder(path).is_dir() {
                return Err(Cause::NoFolder);
            }
            let temporary = temporary(path);
            let file = lock_new(disk, &temporary)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            // Again: another process may have made the card before this one locked it.
            refuse_existing(path)
                .and_then(|()| write(disk, &file, image, durability))
                .and_then(|()| Ok(disk.rename(&temporary, path)?))
                .inspect_err(|_| discard(disk, &temporary))?;
            sync_folder(disk, path, durability)?;
            Ok(file)
        };
        let file = create().map_err(|cause| DiskError::new(path, cause))?;
        let (name, path) = (path.into(), path.into());
        Ok(Self { name, path, file, read_only: None, durability, operations })
    }

    /// Replaces the image. If that fails, the file has the old one or the new one, whole, and a
    /// later attempt may succeed.
    pub(crate) fn save(&mut self, image: &[u8]) -> Result<(), DiskError> {
        self.put(image).map_err(|cause| DiskError::unsaved(&self.path, cause))
    }

    /// Writes a record to the end of the file, which has so many bytes. If that fails, there may be
    /// a part of it, or all, and only [`save`](Self::save) makes the file whole again.
    pub(crate) fn append(&mut self, length: u64, record: &[u8]) -> Result<(), DiskError> {
        let disk = &*self.operations;
        let append = || {
            self.check_writable()?;
            disk.append(&self.file, length, record)?;
            if self.durability == Durability::Full {
                disk.sync_data(&self.file)?;
            }
            check_path(&self.file, &self.path)
        };
        append().map_err(|cause| DiskError::unsaved(&self.path, cause))
    }

    /// Whether the file may be written; to replace it, its folder must be writable.
    pub(crate) fn is_writable(&self) -> bool {
        self.read_only.is_none()
    }

    /// The number by which the file system knows the file; a save that has replaced the file has
    /// changed it.
    pub(crate) fn number(&self) -> Option<u64> {
        self.file.metadata().ok().map(|metadata| metadata.ino())
    }

    fn check_writable(&self) -> Result<(), Cause> {
        match self.read_only.as_ref().and_then(io::Error::raw_os_error) {
            Some(error) => Err(io::Error::from_raw_os_error(error).into()),
            None => Ok(()),
        }
    }

    fn put(&mut self, image: &[u8]) -> Result<(), Cause> {
        check_path(&self.file, &self.path)?;
        let (file, temporary) = self.written(image, self.durability)?;
        let disk = &*self.operations;
        replace(disk, &self.file, &temporary, &self.path)
            .inspect_err(|_| discard(disk, &temporary))?;
        // It is the card's file from here on, whether the disk has it already or not.
        self.file = file;
        sync_folder(disk, &self.path, self.durability)
    }

    /// Finds out whether a save would fail, as far as that can be known before: writes the current
    /// image beside the file, and removes it.
    pub(crate) fn check_saving(&self) -> Result<(), DiskError> {
        let image = read(&self.path)?;
        let check = || {
            if is_mounted_alone(&self.file, &self.path) {
                return Err(Cause::Mounted);
            }
            let (_, temporary) = self.written(&image, Durability::None)?;
            Ok(self.operations.remove(&temporary)?)
        };
        check().map_err(|cause| DiskError::unsaved(&self.path, cause))
    }

    /// A new file beside this one, with an image in it, and its name.
    fn written(&self, image: &[u8], durability: Durability) -> Result<(File, PathBuf), Cause> {
        if image.len() as u64 > LONGEST {
            return Err(Cause::TooLong);
        }
        self.check_writable()?;
        let (disk, temporary) = (&*self.operations, temporary(&self.path));
        let file = lock_new(disk, &temporary)?;
        keep_access(&self.file, &file)
            .and_then(|()| write(disk, &file, image, durability))
            .inspect_err(|_| discard(disk, &temporary))?;
        Ok((file, temporary))
    }

    /// Whether other users than its owner may read the file, and with it every key on the card.
    pub(crate) fn others_may_read(&self) -> Result<bool, DiskError> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| metadata.mode() & 0o044 != 0)
            .map_err(|error| DiskError::new(&self.path, error.into()))
    }

    /// The content of the file; `None` if its path leads to another file by now.
    pub(crate) fn content(&self) -> Result<Option<Vec<u8>>, DiskError> {
        let named = is_named(&self.file, &self.name);
        if !named.map_err(|cause| DiskError::new(&self.name, cause))? {
            return Ok(None);
        }
        read(&self.name).map(Some)
    }

    /// The absolute path by which the file was opened; it may lead to another file by now.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// Where the file is, symbolic links resolved.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads a card's file, whether it is in use or not: a save never shows half of an image, and a
/// record that is being written is one that was not stored completely.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, DiskError> {
    let read = || read_all(&open_regular(path, OpenOptions::new().read(true))?);
    read().map_err(|cause| DiskError::new(path, cause))
}

/// Opens and locks the file `path`, which still has that path when it is locked; and why it can
/// only be read, if so.
fn lock(path: &Path) -> Result<(File, Option<io::Error>), Cause> {
    loop {
        let (file, read_only) = match open_regular(path, OpenOptions::new().read(true).write(true))
        {
            Err(Cause::Io(error)) if may_be_read_only(&error) => {
                (open_regular(path, OpenOptions::new().read(true))?, Some(error))
            }
            opened => (opened?, None),
        };
        match file.try_lock() {
            // Some file systems lock only what may be written.
            Err(TryLockError::Error(_)) if read_only.is_some() => {}
            locked => locked?,
        }
        if is_named(&file, path)? {
            return Ok((file, read_only));
        }
    }
}

fn may_be_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Creates and locks a file, in place of one that a killed process has left.
fn lock_new(disk: &dyn Operations, path: &Path) -> Result<File, Cause> {
    clear(disk, path)?;
    let file = disk.create(path).map_err(Cause::Unwritable)?;
    file.try_lock()?;
    // Another process may have removed the file as abandoned before it was locked.
    if is_named(&file, path)? { Ok(file) } else { Err(Cause::InUse) }
}

/// Removes a file that a killed process has left; one that a process has locked is in use.
fn clear(disk: &dyn Operations, path: &Path) -> Result<(), Cause> {
    match lock(path) {
        Ok(_locked) => Ok(disk.remove(path)?),
        Err(Cause::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// Removes a temporary file; if that fails, the next [`clear`] does it.
fn discard(disk: &dyn Operations, path: &Path) {
    disk.remove(path).ok();
}

/// Writes `image` to a new file.
fn write(
    disk: &dyn Operations,
    file: &File,
    image: &[u8],
    durability: Durability,
) -> Result<(), Cause> {
    disk.write(file, image)?;
    if durability == Durability::Full {
        disk.sync(file)?;
    }
    Ok(())
}

/// Replaces `old`, whose path is `path`, by the file `temporary`. A file that another process has
/// put there in the meantime stays.
fn replace(disk: &dyn Operations, old: &File, temporary: &Path, path: &Path) -> Result<(), Cause> {
    // Where names cannot be exchanged, there is a moment in which another file would be lost.
    if disk.exchange(temporary, path).is_err() {
        check_path(old, path)?;
        return Ok(disk.rename(temporary, path)?);
    }
    if is_named(old, temporary)? {
        discard(disk, temporary);
        return Ok(());
    }
    disk.exchange(temporary, path)?;
    Err(Cause::Replaced)
}

/// Waits until the disk has the folder's entry for `path`.
fn sync_folder(disk: &dyn Operations, path: &Path, durability: Durability) -> Result<(), Cause> {
    if durability == Durability::Full {
        disk.sync_folder(folder(path))?;
    }
    Ok(())
}

/// Fails if the file does not have its path any more.
fn check_path(file: &File, path: &Path) -> Result<(), Cause> {
    match is_named(file, path) {
        Ok(true) => Ok(()),
        Ok(false) if path.symlink_metadata().is_ok() => Err(Cause::Replaced),
        Ok(false) => Err(Cause::Missing),
        Err(cause) => Err(cause),
    }
}

fn refuse_existing(path: &Path) -> Result<(), Cause> {
    match path.symlink_metadata() {
        Ok(_) => Err(Cause::Exists),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Opens a regular file, and nothing that would block, as a named pipe does.
fn open_regular(path: &Path, options: &OpenOptions) -> Result<File, Cause> {
    if !path.metadata()?.is_file() {
        return Err(Cause::NotAFile);
    }
    Ok(options.open(path)?)
}

fn read_all(file: &File) -> Result<Vec<u8>, Cause> {
    let mut image = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut image)?;
    if image.len() as u64 > LONGEST {
        return Err(Cause::TooLong);
    }
    Ok(image)
}

fn is_named(file: &File, path: &Path) -> Result<bool, Cause> {
    let named = match path.metadata() {
        Ok(named) => named,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let open = file.metadata()?;
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// Whether the file is a mount point of its own: no other file can then replace it.
#[cfg(target_os = "linux")]
fn is_mounted_alone(file: &File, path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let mount = |path: &Path| statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok();
    let devices =
        || -> io::Result<bool> { Ok(file.metadata()?.dev() != folder(path).metadata()?.dev()) };
    match (mount(path), mount(folder(path))) {
        (Some(own), Some(folder)) if own.stx_mask & StatxFlags::MNT_ID.bits() != 0 => {
            own.stx_mnt_id != folder.stx_mnt_id
        }
        // An old kernel does not report mount IDs.
        _ => devices().unwrap_or_default(),
    }
}

#[cfg(not(target_os = "linux"))]
fn is_mounted_alone(_: &File, _: &Path) -> bool {
    false
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::failure::Failure;

    #[test]
    fn an_image_that_could_not_be_read_again_is_not_written() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("a.card");
        let longest = usize::try_from(LONGEST).expect("it fits");
        let mut file = CardFile::create(&path, b"old", Durability::None).expect("a file");
        let refused = file.save(&vec![b'x'; longest + 1]).map_err(Failure::from);
        let why = refused.expect_err("it is too long").to_string();
        assert!(why.ends_with("is too long for a card image"), "{why}");
        assert_eq!(read(&path).expect("it is there"), b"old");
        file.save(&vec![b'x'; longest]).expect("as long as one may be");
        assert_eq!(read(&path).expect("it is there").len(), longest);
    }
}
