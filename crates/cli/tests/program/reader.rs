//! A reader as vpcd is one: it listens, and asks the card that connects.

use crate::vschsm::{SELECT, digits, hex};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::iter;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use vschsm_reader::vpcd;

/// How long a test waits before it fails; nothing takes a hundredth of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A slot that waits for its card.
pub(crate) struct Reader(TcpListener);

/// A slot with its card.
pub(crate) struct Slot(TcpStream);

impl Reader {
    pub(crate) fn new() -> Self {
        Self::at(0).unwrap()
    }

    /// Listens on a port of the machine itself; any that is free if it is 0.
    pub(crate) fn at(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        SockRef::from(&listener).set_read_timeout(Some(PATIENCE))?;
        Ok(Self(listener))
    }

    /// Listens where the system puts nobody who asks for any port, so that the port is still free
    /// when the reader comes back to it.
    pub(crate) fn at_a_port_of_its_own() -> Self {
        let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
        (first..30_000).chain(20_000..first).find_map(|port| Self::at(port).ok()).unwrap()
    }

    /// Listens again on a port that a dropped reader had, as soon as that is possible: a process
    /// that another test is just starting may still have a copy of the listener.
    pub(crate) fn back_at(port: u16) -> Self {
        iter::repeat_with(|| Self::at(port)).find_map(Result::ok).unwrap()
    }

    /// Two readers on consecutive ports.
    pub(crate) fn two() -> [Self; 2] {
        loop {
            let first = Self::new();
            if let Some(second) = first.port().checked_add(1).and_then(|port| Self::at(port).ok()) {
                return [first, second];
            }
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// What `--vpcd` is given.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Waits for a card, and selects its applet.
    pub(crate) fn accept(&self) -> Slot {
        let mut slot = self.accept_only();
        slot.select();
        slot
    }

    /// Waits for a card.
    pub(crate) fn accept_only(&self) -> Slot {
        let (stream, _) = self.0.accept().expect("a card connects");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Slot(stream)
    }
}

impl Slot {
    /// Sends a message without waiting for an answer.
    pub(crate) fn send(&mut self, message: &[u8]) {
        vpcd::send(&mut self.0, message).unwrap();
    }

    /// Sends an APDU again and again, and takes no answer, until the card takes no more.
    pub(crate) fn send_until_blocked(&mut self, apdu: &[u8]) {
        self.0.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        while vpcd::send(&mut self.0, apdu).is_ok() {}
    }

    /// Sends an APDU as Debian's vpcd does, its length apart from its bytes.
    pub(crate) fn send_in_two(&mut self, apdu: &[u8]) {
        self.0.set_nodelay(false).unwrap();
        self.0.write_all(&u16::try_from(apdu.len()).unwrap().to_be_bytes()).unwrap();
        self.0.write_all(apdu).unwrap();
    }

    /// Announces ten bytes, sends three and hangs up.
    pub(crate) fn send_truncated(mut self) {
        self.0.write_all(&[0x00, 0x0A, 0x00, 0xA4, 0x04]).unwrap();
    }

    /// The next answer; none if the card hangs up.
    pub(crate) fn answer(&mut self) -> Option<Vec<u8>> {
        let mut len = [0; 2];
        self.0.read_exact(&mut len).ok()?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
        self.0.read_exact(&mut answer).ok()?;
        Some(answer)
    }

    /// Whether an answer is there to be read, or the card has hung up.
    pub(crate) fn is_answered(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let answered = self.0.peek(&mut [0]).is_ok();
        self.0.set_nonblocking(false).unwrap();
        answered
    }

    /// Sends an APDU in hexadecimal; the response, in hexadecimal too.
    pub(crate) fn ask(&mut self, apdu: &str) -> String {
        self.send(&hex(apdu));
        digits(&self.answer().expect("an answer"))
    }

    /// Selects the applet.
    pub(crate) fn select(&mut self) {
        assert_eq!(self.ask(SELECT), "9000");
    }

    /// Asks for the ATR.
    pub(crate) fn atr(&mut self) -> Vec<u8> {
        self.send(&[0x04]);
        self.answer().expect("an ATR")
    }
}
