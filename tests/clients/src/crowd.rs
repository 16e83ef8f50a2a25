//! Many clients of one card, in processes that can be killed.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use tempfile::TempDir;

use crate::card_process::{follow, sibling};
use crate::{PATIENCE, Tool, vschsm};

/// A server with one initialised card, and room for a crowd in front of it.
#[derive(Debug)]
pub struct Crowd {
    home: TempDir,
    server: Child,
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
        let home = TempDir::new().unwrap();
        let server = Command::new(vschsm())
            .args(["run", "--ephemeral", "--pcsc-socket"])
            .arg(home.path().join("pcscd"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut server = server.unwrap();
        let lines = follow(server.stdout.take().unwrap());
        assert_eq!(lines.recv_timeout(PATIENCE).as_deref(), Ok("ready"));
        let crowd = Self { home, server };
        let initialize = ["--initialize", "--so-pin", crate::SO_PIN, "--pin", crate::PIN];
        let socket = crowd.socket();
        Tool::new("sc-hsm-tool", initialize).env("PCSCLITE_CSOCK_NAME", socket).run().succeeded();
        crowd
    }

    /// The server's socket.
    pub fn socket(&self) -> std::path::PathBuf {
        self.home.path().join("pcscd")
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
        command.env("PCSCLITE_CSOCK_NAME", self.socket());
        command
    }
}

impl Default for Crowd {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // Both fail for a program that has ended, which is what is wanted.
        let _ended = self.server.kill();
        let _ended = self.server.wait();
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
