//! A card's file: locked while in use, and at any moment either the old image or the new one.
//!
//! The lock is on the file itself. A save writes a new file, locks it and puts it in the place of
//! the old one, so that whoever opens the card finds it locked at every moment, and a killed
//! process leaves no lock behind. The new file is called `.NAME.new` until then, and the old one
//! for a moment after; what a killed process left by that name is removed when its card is opened
//! next.

mod operations;

use crate::failure::Failure;
use clap::ValueEnum;
pub(crate) use operations::{Operations, System};
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest file that is looked at; a full card has less than a tenth of it.
const LONGEST: u64 = 16 << 20;

/// What of a save is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// An answered command survives a power cut: each save waits for the disk
    Full,
    /// An answered command survives the end of the program, not of the machine: much faster
    None,
}

/// A card's file, which no other process can open while this value lives.
#[derive(Debug)]
pub(crate) struct CardFile {
    path: PathBuf,
    file: File,
    durability: Durability,
    operations: Arc<dyn Operations>,
}

impl CardFile {
    /// Opens and locks a card's file and reads its image.
    ///
    /// Symbolic links are followed, and stay when the card is saved. Refuses a card that is in use,
    /// and one that others than its owner may write.
    pub(crate) fn open(path: &Path, durability: Durability) -> Result<(Self, Vec<u8>), Error> {
        Self::open_by(Arc::new(System), path, durability)
    }

    /// The same by these operations.
    pub(crate) fn open_by(
        operations: Arc<dyn Operations>,
        path: &Path,
        durability: Durability,
    ) -> Result<(Self, Vec<u8>), Error> {
        let path = path.canonicalize().map_err(|error| Error::new(path, error.into()))?;
        let open = || {
            let file = lock(&path)?;
            if file.metadata()?.mode() & 0o022 != 0 {
                return Err(Cause::OthersMayWrite);
            }
            let image = read_all(&file)?;
            clear(&*operations, &temporary(&path))?;
            Ok((file, image))
        };
        let (file, image) = open().map_err(|cause| Error::new(&path, cause))?;
        Ok((Self { path, file, durability, operations }, image))
    }

    /// The same file, of whose saves so much is waited for from here on.
    pub(crate) fn with(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// Makes a new file, which only its owner may read; refuses if there is one already.
    pub(crate) fn create(path: &Path, image: &[u8], durability: Durability) -> Result<Self, Error> {
        Self::create_by(Arc::new(System), path, image, durability)
    }

    /// The same by these operations.
    pub(crate) fn create_by(
        operations: Arc<dyn Operations>,
        path: &Path,
        image: &[u8],
        durability: Durability,
    ) -> Result<Self, Error> {
        let disk = &*operations;
        let create = || {
            refuse_existing(path)?;
            if !folder(path).is_dir() {
                return Err(Cause::NoFolder);
            }
            let temporary = temporary(path);
            let file = lock_new(disk, &temporary)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            // Again: another process may have made the card before this one had the lock.
            refuse_existing(path)
                .and_then(|()| write(disk, &file, image, durability))
                .and_then(|()| Ok(disk.rename(&temporary, path)?))
                .inspect_err(|_| discard(disk, &temporary))?;
            settle(disk, path, durability)?;
            Ok(file)
        };
        let file = create().map_err(|cause| Error::new(path, cause))?;
        Ok(Self { path: path.to_path_buf(), file, durability, operations })
    }

    /// Replaces the image. If that fails, the file has the old one or the new one, whole.
    pub(crate) fn save(&mut self, image: &[u8]) -> Result<(), Error> {
        let disk = &*self.operations;
        let save = || {
            if !is_named(&self.file, &self.path)? {
                return Err(Cause::Replaced);
            }
            let temporary = temporary(&self.path);
            let file = lock_new(disk, &temporary)?;
            keep_access(&self.file, &file)?;
            write(disk, &file, image, self.durability)
                .and_then(|()| replace(disk, &self.file, &temporary, &self.path))
                .inspect_err(|_| discard(disk, &temporary))?;
            settle(disk, &self.path, self.durability)?;
            Ok(file)
        };
        self.file = save().map_err(|cause| Error::new(&self.path, cause))?;
        Ok(())
    }

    /// Whether others than its owner may read the file, and with it every key on the card.
    pub(crate) fn others_may_read(&self) -> Result<bool, Error> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| metadata.mode() & 0o044 != 0)
            .map_err(|error| Error::new(&self.path, error.into()))
    }

    /// What the file holds now; none if it is not what its name stands for any more.
    pub(crate) fn content(&self) -> Result<Option<Vec<u8>>, Error> {
        let named = is_named(&self.file, &self.path);
        if !named.map_err(|cause| Error::new(&self.path, cause))? {
            return Ok(None);
        }
        read(&self.path).map(Some)
    }

    /// Where the file is, symbolic links resolved.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads a card's image, whether it is in use or not: a save never leaves half of one to be seen.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let read = || read_all(&open_regular(path, OpenOptions::new().read(true))?);
    read().map_err(|cause| Error::new(path, cause))
}

/// Where a card is kept that the user calls `name`.
///
/// A name without `/` is that of a card in the user's data folder; anything else is a path.
pub(crate) fn locate(name: &str) -> Result<PathBuf, String> {
    if name.contains('/') {
        return Ok(name.into());
    }
    let name = name.strip_suffix(".card").unwrap_or(name);
    if name.is_empty() {
        return Err("a card needs a name".into());
    }
    Ok(data_folder()?.join(format!("{name}.card")))
}

/// The cards in the user's data folder, by name; none if there is no folder yet.
pub(crate) fn cards() -> Result<Vec<(String, PathBuf)>, Failure> {
    let folder = data_folder().map_err(Failure::Failed)?;
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries,
    };
    let paths = entries
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    let paths = paths.map_err(|error| {
        Failure::because(format_args!("cannot list {}", folder.display()), error)
    })?;
    let is_card = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "card");
    let named = paths.into_iter().filter(is_card).filter_map(|path| {
        let name = path.file_stem()?.to_string_lossy().into_owned();
        // A save that was cut off has left it.
        (!name.starts_with('.')).then_some((name, path))
    });
    let mut cards: Vec<_> = named.collect();
    cards.sort();
    Ok(cards)
}

/// Makes the user's data folder, as private as the cards in it, if the card `path` is for it.
pub(crate) fn make_data_folder(path: &Path) -> Result<(), Failure> {
    let Some(folder) = data_folder().ok().filter(|folder| Some(folder.as_path()) == path.parent())
    else {
        return Ok(());
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| {
        Failure::because(format_args!("cannot make the folder {}", folder.display()), error)
    })
}

/// Source: XDG Base Directory Specification, "Environment variables".
fn data_folder() -> Result<PathBuf, String> {
    let absolute =
        |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .ok_or(
            "no data folder, as neither XDG_DATA_HOME nor HOME is set; give the card as a path",
        )?;
    Ok(folder.join("vschsm"))
}

/// Opens and locks the file that has the name `path` now, and still has it when it is locked.
fn lock(path: &Path) -> Result<File, Cause> {
    loop {
        let file = open_regular(path, OpenOptions::new().read(true).write(true))?;
        file.try_lock()?;
        if is_named(&file, path)? {
            return Ok(file);
        }
    }
}

/// Creates and locks a file that another process left behind at most.
fn lock_new(disk: &dyn Operations, path: &Path) -> Result<File, Cause> {
    clear(disk, path)?;
    let file = disk.create(path).map_err(Cause::Unwritable)?;
    file.try_lock()?;
    // Another process may have taken the file for left behind before it was locked.
    if is_named(&file, path)? { Ok(file) } else { Err(Cause::InUse) }
}

/// Gives `new` the owner and the permissions of `old`.
fn keep_access(old: &File, new: &File) -> Result<(), Cause> {
    let (old, created) = (old.metadata()?, new.metadata()?);
    if (old.uid(), old.gid()) != (created.uid(), created.gid()) {
        fchown(new, Some(old.uid()), Some(old.gid()))?;
    }
    Ok(new.set_permissions(old.permissions())?)
}

/// Removes a file that a killed process left behind; one that a living process holds is in use.
fn clear(disk: &dyn Operations, path: &Path) -> Result<(), Cause> {
    match lock(path) {
        Ok(_locked) => Ok(disk.remove(path)?),
        Err(Cause::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// Removes a temporary file that is not needed; if that fails, the next [`clear`] does it.
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

/// Puts the file called `temporary` in the place of `old`, which is called `path`. What somebody
/// else has put there in the meantime stays.
fn replace(disk: &dyn Operations, old: &File, temporary: &Path, path: &Path) -> Result<(), Cause> {
    // Where names cannot be exchanged, a moment is left in which another file would be lost.
    if disk.exchange(temporary, path).is_err() {
        if !is_named(old, path)? {
            return Err(Cause::Replaced);
        }
        return Ok(disk.rename(temporary, path)?);
    }
    if is_named(old, temporary)? {
        discard(disk, temporary);
        return Ok(());
    }
    disk.exchange(temporary, path)?;
    Err(Cause::Replaced)
}

/// Waits until the folder knows what `path` is.
fn settle(disk: &dyn Operations, path: &Path, durability: Durability) -> Result<(), Cause> {
    if durability == Durability::Full {
        disk.sync_folder(folder(path))?;
    }
    Ok(())
}

fn refuse_existing(path: &Path) -> Result<(), Cause> {
    match path.symlink_metadata() {
        Ok(_) => Err(Cause::Exists),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Opens a file, and nothing that would wait for somebody, as a named pipe does.
fn open_regular(path: &Path, options: &OpenOptions) -> Result<File, Cause> {
    if !path.metadata()?.is_file() {
        return Err(Cause::NoFile);
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

/// Why a card's file cannot be used.
#[derive(Debug)]
pub(crate) struct Error {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Exists,
    InUse,
    NoFile,
    NoFolder,
    OthersMayWrite,
    Replaced,
    TooLong,
    /// A save makes a new file, so it is the folder that must be writable.
    Unwritable(io::Error),
    Io(io::Error),
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
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
    fn new(path: &Path, cause: Cause) -> Self {
        Self { path: path.to_path_buf(), cause }
    }

    /// The error of a save for which the disk has no room; a card in memory has no path.
    pub(crate) fn full(path: Option<&Path>) -> Self {
        let path = path.unwrap_or(Path::new("the card in memory"));
        Self::new(path, io::Error::from(rustix::io::Errno::NOSPC).into())
    }

    /// Whether the card's file is not there any more, or another one is.
    pub(crate) fn is_replaced(&self) -> bool {
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
            Cause::Replaced => {
                format!("{path} was removed or replaced while in use, so it is not saved")
            }
            Cause::Unwritable(error) => format!("cannot write in the folder of {path}: {error}"),
            Cause::TooLong => format!("{path} is too long for a card image"),
            Cause::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                format!("there is no card {path}; make it with: vschsm new {path}")
            }
            Cause::Io(error) => format!("cannot use {path}: {error}"),
        })
    }
}
