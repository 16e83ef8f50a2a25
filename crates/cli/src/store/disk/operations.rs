//! The operations of a save on the file system, so that a test can cut the power between any two.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Operations on a file system. What was not synced may be lost.
pub(crate) trait Operations: Debug + Send + Sync {
    /// Makes a new file that only its owner may access; fails if the path exists.
    fn create(&self, path: &Path) -> io::Result<File>;

    /// Writes to the end of a file.
    fn write(&self, file: &File, bytes: &[u8]) -> io::Result<()>;

    /// Writes behind the first `length` bytes of a file.
    fn append(&self, file: &File, length: u64, bytes: &[u8]) -> io::Result<()>;

    /// Waits until the disk has the content of a file, and what is needed to read it.
    fn sync_data(&self, file: &File) -> io::Result<()>;

    /// Waits until the disk has the content and the permissions of a file.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Renames a file, and replaces a file that has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Exchanges the names of two files.
    fn exchange(&self, one: &Path, other: &Path) -> io::Result<()>;

    /// Removes the name of a file, and with its last name the file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Waits until the disk has the entries of a folder.
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

    fn append(&self, file: &File, length: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, length)
    }

    fn sync_data(&self, file: &File) -> io::Result<()> {
        file.sync_data()
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
