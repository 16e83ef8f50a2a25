//! A client, as a process after the other.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::place::{CLIENTS, Place};

/// What a program ends with that has found an error of the card's, or of its own.
const WRONG: [i32; 2] = [1, 101];

/// One of the [`CLIENTS`] at a place.
pub(crate) struct Client<'a> {
    pub(crate) place: &'a Place,
    pub(crate) number: usize,
}

/// The client was disturbed in what it did.
pub(crate) struct Disturbed;

/// A process that has ended well.
pub(crate) struct Done {
    /// What it wrote, and what it complained of.
    pub(crate) text: String,
    /// Whether nothing has disturbed it.
    pub(crate) calm: bool,
}

impl Client<'_> {
    /// Runs a tool, which may only fail if it was disturbed.
    pub(crate) fn run(&self, command: &mut Command) -> Result<Done, Disturbed> {
        self.follow(command, &[], |_| {})
    }

    /// Runs a writer, which ends with other codes if it has seen what cannot be; `line` gets each
    /// line of its output as soon as it is there.
    pub(crate) fn write(
        &self,
        command: &mut Command,
        line: impl FnMut(&str),
    ) -> Result<Done, Disturbed> {
        self.follow(command, &WRONG, line)
    }

    fn follow(
        &self,
        command: &mut Command,
        wrong: &[i32],
        mut line: impl FnMut(&str),
    ) -> Result<Done, Disturbed> {
        let begun = self.place.now();
        let name = CLIENTS[self.number];
        let errors = self.place.home.path().join(format!("{name}.errors"));
        command
            .current_dir(self.place.home.path())
            .env("HOME", self.place.home.path())
            .env("LC_ALL", "C")
            .env("PCSCLITE_CSOCK_NAME", self.place.socket())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors).unwrap());
        let output = self.place.start(self.number, command);
        let mut text = String::new();
        for said in BufReader::new(output).lines() {
            let said = said.unwrap();
            line(&said);
            text = text + &said + "\n";
        }
        let code = self.place.wait(self.number);
        text += &fs::read_to_string(errors).unwrap();
        if code == Some(0) {
            return Ok(Done { text, calm: begun.was_calm(self.place.now()) });
        }
        let is_wrong = code.is_some_and(|code| wrong.contains(&code));
        let allowed = self.place.may_fail(self.number, begun);
        if is_wrong || !allowed {
            self.fail(&format!("{command:?} ended with {code:?}: {text}"));
        }
        self.place.wait_for_calm();
        Err(Disturbed)
    }

    /// Ends everything, because of something that must not be.
    pub(crate) fn fail(&self, why: &str) -> ! {
        self.place.end();
        panic!("{}, {}: {why}", self.place.reader, CLIENTS[self.number]);
    }

    pub(crate) fn has_done_something(&self) {
        self.place.has_done_something(self.number);
    }
}
