//! Secure messaging: commands and responses that a host and the card have encrypted and sealed with
//! a MAC, with keys that GENERAL AUTHENTICATE agrees on.
//!
//! Both count: a command has the number after that of the last response, and a response the number
//! after its command's; the first command is number 1. The class of a sealed command has the bits
//! `0C`, and its data is
//!
//! | tag        | value                                                                  |
//! |------------|------------------------------------------------------------------------|
//! | `87`, `85` | the command's data encrypted, after a `01` in `87`; absent without any |
//! | `97`       | Le, one byte or two; absent without one                                |
//! | `8E`       | the MAC over number, header and the objects before it: 8 bytes         |
//!
//! What is in `87` and `85` has been padded with `80` and zeros. Clients send `85` with odd
//! instructions and `87` with even ones. A sealed response is `9000`: its status word is in `99`,
//! after `87` and before `8E`, so that failures are sealed as well.
//!
//! Source: OpenSC `iso7816` secure messaging and the vendor's card service for Java; the status
//! words are those of the vendor's card simulator (scsh-scripts `cardsim/securechannel.js`), which
//! takes `87` and `85` with any instruction. That the objects must be in this order, and that there
//! may be no other, is a guess.

mod host;

pub use host::{Breach, Host, Opening};

use crate::apdu::{Command, Response, Status};
use crate::crypto::aes::AesKey;
use crate::crypto::des::TripleDesKey;
use crate::crypto::hash::Hash;
use crate::tlv::{self, Object};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The class bits of a sealed command: its header is in the MAC.
const SEALED: u8 = 0x0C;

/// The longest data of a response APDU.
const LONGEST_RESPONSE: usize = 0x1_0000;

/// How keys are agreed on, and what is done with them: a protocol of chip authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// id-CA-ECDH-3DES-CBC-CBC.
    #[serde(rename = "3DES")]
    TripleDes,
    /// id-CA-ECDH-AES-CBC-CMAC-128.
    #[serde(rename = "AES-128")]
    Aes,
}

impl Protocol {
    /// Those that some firmware has.
    pub const ALL: [Self; 2] = [Self::TripleDes, Self::Aes];

    /// Its object identifier. Source: TR-03110 part 3, A.1.1.2.
    #[must_use]
    pub fn identifier(self) -> [u8; 10] {
        let last = match self {
            Self::TripleDes => 0x01,
            Self::Aes => 0x02,
        };
        [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03, 0x02, last]
    }
}

/// Secure messaging from the card's side, as long as it lasts.
pub(crate) struct Channel {
    keys: Keys,
    /// The number of the last command or response.
    counter: u64,
}

/// What seals the response to one command.
#[must_use = "the response to a sealed command is sealed"]
pub(crate) struct Seal {
    keys: Keys,
    counter: u64,
}

/// The keys of a channel.
#[derive(Clone)]
struct Keys {
    encryption: Key,
    mac: Key,
}

#[derive(Clone)]
enum Key {
    TripleDes(TripleDesKey),
    Aes(AesKey),
}

/// Shows no secret.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({} messages)", self.counter)
    }
}

/// Takes a command out of its seal, if it is in one; what seals its response comes with it.
///
/// ISO commands have class `00` and the vendor's `80`; the instruction table refuses one in the
/// other's class where the firmware does. `6E00` for another class, `6882` for a sealed command
/// where no channel is open, `6987` for one without a MAC, `6988` for one whose seal does not hold.
pub(crate) fn open(
    channel: Option<&mut Channel>,
    command: Command,
) -> Result<(Command, Option<Seal>), Status> {
    match command.cla {
        0x00 | 0x80 => Ok((command, None)),
        0x0C | 0x8C => {
            let channel = channel.ok_or(Status::SECURE_MESSAGING_NOT_SUPPORTED)?;
            let (command, seal) = channel.open(&command)?;
            Ok((command, Some(seal)))
        }
        _ => Err(Status::CLASS_NOT_SUPPORTED),
    }
}

impl Channel {
    /// The channel whose keys follow from the x coordinate of the point that host and card have in
    /// common, and from the card's nonce.
    ///
    /// Source: TR-03110 part 3, A.2.3; the vendor's scripts.
    pub(crate) fn new(protocol: Protocol, secret: &[u8; 32], nonce: &[u8; 8]) -> Self {
        let key = |purpose: u8| {
            let input = Zeroizing::new([&secret[..], nonce, &[0, 0, 0, purpose]].concat());
            let digest = Zeroizing::new(Hash::Sha1.digest(&input));
            let bytes = digest.first_chunk::<16>().expect("a SHA-1 digest has 20 bytes");
            match protocol {
                Protocol::TripleDes => Key::TripleDes(TripleDesKey::from_bytes(bytes)),
                Protocol::Aes => Key::Aes(AesKey::from_bytes(bytes).expect("AES has 16-byte keys")),
            }
        };
        Self { keys: Keys { encryption: key(1), mac: key(2) }, counter: 0 }
    }

    /// By what the card shows that it has the keys: the MAC over protocol and point of the host.
    ///
    /// For 3DES without the padding that other MACs have. Source: TR-03110 part 3, D.3.4; the
    /// vendor's scripts (`noPadding`).
    pub(crate) fn token(&self, protocol: Protocol, point: &[u8]) -> [u8; 8] {
        let key = [tlv::encode(0x06, &protocol.identifier()), tlv::encode(0x86, point)];
        self.keys.mac.mac(&tlv::encode(0x7F49, &key.concat()))
    }

    /// Takes a command out of its seal: `6987` without a MAC, `6988` if anything is wrong.
    fn open(&mut self, sealed: &Command) -> Result<(Command, Seal), Status> {
        let wrong = Status::SECURE_MESSAGING_OBJECT_WRONG;
        let objects = tlv::parse(&sealed.data).map_err(|_| wrong)?;
        let (protected, mac) = match objects.as_slice() {
            [protected @ .., Object { tag: 0x8E, value, .. }] => (protected, *value),
            objects if tlv::find(objects, 0x8E).is_some() => return Err(wrong),
            _ => return Err(Status::SECURE_MESSAGING_OBJECT_MISSING),
        };
        self.counter += 1;
        let header = [sealed.cla, sealed.ins, sealed.p1, sealed.p2];
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
        let header = [sealed.cla & !SEALED, sealed.ins, sealed.p1, sealed.p2];
        self.counter += 1;
        let seal = Seal { keys: self.keys.clone(), counter: self.counter };
        Ok((Command::new(header, core::mem::take(&mut *data), le), seal))
    }
}

impl Seal {
    /// `6700` for a response that is too long to be sealed.
    pub(crate) fn fits(&self, response: Response) -> Result<Response, Status> {
        if self.keys.sealed_length(response.data.len()) <= LONGEST_RESPONSE {
            Ok(response)
        } else {
            Err(Status::WRONG_LENGTH)
        }
    }

    /// `response`, sealed.
    pub(crate) fn seal(self, response: &Response) -> Response {
        let Self { keys, counter } = self;
        let mut objects = match response.data.as_slice() {
            [] => Vec::new(),
            data => {
                let cryptogram = keys.encryption.encrypt(counter, &keys.mac.padded(data));
                tlv::encode(0x87, &[&[0x01], cryptogram.as_slice()].concat())
            }
        };
        objects.extend(tlv::encode(0x99, &response.status.0.to_be_bytes()));
        let mac = keys.mac(counter, &[&objects]);
        objects.extend(tlv::encode(0x8E, &mac));
        Response::ok(objects)
    }
}

impl Keys {
    /// The MAC over number and parts, each of which is padded; an empty one does not count.
    fn mac(&self, counter: u64, parts: &[&[u8]]) -> [u8; 8] {
        let mut message = self.mac.number(counter);
        let parts = parts.iter().filter(|part| !part.is_empty());
        parts.for_each(|part| message.extend_from_slice(&self.mac.padded(part)));
        self.mac.mac(&message)
    }

    /// How long the sealed data of a command or response with so much data is at most.
    fn sealed_length(&self, data: usize) -> usize {
        let padded = (data / self.mac.block() + 1) * self.mac.block();
        // Tag, length and `01` of 87, then 97 or 99, and 8E.
        4 + 1 + padded + 4 + 10
    }

    /// The data in an 87 or 85 object; `None` unless it was encrypted and padded.
    fn decrypt(&self, counter: u64, data: &Object<'_>) -> Option<Zeroizing<Vec<u8>>> {
        let cryptogram = match (data.tag, data.value) {
            (0x87, [0x01, cryptogram @ ..]) | (0x85, cryptogram) => cryptogram,
            _ => return None,
        };
        let mut data = self.encryption.decrypt(counter, cryptogram).map(Zeroizing::new)?;
        let end = data.iter().rposition(|byte| *byte != 0x00)?;
        if data.get(end) != Some(&0x80) {
            return None;
        }
        data.truncate(end);
        Some(data)
    }
}

impl Key {
    /// The length of a block in bytes.
    fn block(&self) -> usize {
        match self {
            Self::TripleDes(_) => TripleDesKey::BLOCK,
            Self::Aes(_) => AesKey::BLOCK,
        }
    }

    /// The number of a message as a block.
    fn number(&self, counter: u64) -> Vec<u8> {
        let mut number = vec![0; self.block() - size_of::<u64>()];
        number.extend(counter.to_be_bytes());
        number
    }

    /// `data`, `80`, and zeros up to the end of a block.
    fn padded(&self, data: &[u8]) -> Zeroizing<Vec<u8>> {
        let length = (data.len() + 1).next_multiple_of(self.block());
        // All of it at once: what grows leaves copies behind.
        let mut padded = Zeroizing::new(Vec::with_capacity(length));
        padded.extend_from_slice(data);
        padded.push(0x80);
        padded.resize(length, 0x00);
        padded
    }

    /// Encrypts whole blocks: with AES the initialisation vector is the number encrypted, as the
    /// block before the first one has it that is encrypted as well.
    fn encrypt(&self, counter: u64, blocks: &[u8]) -> Vec<u8> {
        let cryptogram = match self {
            Self::TripleDes(key) => key.encrypt(blocks),
            Self::Aes(key) => {
                let numbered = [self.number(counter).as_slice(), blocks].concat();
                let numbered = key.encrypt(&Zeroizing::new(numbered));
                numbered.map(|mut numbered| numbered.split_off(AesKey::BLOCK))
            }
        };
        cryptogram.expect("what is padded has whole blocks")
    }

    /// Undoes [`encrypt`](Self::encrypt); `None` unless there are whole blocks.
    fn decrypt(&self, counter: u64, cryptogram: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::TripleDes(key) => key.decrypt(cryptogram),
            Self::Aes(key) => {
                let vector = key.encrypt(&self.number(counter))?;
                let numbered = key.decrypt(&[&vector, cryptogram].concat()).map(Zeroizing::new)?;
                numbered.get(AesKey::BLOCK..).map(<[u8]>::to_vec)
            }
        }
    }

    /// The first 8 bytes of the MAC; that of 3DES is over `message` filled up with zeros.
    fn mac(&self, message: &[u8]) -> [u8; 8] {
        match self {
            Self::TripleDes(key) => key.mac(message),
            Self::Aes(key) => *key.mac(message).first_chunk().expect("a CMAC has 16 bytes"),
        }
    }
}

#[cfg(test)]
mod tests;
