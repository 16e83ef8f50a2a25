//! A PC/SC client that a test steers APDU by APDU.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vschsm_reader::Environment;

use crate::card_process::{follow, sibling};
use crate::{PATIENCE, Pcscd, vschsm};

/// The program `terminal` at one reader; ends when dropped.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    orders: ChildStdin,
    responses: Receiver<String>,
    /// Where a program that is killed leaves what it has not cleared away.
    _home: TempDir,
}

impl Terminal {
    /// A terminal at `slot` of `pcscd`.
    ///
    /// # Panics
    /// If it cannot be started, or the reader does not exist.
    pub fn at(pcscd: &Pcscd, slot: usize) -> Self {
        Self::of(&pcscd.socket(), &Pcscd::reader(slot))
    }

    /// A terminal at the reader of that name, of the server with that socket.
    pub(crate) fn of(socket: &Path, reader: &str) -> Self {
        let mut command = Command::new(sibling("terminal"));
        command.arg(reader).env("PCSCLITE_CSOCK_NAME", socket);
        Self::spawn(command)
    }

    /// A terminal that `vschsm exec` has started, at a card of its own.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn in_exec() -> Self {
        let mut command = Command::new(vschsm());
        command.args(["exec", "--reader-name", "Private", "--"]);
        command.arg(sibling("terminal")).arg("Private 00 00");
        Self::spawn(command)
    }

    /// A terminal at the reader of that name, which finds it as a Rust test's own processes do.
    ///
    /// # Panics
    /// If it cannot be started, or there is no such reader.
    pub fn within(environment: &Environment, reader: &str) -> Self {
        let mut command = environment.command(sibling("terminal"));
        command.arg(reader);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let home = TempDir::new().unwrap();
        command.env("TMPDIR", home.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let responses = follow(child.stdout.take().unwrap());
        Self { child, orders, responses, _home: home }
    }

    /// Waits until a card is in the reader.
    ///
    /// # Panics
    /// If none comes.
    pub fn wait_for_card(&mut self) {
        assert_eq!(self.order("present"), "present");
    }

    /// Waits until a card is in the reader, or `limit` has passed: whether one is.
    ///
    /// # Panics
    /// If there is no such reader.
    pub fn has_card_within(&mut self, limit: Duration) -> bool {
        self.order(&format!("present {}", limit.as_millis())) == "present"
    }

    /// Has it wait for a card while `insert` puts one in: how long after that it sees the card.
    ///
    /// # Panics
    /// If it does not.
    pub fn sees_after(&mut self, insert: impl FnOnce()) -> Duration {
        writeln!(self.orders, "present").unwrap();
        let begun = Instant::now();
        insert();
        assert_eq!(self.responses.recv_timeout(PATIENCE).as_deref(), Ok("present"));
        begun.elapsed()
    }

    /// Waits until no card is in the reader.
    ///
    /// # Panics
    /// If the card stays.
    pub fn wait_for_removal(&mut self) {
        assert_eq!(self.order("absent"), "absent");
    }

    /// The response APDU to `command`, data and status word.
    ///
    /// # Panics
    /// If there is no reply.
    pub fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        hex::decode(self.order(&hex::encode_upper(command))).unwrap()
    }

    /// As [`transmit`](Self::transmit), in hexadecimal.
    ///
    /// # Panics
    /// If there is no reply.
    pub fn exchange(&mut self, command: &str) -> String {
        self.order(command)
    }

    /// How long `count` exchanges of `command` take on an open connection.
    ///
    /// # Panics
    /// If there is no reply.
    pub fn time(&mut self, count: u32, command: &str) -> Duration {
        Duration::from_nanos(self.order(&format!("time {count} {command}")).parse().unwrap())
    }

    /// Resets the card, as a client does that closes its connection with a reset.
    ///
    /// # Panics
    /// If there is no card.
    pub fn reset(&mut self) {
        assert_eq!(self.order("reset"), "reset");
    }

    /// Closes the connection to the card.
    ///
    /// Before the card leaves: pcscd 1.9.9 fails to reset a card that is gone, and then overlooks
    /// the one that comes after it.
    ///
    /// # Panics
    /// If the terminal has ended.
    pub fn release(&mut self) {
        assert_eq!(self.order("release"), "release");
    }

    fn order(&mut self, line: &str) -> String {
        writeln!(self.orders, "{line}").unwrap();
        self.orders.flush().unwrap();
        let response = self.responses.recv_timeout(PATIENCE);
        let response = response.unwrap_or_else(|error| panic!("terminal, on `{line}`: {error}"));
        assert!(!response.starts_with("error"), "terminal, on `{line}`: {response}");
        response
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail for a program that has ended, which is what is wanted.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
