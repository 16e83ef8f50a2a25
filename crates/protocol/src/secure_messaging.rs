//! Secure messaging: commands and responses that a host and the card have encrypted and protected
//! by a MAC, with keys that GENERAL AUTHENTICATE agrees on.
//!
//! Both count: a command has the number after that of the last response, and a response the number
//! after its command's; the first command is number 1. The class of a protected command has the
//! bits `0C`, and its data is
//!
//! | tag        | value                                                                  |
//! |------------|------------------------------------------------------------------------|
//! | `87`, `85` | the command's data encrypted, after a `01` in `87`; absent without any |
//! | `97`       | Le, one byte or two; absent without one                                |
//! | `8E`       | the MAC over number, header and the objects before it: 8 bytes         |
//!
//! What is in `87` and `85` has been padded with `80` and zeros. Clients send `85` with odd
//! instructions and `87` with even ones. A protected response is `9000`: its status word is in
//! `99`, after `87` and before `8E`, so that failures are protected as well.
//!
//! ```
//! use vschsm_protocol::apdu::{Command, Status};
//! use vschsm_protocol::secure_messaging::{Channel, Protocol, SessionKeys};
//!
//! // Both sides derive the keys from a shared secret and a nonce; the host's first command is
//! // VERIFY without data.
//! let keys = SessionKeys::new(Protocol::Aes, &[0x11; 32], &[0x22; 8]);
//! let header = [0x0C, 0x20, 0x00, 0x81];
//! let mac = keys.mac(1, &[&header]);
//! let command = [&header[..], &[0x0A, 0x8E, 0x08], &mac, &[0x00]].concat();
//!
//! let mut channel = Channel::new(keys);
//! let (command, protection) = channel.unprotect(&Command::parse(&command)?)?;
//! assert_eq!((command.cla, command.data.len()), (0x00, 0));
//! let response = protection.protect(&Status::tries_left(3).into());
//! assert!(response.data.starts_with(b"\x99\x02\x63\xC3\x8E\x08"));
//! # Ok::<(), Status>(())
//! ```
//!
//! Source: OpenSC `iso7816` secure messaging and the vendor's card service for Java; the status
//! words are those of the vendor's card simulator (scsh-scripts `cardsim/securechannel.js`), which
//! takes `87` and `85` with any instruction. That the objects must be in this order, and that there
//! may be no other, is a guess.

#[cfg(test)]
mod exchanges;
mod protocol;
mod session_keys;
#[cfg(test)]
mod tests;

pub use protocol::Protocol;
pub use session_keys::SessionKeys;

use crate::apdu::{Command, Response, Status};
use crate::tlv::{self, Object};
use alloc::vec::Vec;
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The class bits of a protected command: its header is in the MAC.
pub const PROTECTED: u8 = 0x0C;

/// The longest data of a response APDU, in bytes.
const LONGEST_RESPONSE: usize = 0x1_0000;

/// Secure messaging from the card's side, as long as it lasts.
pub struct Channel {
    keys: SessionKeys,
    /// The number of the last command or response.
    counter: u64,
}

/// What protects the response to one command.
#[must_use = "the response to a protected command is protected"]
#[derive(Debug)]
pub struct ResponseProtection {
    keys: SessionKeys,
    counter: u64,
}

/// Shows no secret.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({} messages)", self.counter)
    }
}

/// The plain command in a protected one, and what protects the response to it; or the command as it
/// is, if it is not protected.
///
/// ISO commands have class `00` and the vendor's `80`; the instruction table refuses one in the
/// other's class where the firmware does.
///
/// # Errors
/// `6E00` for another class, `6882` for a protected command without a channel, `6987` for one
/// without a MAC, `6988` for a wrong MAC, or data objects that are not those of a command.
pub fn unprotect(
    channel: Option<&mut Channel>,
    command: Command,
) -> Result<(Command, Option<ResponseProtection>), Status> {
    match command.cla {
        0x00 | 0x80 => Ok((command, None)),
        0x0C | 0x8C => {
            let channel = channel.ok_or(Status::SECURE_MESSAGING_NOT_SUPPORTED)?;
            let (command, protection) = channel.unprotect(&command)?;
            Ok((command, Some(protection)))
        }
        _ => Err(Status::CLASS_NOT_SUPPORTED),
    }
}

impl Channel {
    /// The channel with these keys, before its first command.
    #[must_use]
    pub fn new(keys: SessionKeys) -> Self {
        Self { keys, counter: 0 }
    }

    /// The plain command in a protected one, and what protects the response to it.
    ///
    /// # Errors
    /// `6987` without a MAC, `6988` if anything else is wrong.
    pub fn unprotect(
        &mut self,
        command: &Command,
    ) -> Result<(Command, ResponseProtection), Status> {
        let wrong = Status::SECURE_MESSAGING_OBJECT_WRONG;
        let objects = tlv::parse(&command.data).map_err(|_| wrong)?;
        let (protected, mac) = match objects.as_slice() {
            [protected @ .., Object { tag: 0x8E, value, .. }] => (protected, *value),
            objects if tlv::find(objects, 0x8E).is_some() => return Err(wrong),
            _ => return Err(Status::SECURE_MESSAGING_OBJECT_MISSING),
        };
        self.counter += 1;
        let header = [command.cla, command.ins, command.p1, command.p2];
        let encoded: Vec<_> = protected.iter().map(|object| object.encoded).collect();
        let expected = self.keys.mac(self.counter, &[&header, encoded.concat().as_slice()]);
        if !bool::from(expected.ct_eq(mac)) {
            return Err(wrong);
        }

        let (data, le) = match protected {
            [] => (None, None),
            [Object { tag: 0x97, value, .. }] => (None, Some(*value)),
            [data] => (Some(data), None),
            [data, Object { tag: 0x97, value, .. }] => (Some(data), Some(*value)),
            _ => return Err(wrong),
        };
        let le = le.map_or(Some(&[][..]), |le| matches!(le.len(), 1 | 2).then_some(le));
        let data = match data {
            Some(data) => self.keys.decrypt(self.counter, data),
            None => Some(Zeroizing::default()),
        };
        let (Some(mut data), Some(le)) = (data, le) else { return Err(wrong) };
        let header = [command.cla & !PROTECTED, command.ins, command.p1, command.p2];
        self.counter += 1;
        let protection = ResponseProtection { keys: self.keys.clone(), counter: self.counter };
        Ok((Command::new(header, core::mem::take(&mut *data), le), protection))
    }
}

impl ResponseProtection {
    /// The response itself, if it is short enough to be protected.
    ///
    /// # Errors
    /// `6700` otherwise.
    pub fn fits(&self, response: Response) -> Result<Response, Status> {
        if self.keys.protected_length(response.data.len()) <= LONGEST_RESPONSE {
            Ok(response)
        } else {
            Err(Status::WRONG_LENGTH)
        }
    }

    /// The protected response, whose status word is `9000`.
    #[must_use]
    pub fn protect(self, response: &Response) -> Response {
        let Self { keys, counter } = self;
        let mut objects = match response.data.as_slice() {
            [] => Vec::new(),
            data => {
                let cryptogram = keys.encrypt(counter, data);
                tlv::encode(0x87, &[&[0x01], cryptogram.as_slice()].concat())
            }
        };
        objects.extend(tlv::encode(0x99, &response.status.0.to_be_bytes()));
        let mac = keys.mac(counter, &[&objects]);
        objects.extend(tlv::encode(0x8E, &mac));
        Response::ok(objects)
    }
}
