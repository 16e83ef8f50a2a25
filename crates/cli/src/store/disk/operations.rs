//! What a save does to the file system, one operation after the other, so that a test can cut the
//! power between any two of them.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Changes of a file system. What the operations of one value have not synced may be lost.
pub(crate) trait Operations: Debug + Send + Sync {
    /// Makes a new file for its owner alone; fails if there is one of that name.
    fn create(&self, path: &Path) -> io::Result<File>;

    /// Writes to the end of a file.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Waits until the disk has what is in a file.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Gives a file another name, and takes that from the file that had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Exchanges the names of two files.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()>;

    /// Removes the name of a file, and the file with its last name.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Waits until the disk knows which files have which names in a folder.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Debug)]
pub(crate) struct System;

impl Operations for System {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    #[cfg(target_os = "linux")]
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn exchange(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}
