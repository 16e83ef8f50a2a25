//! Sessions as bytes: short enough that a fuzzer mends what it breaks.
//!
//! | bytes                  | step                                                             |
//! |------------------------|------------------------------------------------------------------|
//! | `00` to `EF`, so many  | [`Step::Send`]                                                   |
//! | `F0`, 2, so many       | the same with more bytes                                         |
//! | `F1`                   | [`Step::Reset`], and so is whatever is not in this table         |
//! | `F2`                   | [`Step::Restart`]                                                |
//! | `F3`                   | [`Step::LogIn`]                                                  |
//! | `F4`, `F5`             | [`Step::Open`] with 3DES, with AES                               |
//! | `F6`, 2, so many       | [`Step::Plain`]                                                  |
//! | `F7`, 2, so many       | [`Step::Content`]                                                |
//!
//! Where there are fewer bytes than are announced, it is those.

use crate::secure_host::HostProtocol;
use vschsm_protocol::apdu::Command;
use vschsm_protocol::tlv;

/// The most steps of a session: no input shall take long.
const MOST_STEPS: usize = 60;

/// The longest RSA key that is generated, in bits, and how many are: finding primes takes long.
const LONGEST_RSA: usize = 1024;
const MOST_RSA: usize = 1;

/// The most commands that compute on curves.
const MOST_CURVES: usize = 16;

/// Instructions that generate, agree, sign or verify.
const COMPUTING: [u8; 9] = [0x2A, 0x3E, 0x46, 0x52, 0x62, 0x68, 0x74, 0x76, 0x86];

/// What is done to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A command, in the channel where there is one.
    Send(&'a [u8]),
    /// Bytes for the card as they are.
    Plain(&'a [u8]),
    /// What is in a command or in several, as the target has it.
    Content(&'a [u8]),
    /// The card is reset.
    Reset,
    /// The card is taken up from its image.
    Restart,
    /// The user PIN is verified.
    LogIn,
    /// A channel is opened.
    Open(HostProtocol),
}

impl Step<'_> {
    /// Appends the step to a script.
    ///
    /// # Panics
    ///
    /// If it has more than 65,535 bytes.
    pub(super) fn write(&self, script: &mut Vec<u8>) {
        let (kind, bytes) = match *self {
            Self::Send(bytes) if bytes.len() < 0xF0 => {
                script.push(u8::try_from(bytes.len()).expect("it is below F0"));
                script.extend(bytes);
                return;
            }
            Self::Send(bytes) => (0xF0, bytes),
            Self::Plain(bytes) => (0xF6, bytes),
            Self::Content(bytes) => (0xF7, bytes),
            Self::Reset => return script.push(0xF1),
            Self::Restart => return script.push(0xF2),
            Self::LogIn => return script.push(0xF3),
            Self::Open(HostProtocol::TripleDes) => return script.push(0xF4),
            Self::Open(HostProtocol::Aes) => return script.push(0xF5),
        };
        script.push(kind);
        script.extend(u16::try_from(bytes.len()).expect("a step fits").to_be_bytes());
        script.extend(bytes);
    }
}

/// The steps of a session.
#[derive(Clone, Debug)]
pub(super) struct SessionScript<'a> {
    rest: &'a [u8],
    steps: usize,
    rsa: usize,
    curves: usize,
}

impl<'a> SessionScript<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, steps: 0, rsa: 0, curves: 0 }
    }

    /// Whether the card may work on that command, after those that it has worked on.
    pub(super) fn affords(&mut self, apdu: &[u8]) -> bool {
        let Ok(Command { ins, data, .. }) = Command::parse(apdu) else { return true };
        if COMPUTING.contains(&ins) {
            self.curves += 1;
        }
        let size = tlv::at(&data, &[0x7F49, 0x02]).filter(|_| ins == 0x46);
        if let Some(size) = size {
            let bits =
                size.iter().fold(0_usize, |bits, byte| bits << 8 & 0xFFFF | usize::from(*byte));
            self.rsa += 1;
            return bits <= LONGEST_RSA && self.rsa <= MOST_RSA;
        }
        self.curves <= MOST_CURVES
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        bytes
    }

    /// What follows its length in two bytes.
    fn take_long(&mut self) -> &'a [u8] {
        let length = self.take(2).iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        self.take(length)
    }
}

impl<'a> Iterator for SessionScript<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let [kind] = *self.take(1) else { return None };
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return None;
        }
        Some(match kind {
            length @ ..0xF0 => Step::Send(self.take(length.into())),
            0xF0 => Step::Send(self.take_long()),
            0xF2 => Step::Restart,
            0xF3 => Step::LogIn,
            0xF4 => Step::Open(HostProtocol::TripleDes),
            0xF5 => Step::Open(HostProtocol::Aes),
            0xF6 => Step::Plain(self.take_long()),
            0xF7 => Step::Content(self.take_long()),
            _ => Step::Reset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_they_were_written() {
        let long = [0x5A; 0x123];
        let steps = [
            Step::Send(&[]),
            Step::Send(&[0x00, 0x20, 0x00, 0x81]),
            Step::Send(&long[..0xEF]),
            Step::Send(&long[..0xF0]),
            Step::Plain(&[]),
            Step::Content(&long),
            Step::Reset,
            Step::Restart,
            Step::LogIn,
            Step::Open(HostProtocol::TripleDes),
            Step::Open(HostProtocol::Aes),
            Step::Plain(&[0x00]),
        ];
        let mut script = Vec::new();
        steps.iter().for_each(|step| step.write(&mut script));
        assert_eq!(SessionScript::new(&script).collect::<Vec<_>>(), steps);
        for cut in 0..script.len() {
            assert!(SessionScript::new(&script[..cut]).count() <= steps.len());
        }
    }
}
