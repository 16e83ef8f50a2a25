//! Many clients of one card, in processes that can be killed.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

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

    /// The card, and whose tools look at it.
    pub fn station(&self) -> &Station {
        &self.station
    }

    /// A process whose threads go on for so long.
    ///
    /// # Panics
    /// If it does not start.
    pub fn visitor(&self, time: Duration, seed: u32) -> Visitor {
        let mut command = self.command();
        command.args([time.as_secs_f64().to_string(), seed.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = follow(child.stdout.take().unwrap());
        Visitor { child, lines }
    }

    /// Connects exclusively, which needs nobody else to have anything of the card, and uses it.
    ///
    /// # Panics
    /// If somebody has, or a response of the card is wrong.
    pub fn alone(&self) {
        let alone = self.command().arg("alone").status().unwrap();
        assert!(alone.success(), "somebody still has the card, or it is not well");
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
    /// Waits until one of its threads has done another round: whether it has, and is not at its
    /// end.
    ///
    /// # Panics
    /// If it hangs.
    pub fn goes_on(&mut self) -> bool {
        let line = self.lines.recv_timeout(PATIENCE);
        assert_ne!(line, Err(RecvTimeoutError::Timeout), "a visitor hangs");
        line.is_ok()
    }

    /// Kills it (SIGKILL), if its time is not over.
    ///
    /// # Panics
    /// If something was wrong until then.
    pub fn kill(mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            assert!(status.success(), "a visitor has seen what cannot be");
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until its time is over.
    ///
    /// # Panics
    /// If it hangs, or something was wrong.
    pub fn succeeded(mut self) {
        // Its standard output ends with it.
        while self.goes_on() {}
        assert!(self.child.wait().unwrap().success(), "a visitor has seen what cannot be");
    }
}
