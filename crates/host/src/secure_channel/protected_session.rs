//! The host's end of secure messaging: commands and responses.

use std::error::Error;
use std::fmt;
use subtle::ConstantTimeEq;
use vschsm_protocol::apdu::{Command, Status};
use vschsm_protocol::secure_messaging::{PROTECTED, Protocol, SessionKeys};
use vschsm_protocol::tlv::{self, Object};
use zeroize::Zeroizing;

/// The host's end of a secure channel: protects commands, and unprotects the responses to them.
#[derive(Clone)]
pub struct ProtectedSession {
    keys: SessionKeys,
    /// The number of the last command or response.
    counter: u64,
}

/// Why there is no secure channel, or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecureMessagingError {
    /// The card refuses a channel, with this status word.
    Refused(Status),
    /// The card has neither AES-128 nor 3DES for it.
    NoProtocol,
    /// The card does not show that it has the key that its certificate is for.
    WrongToken,
    /// The command is no APDU, has another class than `00` or `80`, or is too long.
    CannotProtect,
    /// A response that is not protected, with this status word.
    Unprotected(Status),
    /// The MAC of a response is wrong.
    WrongMac,
    /// A response is not what it should be.
    Malformed,
}

impl fmt::Display for SecureMessagingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "the card refuses a channel with {status:?}"),
            Self::NoProtocol => f.write_str("the card has neither AES-128 nor 3DES for it"),
            Self::WrongToken => {
                f.write_str("the card does not have the key that its certificate is for")
            }
            Self::CannotProtect => f.write_str("the command cannot be sent in secure messaging"),
            Self::Unprotected(status) => {
                write!(f, "the unprotected response {status:?} has ended the secure channel")
            }
            Self::WrongMac => f.write_str("the MAC of a response is wrong"),
            Self::Malformed => f.write_str("a response in the secure channel is malformed"),
        }
    }
}

impl Error for SecureMessagingError {}

impl ProtectedSession {
    /// A session that begins with the next command.
    pub(super) fn new(keys: SessionKeys) -> Self {
        Self { keys, counter: 0 }
    }

    /// How long a command is once it is protected; `None` where [`protect`](Self::protect) gives
    /// `None`.
    #[must_use]
    pub fn protected_length(protocol: Protocol, command: &[u8]) -> Option<usize> {
        let keys = SessionKeys::new(protocol, &[0; 32], &[0; 8]);
        Self { keys, counter: 0 }.protect(command).map(|protected| protected.len())
    }

    /// The next command, protected; `None` if it is not an APDU, has another class than `00` or
    /// `80`, or is too long.
    ///
    /// It has extended lengths where the command has, and where the command or its response needs
    /// them.
    #[must_use]
    pub fn protect(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        let parsed = Command::parse(command).ok()?;
        let Command { cla: 0x00 | 0x80, ins, p1, p2, data, ne, .. } = &parsed else { return None };
        if self.keys.protected_length(data.len()) > usize::from(u16::MAX) {
            return None;
        }
        let extended = command.len() > 5 && command.get(4) == Some(&0x00);
        self.counter += 1;
        let mut objects = Vec::new();
        if !data.is_empty() {
            let cryptogram = self.keys.encrypt(self.counter, data);
            objects.extend(match ins & 1 {
                0 => tlv::encode(0x87, &[&[0x01], cryptogram.as_slice()].concat()),
                _ => tlv::encode(0x85, &cryptogram),
            });
        }
        if let Some(ne) = *ne {
            // 256 and 65,536 are zeros.
            let [.., high, low] = ne.to_be_bytes();
            objects.extend(if extended {
                tlv::encode(0x97, &[high, low])
            } else {
                tlv::encode(0x97, &[low])
            });
        }
        let header = [parsed.cla | PROTECTED, *ins, *p1, *p2];
        let mac = self.keys.mac(self.counter, &[&header, &objects]);
        objects.extend(tlv::encode(0x8E, &mac));

        let length = u16::try_from(objects.len()).ok()?;
        let response_length = self.keys.protected_length(ne.unwrap_or_default());
        if extended || length > 0xFF || response_length > 0x100 {
            let [high, low] = length.to_be_bytes();
            return Some([&header[..], &[0x00, high, low], &objects, &[0x00, 0x00]].concat());
        }
        let mut protected = short(header, &objects);
        protected.push(0x00);
        Some(protected)
    }

    /// The response to the command that was protected last, in plain.
    ///
    /// # Errors
    /// If the card has not protected it: the session cannot be used any more.
    pub fn unprotect(&mut self, response: &[u8]) -> Result<Vec<u8>, SecureMessagingError> {
        let (protected, status) = split(response)?;
        if protected.is_empty() || status != Status::OK {
            return Err(SecureMessagingError::Unprotected(status));
        }
        let objects = tlv::parse(protected).map_err(|_| SecureMessagingError::Malformed)?;
        let [protected @ .., Object { tag: 0x8E, value: mac, .. }] = objects.as_slice() else {
            return Err(SecureMessagingError::Malformed);
        };
        self.counter += 1;
        let encoded: Vec<_> = protected.iter().map(|object| object.encoded).collect();
        let expected = self.keys.mac(self.counter, &[encoded.concat().as_slice()]);
        if !bool::from(expected.ct_eq(mac)) {
            return Err(SecureMessagingError::WrongMac);
        }
        let (data, status) = match protected {
            [Object { tag: 0x99, value, .. }] => (Some(Zeroizing::default()), *value),
            [data, Object { tag: 0x99, value, .. }] => {
                (self.keys.decrypt(self.counter, data), *value)
            }
            _ => return Err(SecureMessagingError::Malformed),
        };
        let data = data.filter(|_| status.len() == 2).ok_or(SecureMessagingError::Malformed)?;
        Ok([data.as_slice(), status].concat())
    }
}

/// Shows no secret.
impl fmt::Debug for ProtectedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProtectedSession({} messages)", self.counter)
    }
}

/// A short command without Le.
pub(super) fn short(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).expect("what is sent in short form fits");
    [&header[..], &[length], data].concat()
}

/// The data of a response, and its status word.
pub(super) fn split(response: &[u8]) -> Result<(&[u8], Status), SecureMessagingError> {
    let (data, status) = response.split_last_chunk().ok_or(SecureMessagingError::Malformed)?;
    Ok((data, Status(u16::from_be_bytes(*status))))
}
