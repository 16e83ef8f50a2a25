//! Programs that put a card into a reader.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::{PATIENCE, User};

/// The program that is the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// The program under test: `vschsm run`.
    Vschsm,
    /// `echo-card`, which shows what the reader costs without a card behind it.
    Echo,
}

/// A running program with a card in a reader; killed when dropped, as the power might fail.
#[derive(Debug)]
pub struct CardProcess {
    child: Child,
    lines: Receiver<String>,
    log: TempDir,
}

impl CardProcess {
    /// Starts a card that connects to `vpcd` (`HOST:PORT`), with further `options` for `vschsm
    /// run`.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn spawn(answering: Answering, vpcd: &str, options: &[&str]) -> Self {
        let mut command = match answering {
            Answering::Vschsm => Command::new(vschsm()),
            Answering::Echo => Command::new(sibling("echo-card")),
        };
        if answering == Answering::Vschsm {
            command.args(["run", "--vpcd"]);
        }
        let log = TempDir::new().unwrap();
        command.arg(vpcd).args(options).env("HOME", log.path());
        Self::start(command, log)
    }

    /// Starts a PC/SC server with `cards` in its readers: `vschsm run --pcsc-socket`, as `user`.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn serve<S: AsRef<OsStr>>(user: &User, socket: &Path, reader: &str, cards: &[S]) -> Self {
        let mut command = user.command();
        command.arg("run").args(cards).arg("--pcsc-socket").arg(socket);
        command.args(["--reader-name", reader]);
        Self::start(command, TempDir::new().unwrap())
    }

    /// Starts `command`, whose complaints go to the folder `log`.
    pub(crate) fn start(mut command: Command, log: TempDir) -> Self {
        let errors = File::create(log.path().join("stderr")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        // Its memory is measured, for which a test without all rights of root has to be let in.
        command.env("VSCHSM_DUMPABLE", "1");
        let mut child = command.spawn().unwrap();
        let lines = follow(child.stdout.take().unwrap());
        Self { child, lines, log }
    }

    /// Waits until the reader has asked the card for something.
    ///
    /// # Panics
    /// If the program ends, or does not get there in time.
    pub fn wait_until_ready(&self) {
        while !self.line(PATIENCE).starts_with("ready") {}
    }

    /// Ends the program at once (SIGKILL).
    ///
    /// # Panics
    /// If it had ended before.
    pub fn kill(mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the card had ended: {}", self.errors());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the program to end (SIGTERM) and waits until it has: whether it says it was well.
    pub fn terminate(mut self) -> bool {
        // The shell's own `kill`: the program of that name is not everywhere.
        let kill = format!("kill {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
        self.child.wait().unwrap().success()
    }

    /// The memory that the program has, in bytes; what it has in common with others counts by its
    /// share.
    ///
    /// # Panics
    /// If the program has ended.
    pub fn memory(&self) -> u64 {
        let file = format!("/proc/{}/smaps_rollup", self.child.id());
        let lines = fs::read_to_string(file).unwrap();
        let share = lines.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kilobytes = share.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    /// How many files, sockets and pipes the program has open.
    ///
    /// # Panics
    /// If the program has ended.
    pub fn handles(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// The next line of its standard output.
    fn line(&self, limit: Duration) -> String {
        self.lines.recv_timeout(limit).unwrap_or_else(|error| {
            panic!("the card is not ready: {error}\n{}", self.errors());
        })
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.log.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for CardProcess {
    fn drop(&mut self) {
        // Both fail for a program that has ended, which is what is wanted.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Sends on each line of `output`, so that its pipe never fills.
pub(crate) fn follow(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _nobody_waits = sender.send(line);
        }
    });
    receiver
}

/// The Cargo profile that the tests were built with.
pub const PROFILE: &str = if cfg!(debug_assertions) { "test" } else { "release" };

/// The program `vschsm`, built on first use with [`PROFILE`].
///
/// # Panics
/// If it does not build.
pub fn vschsm() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        eprintln!("Building vschsm with the profile {PROFILE}, which may take minutes.");
        let build = escargot::CargoBuild::new()
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
            .package("vschsm")
            .bin("vschsm")
            .args(["--profile", PROFILE]);
        match build.run() {
            Ok(built) => built.path().to_owned(),
            Err(error) => panic!("vschsm does not build: {error}"),
        }
    })
}

/// A program of this package, where Cargo says it is for the test or bench that runs.
pub(crate) fn sibling(name: &str) -> PathBuf {
    let variable = format!("CARGO_BIN_EXE_{name}");
    std::env::var_os(&variable).map(PathBuf::from).unwrap_or_else(|| {
        panic!("{variable} is not set: run through `cargo test` or `cargo bench`");
    })
}
