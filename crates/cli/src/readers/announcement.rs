//! The announcement for scripts that every card is in its reader: `ready` on standard output, and a
//! file.

use crate::text::failure::Failure;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The announcement, not made yet.
pub(crate) struct Ready {
    file: Option<PathBuf>,
}

impl Ready {
    /// Removes the file that a killed process has left; fails if it has content, as it is
    /// another's.
    pub(crate) fn new(file: Option<&Path>) -> Result<Self, Failure> {
        let ready = Self { file: file.map(Path::to_path_buf) };
        if let Some(path) = file
            && path.metadata().is_ok_and(|metadata| !metadata.is_file() || metadata.len() > 0)
        {
            let path = path.display();
            return Err(Failure::Usage(format!("the ready file {path} exists and is not empty")));
        }
        if let Some(folder) = file.and_then(Path::parent)
            && !folder.as_os_str().is_empty()
            && !folder.is_dir()
        {
            let folder = folder.display();
            return Err(Failure::Usage(format!("there is no folder {folder} for the ready file")));
        }
        ready.withdraw()?;
        Ok(ready)
    }

    /// Prints `ready` and creates the file.
    pub(crate) fn announce(&self) -> Result<(), Failure> {
        if let Some(path) = &self.file {
            File::create_new(path).map_err(|error| {
                Failure::because(format_args!("cannot create {}", path.display()), error)
            })?;
        }
        // It fails if standard output is closed, and is not needed then.
        let mut out = io::stdout().lock();
        writeln!(out, "ready").and_then(|()| out.flush()).ok();
        Ok(())
    }

    /// Removes the file.
    pub(crate) fn withdraw(&self) -> Result<(), Failure> {
        let Some(path) = &self.file else { return Ok(()) };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = path.display();
                Err(Failure::because(format_args!("cannot remove {path}"), error))
            }
            _ => Ok(()),
        }
    }
}
