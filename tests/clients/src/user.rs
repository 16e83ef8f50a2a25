//! Somebody without rights and without a daemon.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::tool::installed;
use crate::{Tool, vschsm};

/// The user that Debian calls `nobody`.
const NOBODY: u32 = 65_534;

/// An ordinary user with a home folder, to whom `vschsm exec` is all that there is.
#[derive(Debug)]
pub struct User {
    home: TempDir,
    vschsm: PathBuf,
}

impl User {
    /// A user: `nobody` if the tests run as root, and who runs them otherwise.
    ///
    /// # Panics
    /// If there is no room for his home.
    pub fn new() -> Self {
        let home = TempDir::new().unwrap();
        // What root has built may lie where nobody else can go.
        let program = home.path().join("vschsm");
        fs::copy(vschsm(), &program).unwrap();
        if is_root() {
            chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        Self { home, vschsm: program }
    }

    /// `vschsm exec` with `options`, and a command that must be installed.
    ///
    /// # Panics
    /// If it is not.
    pub fn exec(&self, options: &[&str], command: &[&str]) -> Tool {
        let (client, _) = command.split_first().unwrap();
        installed(client);
        let program = self.vschsm.to_str().unwrap();
        let line = [&[program, "exec"], options, &["--"], command].concat();
        let tool = if is_root() {
            let nobody = NOBODY.to_string();
            let become_nobody = ["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "--"];
            Tool::new("setpriv", [&become_nobody, line.as_slice()].concat())
        } else {
            Tool::program(&self.vschsm, line.get(1..).unwrap_or_default())
        };
        tool.env("HOME", self.home())
            .env("TMPDIR", self.home())
            .env("XDG_CACHE_HOME", self.home().join("cache"))
            .directory(self.home())
    }

    /// The folder in which commands run.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

impl Default for User {
    fn default() -> Self {
        Self::new()
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
