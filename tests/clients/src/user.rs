//! Whose programs they are.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::tool::installed;
use crate::{Tool, vschsm};

/// The user that Debian calls `nobody`.
const NOBODY: u32 = 65_534;

/// Somebody with a home folder, in which the programs run.
#[derive(Debug)]
pub struct User {
    home: TempDir,
    vschsm: PathBuf,
    /// The user that the programs run as, if it is not the one who runs the tests.
    becomes: Option<u32>,
}

impl User {
    /// An ordinary user, who has nothing but `vschsm exec`: `nobody` if the tests run as
    /// root, and who runs them otherwise.
    ///
    /// # Panics
    /// If there is no room for his home.
    pub fn new() -> Self {
        let who_runs_the_tests = Self::who_runs_the_tests();
        if !is_root() {
            return who_runs_the_tests;
        }
        let home = who_runs_the_tests.home;
        // What root has built may lie where nobody else can go. It is large, and rarely copied.
        let program = home.path().join("vschsm");
        fs::hard_link(vschsm(), &program)
            .or_else(|_| fs::copy(vschsm(), &program).map(drop))
            .unwrap();
        chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        Self { home, vschsm: program, becomes: Some(NOBODY) }
    }

    /// The user who runs the tests, which may be root, with another home.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn who_runs_the_tests() -> Self {
        Self { home: TempDir::new().unwrap(), vschsm: vschsm().to_owned(), becomes: None }
    }

    /// `vschsm exec` with `options`, and a command that must be installed.
    ///
    /// # Panics
    /// If it is not.
    pub fn exec(&self, options: &[&str], command: &[&str]) -> Tool {
        let (client, _) = command.split_first().unwrap();
        installed(client);
        self.vschsm(&[&["exec"], options, &["--"], command].concat())
    }

    /// `vschsm` with `arguments`.
    ///
    /// # Panics
    /// If `timeout` is not installed.
    pub fn vschsm(&self, arguments: &[&str]) -> Tool {
        Tool::program(&self.vschsm, arguments).of(self)
    }

    /// `vschsm` with `arguments`, as root: by `sudo` if the tests are somebody else's.
    ///
    /// # Panics
    /// If `timeout` or `sudo` is not installed.
    pub fn vschsm_of_root(&self, arguments: &[&str]) -> Tool {
        self.of_root(self.vschsm.to_str().unwrap(), arguments)
    }

    /// The program `name` with `arguments`, likewise.
    ///
    /// # Panics
    /// If it, `timeout` or `sudo` is not installed.
    pub fn of_root(&self, name: &str, arguments: &[&str]) -> Tool {
        // Not in the home folder, where others cannot go.
        if is_root() {
            return Tool::new(name, arguments);
        }
        Tool::new("sudo", [&["--non-interactive", name], arguments].concat())
    }

    /// Where `vschsm` is, for scripts of the shell.
    pub fn program(&self) -> &Path {
        &self.vschsm
    }

    /// The program `name` with `arguments`.
    ///
    /// # Panics
    /// If it is not installed.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> Tool {
        Tool::new(name, arguments).of(self)
    }

    /// `vschsm`, to which arguments are to be added.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.vschsm);
        self.take_over(&mut command);
        command
    }

    /// Lets a command be this user's.
    pub(crate) fn take_over(&self, command: &mut Command) {
        command
            .env("HOME", self.home())
            .env("TMPDIR", self.home())
            .env("XDG_CACHE_HOME", self.home().join("cache"))
            .current_dir(self.home());
        if let Some(number) = self.becomes {
            // With this, a process of root's leaves its other groups as well.
            command.uid(number).gid(number);
        }
    }

    /// The folder in which programs run, and that their file names are relative to.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes `bytes` into the file `name` of [`home`](Self::home).
    ///
    /// # Panics
    /// If that fails.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let file = self.home().join(name);
        fs::write(&file, bytes).unwrap();
        chown(&file, self.becomes, self.becomes).unwrap();
    }

    /// Reads the file `name` of [`home`](Self::home).
    ///
    /// # Panics
    /// If that fails.
    pub fn read(&self, name: &str) -> Vec<u8> {
        let file = self.home().join(name);
        fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
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
