//! Programs of the distribution, each run to its end with a time limit.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{PATIENCE, User};

/// Which Debian package brings a program.
const PACKAGES: [(&str, &str); 24] = [
    ("/usr/bin/python3", "python3-pyscard"),
    ("apache2", "apache2-bin"),
    ("engines-3/pkcs11.so", "libengine-pkcs11-openssl"),
    ("java", "default-jdk-headless"),
    ("javac", "default-jdk-headless"),
    ("libpcsclite.so.1", "libpcsclite1"),
    ("nginx", "nginx"),
    ("opensc-pkcs11.so", "opensc-pkcs11"),
    ("opensc-explorer", "opensc"),
    ("opensc-tool", "opensc"),
    ("pkcs11-tool", "opensc"),
    ("pkcs15-tool", "opensc"),
    ("sc-hsm-tool", "opensc"),
    ("openssl", "openssl"),
    ("p11tool", "gnutls-bin"),
    ("pcsc_scan", "pcsc-tools"),
    ("pcscd", "pcscd"),
    ("scdaemon", "scdaemon"),
    ("setpriv", "util-linux"),
    ("ssh-agent", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("sudo", "sudo"),
    ("timeout", "coreutils"),
    ("unshare", "util-linux"),
];

/// Where `name` is installed.
///
/// # Panics
/// If it is not: a missing client is a failed test, with a sentence that says what to install.
pub fn installed(name: &str) -> PathBuf {
    if name.contains('/') {
        return first(name, [PathBuf::new()].into_iter());
    }
    let path = env::var("PATH").unwrap_or_default();
    // pcscd lies where only root's PATH looks, and scdaemon where only GnuPG does.
    let folders = path.split(':').chain(["/usr/sbin", "/sbin", "/usr/lib/gnupg", "/usr/libexec"]);
    first(name, folders.map(PathBuf::from))
}

/// Where the library `name` is installed, for this machine's architecture.
///
/// # Panics
/// If it is not.
pub fn library(name: &str) -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    first(name, folders)
}

/// The file `name` in the first of the folders that has it.
fn first(name: &str, mut folders: impl Iterator<Item = PathBuf>) -> PathBuf {
    let file = folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()));
    file.unwrap_or_else(|| {
        let package = PACKAGES.iter().find(|(program, _)| *program == name);
        let package = package.map_or(name, |(_, package)| package);
        panic!("`{name}` is not installed: `apt-get install {package}`, or run `tests/run`")
    })
}

/// A program about to run.
#[derive(Debug)]
pub struct Tool {
    command: Command,
    input: Vec<u8>,
}

impl Tool {
    /// The program `name` with `arguments`, nothing on its standard input.
    ///
    /// # Panics
    /// If it is not installed.
    pub fn new<S: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = S>) -> Self {
        Self::program(&installed(name), arguments)
    }

    /// The program in the file `program` with `arguments`, nothing on its standard input.
    pub fn program<S: AsRef<OsStr>>(
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut command = Command::new(installed("timeout"));
        command.args(["--kill-after=5", &PATIENCE.as_secs().to_string()]);
        command.arg(program).env("LC_ALL", "C");
        Self { command, input: Vec::new() }.args(arguments)
    }

    /// Adds `arguments`.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Runs as `user`, in his home folder.
    #[must_use]
    pub(crate) fn of(mut self, user: &User) -> Self {
        user.take_over(&mut self.command);
        self
    }

    /// Runs in the folder `directory`.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Puts `bytes` on the standard input.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// If it does not start, or is not at its end in time.
    pub fn run(mut self) -> Finished {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Without `timeout` and its two arguments.
        let words = self.command.get_args().skip(2).map(|word| word.to_string_lossy());
        let line = words.collect::<Vec<_>>().join(" ");
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut stdin = child.stdin.take().unwrap();
        // A tool that ends without reading its input closes the pipe; its exit code says the rest.
        let _unread = stdin.write_all(&self.input);
        drop(stdin);
        let output = child.wait_with_output().unwrap_or_else(|error| panic!("{line}: {error}"));
        let finished = Finished {
            line,
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        // `timeout` ends with 124 when it had to end the program, and 137 when it had to kill it.
        assert!(!matches!(finished.code, Some(124 | 137) | None), "it hangs: {finished}");
        finished
    }
}

/// What a program that ran to its end has left.
#[derive(Debug)]
pub struct Finished {
    line: String,
    code: Option<i32>,
    /// The bytes it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output and then standard error, as text.
    pub fn text(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.stdout), self.stderr)
    }

    /// Itself, for a program that must succeed.
    ///
    /// # Panics
    /// If the exit code is not 0.
    pub fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// Itself, for a program that must fail.
    ///
    /// # Panics
    /// If the exit code is 0.
    pub fn failed(self) -> Self {
        assert_ne!(self.code, Some(0), "{self}");
        self
    }

    /// Itself, for a program that must end with `code`.
    ///
    /// # Panics
    /// If it ends with another.
    pub fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Itself, for a program that must say `what` on standard output or standard error.
    ///
    /// # Panics
    /// If it does not.
    pub fn says(self, what: &str) -> Self {
        assert!(self.text().contains(what), "no `{what}` in: {self}");
        self
    }

    /// Itself, for a program that must not say `what`.
    ///
    /// # Panics
    /// If it does.
    pub fn never_says(self, what: &str) -> Self {
        assert!(!self.text().contains(what), "`{what}` in: {self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "`{}` ended with {:?}\n{}", self.line, self.code, self.text())
    }
}
