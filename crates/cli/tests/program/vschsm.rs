//! The program with a data folder of its own, and the APDUs that tests send.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use tempfile::TempDir;

pub(crate) use vschsm_testing::{digits, hex};

/// SELECT of the applet, which answers nothing else.
pub(crate) const SELECT: &str = "00A4040C 0B E82B0601040181C31F0201";
/// INITIALIZE DEVICE: PIN unblock allowed, PIN 12345678 with 10 tries, SO-PIN 3132333435363738.
pub(crate) const INITIALIZE: &str =
    "80500000 1B 80020001 8108 3132333435363738 8208 3132333435363738 91010A";
/// VERIFY with the right PIN.
pub(crate) const LOGIN: &str = "00200081 08 3132333435363738";
/// VERIFY with a wrong PIN.
pub(crate) const WRONG_PIN: &str = "00200081 08 3030303030303030";
/// VERIFY without data: how many tries are left?
pub(crate) const TRIES: &str = "00200081";

/// A folder in which the program keeps its data.
pub(crate) struct Home(TempDir);

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl End {
    /// What it printed; fails unless it was content.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// The sentence with which it failed; fails unless it is a single one.
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        self.err
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_vschsm"), arguments)
    }

    fn command_of(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("XDG_DATA_HOME", self.0.path()).current_dir(self.0.path());
        command.env_remove("VSCHSM_CONTROL");
        // What a killed program leaves behind goes with the folder.
        command.env("TMPDIR", self.0.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> End {
        End::of(self.command(arguments).spawn().unwrap())
    }

    /// Runs the program to its end with `input`.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> End {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        End::of(child)
    }

    /// Runs another program to its end.
    pub(crate) fn run_program(&self, program: &str, arguments: &[&str]) -> End {
        End::of(self.command_of(program, arguments).spawn().unwrap())
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments).spawn().unwrap())
    }

    /// Starts another program.
    pub(crate) fn start_program(&self, program: &str, arguments: &[&str]) -> Running {
        Running::of(self.command_of(program, arguments).spawn().unwrap())
    }

    /// Starts the program with an open standard input.
    pub(crate) fn start_with_input(&self, arguments: &[&str]) -> Running {
        Running::of(self.command(arguments).stdin(Stdio::piped()).spawn().unwrap())
    }

    /// Makes a card file in the folder and initialises the card.
    pub(crate) fn card(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        self.run(&["new", text(&path), "--seed", "test"]).ok();
        self.run(&["apdu", "--select", "--card", text(&path), INITIALIZE]).ok();
        path
    }
}

impl End {
    fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The program while it runs; killed in the end.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: BufReader<ChildStdout>,
    err: Option<BufReader<ChildStderr>>,
}

impl Running {
    fn of(mut child: Child) -> Self {
        let out = BufReader::new(child.stdout.take().unwrap());
        let err = child.stderr.take().map(BufReader::new);
        Self { child, out, err }
    }

    /// Ends its standard input.
    pub(crate) fn end_input(&mut self) {
        self.child.stdin = None;
    }

    /// The next line on standard output; empty at its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().into()
    }

    /// The next line on standard error; empty at its end.
    pub(crate) fn complaint(&mut self) -> String {
        let mut line = String::new();
        self.err.as_mut().unwrap().read_line(&mut line).unwrap();
        line.trim_end().into()
    }

    /// All that is still to come on standard error.
    pub(crate) fn complaints(&mut self) -> String {
        let mut text = String::new();
        self.err.as_mut().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Closes the other end of its standard error.
    pub(crate) fn stop_listening(&mut self) {
        self.err = None;
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// `kill -9`, and waits until it is dead.
    pub(crate) fn signal_kill(&mut self) {
        self.child.kill().unwrap();
        self.wait();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The card that is kept in a file, as the library loads it; its applet is selected.
pub(crate) fn load(path: &Path) -> vschsm_card::Card {
    let image = fs::read(path).unwrap();
    let card = vschsm_card::Card::load(&image, [0; 32]);
    let mut card = card.unwrap_or_else(|error| panic!("the image {error}"));
    let selected = card.transmit(&hex(SELECT));
    assert_eq!(selected.response, [0x90, 0x00]);
    card
}
