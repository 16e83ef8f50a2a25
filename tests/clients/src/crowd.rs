//! Many clients of one card, in processes that can be killed.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use crate::card_process::{follow, sibling};
use crate::{PATIENCE, Station, Way};

/// A server with one initialised card, and room for a crowd in front of it.
#[derive(Debug)]
pub struct Crowd {
    station: Station,
}

/// A process of the crowd: the program `crowd`.
#[derive(Debug)]
pub struct Visitor {
    child: Child,
    lines: Receiver<String>,
}

impl Crowd {
    /// A server of its own, with a card that has been initialised.
    ///
    /// # Panics
    /// If it does not start.
    pub fn new() -> Self {
        Self { station: Station::initialized(Way::BuiltIn) }
    }

    /// A process whose threads do so many rounds each.
    ///
    /// # Panics
    /// If it does not start.
    pub fn visitor(&self, rounds: u32, seed: u32) -> Visitor {
        let mut command = self.command();
        command.args([rounds.to_string(), seed.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = follow(child.stdout.take().unwrap());
        Visitor { child, lines }
    }

    /// Connects exclusively, which needs nobody else to have anything of the card.
    ///
    /// # Panics
    /// If somebody has.
    pub fn alone(&self) {
        let alone = self.command().arg("alone").status().unwrap();
        assert!(alone.success(), "somebody still has the card");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(sibling("crowd"));
        command.env("PCSCLITE_CSOCK_NAME", self.station.socket());
        command
    }
}

impl Default for Crowd {
    fn default() -> Self {
        Self::new()
    }
}

impl Visitor {
    /// Waits until one of its threads has done another round.
    ///
    /// # Panics
    /// If none does.
    pub fn line(&mut self) {
        self.lines.recv_timeout(PATIENCE).unwrap();
    }

    /// Kills it (SIGKILL).
    ///
    /// # Panics
    /// If that fails.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until all of its rounds are done.
    ///
    /// # Panics
    /// If it hangs, or something was wrong.
    pub fn succeeded(mut self) {
        // Its standard output ends with it.
        let mut last = Ok(String::new());
        while last.is_ok() {
            last = self.lines.recv_timeout(PATIENCE);
        }
        assert_eq!(last, Err(RecvTimeoutError::Disconnected), "a visitor hangs");
        assert!(self.child.wait().unwrap().success(), "a visitor has seen what cannot be");
    }
}
