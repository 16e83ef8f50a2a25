//! The host's side of a channel, for programs that talk to a card.

use crate::chain::Device;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use core::fmt;
use rand_core::SeedableRng;
use subtle::ConstantTimeEq;
use vschsm_protocol::apdu::{Command, Status};
use vschsm_protocol::crypto::ec::EcKey;
use vschsm_protocol::secure_messaging::{PROTECTED, Protocol, SessionKeys};
use vschsm_protocol::tlv::{self, Object};
use zeroize::Zeroizing;

/// A host that asks a card for a channel.
#[derive(Debug)]
pub struct Opening {
    protocol: Protocol,
    /// The key pair that the host has made for this channel.
    key: EcKey,
    device: Vec<u8>,
}

/// A host in a channel: seals commands, and opens the responses to them.
#[derive(Clone)]
pub struct Host {
    keys: SessionKeys,
    /// The number of the last command or response.
    counter: u64,
}

/// Why a host does not believe that it talks to the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// The card refuses, with this status word.
    Refused(Status),
    /// The card does not show that it has the key that its certificate is for.
    WrongToken,
    /// An answer that is not sealed, of this status word.
    Plain(Status),
    /// The MAC of an answer is wrong.
    WrongMac,
    /// An answer is not what it should be.
    Malformed,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "the card refuses a channel with {status:?}"),
            Self::WrongToken => {
                f.write_str("the card does not have the key that its certificate is for")
            }
            Self::Plain(status) => {
                write!(f, "the card answers {status:?} without a seal, which ends the channel")
            }
            Self::WrongMac => f.write_str("the seal of an answer is broken"),
            Self::Malformed => f.write_str("an answer in the channel is malformed"),
        }
    }
}

impl core::error::Error for Breach {}

impl Opening {
    /// An opening with the card of that device; `seed`, from which the host's key is made, must be
    /// fresh randomness.
    #[must_use]
    pub fn new(protocol: Protocol, device: &Device, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let key = EcKey::generate(device.key().curve(), &mut rng);
        Self::with(protocol, key, device.key().point().to_vec())
    }

    /// An opening with that key of the host and that point of the device.
    pub(super) fn with(protocol: Protocol, key: EcKey, device: Vec<u8>) -> Self {
        Self { protocol, key, device }
    }

    /// MANAGE SECURITY ENVIRONMENT: chooses the protocol; `6A80` from a card that does not have it.
    #[must_use]
    pub fn choice(&self) -> Vec<u8> {
        let identifier = tlv::encode(0x80, &self.protocol.identifier());
        short([0x00, 0x22, 0x41, 0xA4], &identifier)
    }

    /// GENERAL AUTHENTICATE: asks the card for its half.
    #[must_use]
    pub fn question(&self) -> Vec<u8> {
        let point = tlv::encode(0x80, &self.key.public_point());
        let mut command = short([0x00, 0x86, 0x00, 0x00], &tlv::encode(0x7C, &point));
        command.push(0x00);
        command
    }

    /// The channel that is open after that answer to [`question`](Self::question).
    ///
    /// # Errors
    /// If the card has refused, or not shown that it has the device key.
    pub fn finish(self, answer: &[u8]) -> Result<Host, Breach> {
        let (data, status) = split(answer)?;
        if status != Status::OK {
            return Err(Breach::Refused(status));
        }
        let find = |tag| tlv::at(data, &[0x7C, tag]).and_then(|value| value.try_into().ok());
        let (nonce, token): ([u8; 8], [u8; 8]) =
            find(0x81).zip(find(0x82)).ok_or(Breach::Malformed)?;
        let shared = self.key.agree(&self.device).map(Zeroizing::new);
        let secret = shared.as_deref().and_then(|point| point.get(1..)?.first_chunk());
        let keys = SessionKeys::new(self.protocol, secret.ok_or(Breach::WrongToken)?, &nonce);
        let expected = keys.token(self.protocol, &self.key.public_point());
        if !bool::from(expected.ct_eq(&token)) {
            return Err(Breach::WrongToken);
        }
        Ok(Host { keys, counter: 0 })
    }
}

impl Host {
    /// How long a command is once it is sealed; none where [`seal`](Self::seal) gives none.
    #[must_use]
    pub fn sealed_length(protocol: Protocol, command: &[u8]) -> Option<usize> {
        let keys = SessionKeys::new(protocol, &[0; 32], &[0; 8]);
        Self { keys, counter: 0 }.seal(command).map(|sealed| sealed.len())
    }

    /// The next command, sealed; none for what is no APDU, has another class than `00` or `80`, or
    /// is too long.
    ///
    /// It has extended lengths where the command has, and where the command or its response needs
    /// them.
    #[must_use]
    pub fn seal(&mut self, command: &[u8]) -> Option<Vec<u8>> {
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
        let answered = self.keys.protected_length(ne.unwrap_or_default());
        if extended || length > 0xFF || answered > 0x100 {
            let [high, low] = length.to_be_bytes();
            return Some([&header[..], &[0x00, high, low], &objects, &[0x00, 0x00]].concat());
        }
        let mut sealed = short(header, &objects);
        sealed.push(0x00);
        Some(sealed)
    }

    /// The response to the command that was sealed last, out of its seal.
    ///
    /// # Errors
    /// If it is not in the seal of the card: the channel is not to be used any more.
    pub fn open(&mut self, response: &[u8]) -> Result<Vec<u8>, Breach> {
        let (sealed, status) = split(response)?;
        if sealed.is_empty() || status != Status::OK {
            return Err(Breach::Plain(status));
        }
        let objects = tlv::parse(sealed).map_err(|_| Breach::Malformed)?;
        let [protected @ .., Object { tag: 0x8E, value: mac, .. }] = objects.as_slice() else {
            return Err(Breach::Malformed);
        };
        self.counter += 1;
        let encoded: Vec<_> = protected.iter().map(|object| object.encoded).collect();
        let expected = self.keys.mac(self.counter, &[encoded.concat().as_slice()]);
        if !bool::from(expected.ct_eq(mac)) {
            return Err(Breach::WrongMac);
        }
        let (data, status) = match protected {
            [Object { tag: 0x99, value, .. }] => (Some(Zeroizing::default()), *value),
            [data, Object { tag: 0x99, value, .. }] => {
                (self.keys.decrypt(self.counter, data), *value)
            }
            _ => return Err(Breach::Malformed),
        };
        let data = data.filter(|_| status.len() == 2).ok_or(Breach::Malformed)?;
        Ok([data.as_slice(), status].concat())
    }
}

/// Shows no secret.
impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({} messages)", self.counter)
    }
}

/// A short command without Le.
fn short(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).expect("what is sent in short form fits");
    [&header[..], &[length], data].concat()
}

/// The data of a response, and its status word.
fn split(response: &[u8]) -> Result<(&[u8], Status), Breach> {
    let (data, status) = response.split_last_chunk().ok_or(Breach::Malformed)?;
    Ok((data, Status(u16::from_be_bytes(*status))))
}
