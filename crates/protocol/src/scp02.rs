//! The secure channel of the card's issuer: SCP02 with three keys, explicit initiation, a C-MAC
//! over the changed header, and an encrypted initial vector; options "15", and "55" with a card
//! challenge that the issuer can compute.
//!
//! A command has class `84`, and its last eight bytes of data are the C-MAC: over the header with
//! the length that the data has with its MAC, and over the data, chained to that of the command
//! before. At the highest level the data before the MAC is encrypted after that.
//!
//! Source: GlobalPlatform Card Specification 2.1.1, appendix E; GlobalPlatformPro for the
//! computable challenge.

mod issuer_keys;

pub use issuer_keys::IssuerKeys;

use crate::aid;
use crate::apdu::{Command, Status};
use crate::crypto::des::TripleDesKey;
use alloc::vec::Vec;
use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The length of a C-MAC, a challenge of the host and a cryptogram.
const BLOCK: usize = TripleDesKey::BLOCK;

/// Class bit of a command with a MAC.
const SECURED: u8 = 0x04;

/// The option "i" of a card whose challenges can be computed: bit 40.
const COMPUTABLE_CHALLENGE: u8 = 0x40;

/// The object identifier of SCP02, before its options.
pub const IDENTIFIER: [u8; 8] = [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x04, 0x02];

/// The values of "i" that this channel has.
pub const OPTIONS: [u8; 2] = [0x15, 0x55];

/// How commands in a channel are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Not at all.
    None,
    /// By a MAC.
    Mac,
    /// By a MAC, and encrypted.
    Encrypted,
}

impl TryFrom<u8> for Level {
    type Error = Status;

    /// P1 of EXTERNAL AUTHENTICATE; `6A86` for any other, those with a MAC of the response
    /// included.
    fn try_from(p1: u8) -> Result<Self, Status> {
        match p1 {
            0x00 => Ok(Self::None),
            0x01 => Ok(Self::Mac),
            0x03 => Ok(Self::Encrypted),
            _ => Err(Status::INCORRECT_P1P2),
        }
    }
}

/// A channel between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE, as both sides have it.
pub struct Initiation {
    keys: Scp02Keys,
    host_challenge: [u8; BLOCK],
    /// Sequence counter and card challenge.
    card_challenge: [u8; BLOCK],
}

/// A channel after EXTERNAL AUTHENTICATE, as both sides have it.
pub struct SecureChannel {
    keys: Scp02Keys,
    level: Level,
    /// The C-MAC of the last command.
    last: [u8; BLOCK],
}

struct Scp02Keys {
    encryption: TripleDesKey,
    mac: TripleDesKey,
    data: TripleDesKey,
}

/// Shows no secret.
impl fmt::Debug for Initiation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiation")
    }
}

/// Shows no secret.
impl fmt::Debug for SecureChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecureChannel({:?})", self.level)
    }
}

impl Scp02Keys {
    /// Source: GlobalPlatform Card Specification 2.1.1, E.4.1.
    fn new(keys: &IssuerKeys) -> Self {
        let [sequence_high, sequence_low] = keys.sequence().to_be_bytes();
        let derive = |key: &[u8; 16], purpose: u8| {
            let mut data = [0; 16];
            let head = [0x01, purpose, sequence_high, sequence_low];
            data.iter_mut().zip(head).for_each(|(place, byte)| *place = byte);
            let derived = TripleDesKey::from_bytes(key).encrypt(&data).map(Zeroizing::new);
            let derived = derived.as_deref().and_then(|derived| derived.first_chunk());
            TripleDesKey::from_bytes(derived.expect("it is two blocks"))
        };
        let [encryption, mac, data] = keys.keys();
        Self {
            encryption: derive(encryption, 0x82),
            mac: derive(mac, 0x01),
            data: derive(data, 0x81),
        }
    }
}

impl Initiation {
    /// A channel with these keys; `random` is the card's challenge where it cannot be computed.
    pub fn new(
        keys: &IssuerKeys,
        options: u8,
        host_challenge: [u8; BLOCK],
        random: [u8; BLOCK - 2],
    ) -> Self {
        let [high, low] = keys.sequence().to_be_bytes();
        let keys = Scp02Keys::new(keys);
        let computed = keys.mac.mac(&padded(&aid::CARD_MANAGER));
        let [a, b, c, d, e, f] = match computed.first_chunk() {
            Some(computed) if options & COMPUTABLE_CHALLENGE != 0 => *computed,
            _ => random,
        };
        Self { keys, host_challenge, card_challenge: [high, low, a, b, c, d, e, f] }
    }

    /// The same on the issuer's side, who is told the card's challenge and shown its cryptogram;
    /// none if the card does not have the keys.
    pub fn of_issuer(
        keys: &IssuerKeys,
        options: u8,
        host_challenge: [u8; BLOCK],
        card_challenge: [u8; BLOCK - 2],
        cryptogram: &[u8],
    ) -> Option<Self> {
        let initiation = Self::new(keys, options, host_challenge, card_challenge);
        let is_the_card = bool::from(initiation.card_cryptogram().ct_eq(cryptogram));
        is_the_card.then_some(initiation)
    }

    /// Sequence counter and card challenge.
    pub fn card_challenge(&self) -> &[u8; BLOCK] {
        &self.card_challenge
    }

    /// By what the card shows that it has the keys.
    pub fn card_cryptogram(&self) -> [u8; BLOCK] {
        self.cryptogram(&self.host_challenge, &self.card_challenge)
    }

    fn cryptogram(&self, first: &[u8; BLOCK], second: &[u8; BLOCK]) -> [u8; BLOCK] {
        let message = padded(&[&first[..], second].concat());
        let blocks = self.keys.encryption.encrypt(&message).expect("it is padded");
        *blocks.last_chunk().expect("it is three blocks")
    }

    /// The channel, for a host that has the keys: EXTERNAL AUTHENTICATE has its cryptogram and a
    /// C-MAC in its data.
    ///
    /// # Errors
    /// `6700` for another length, `6300` for a wrong cryptogram, `6988` for a wrong C-MAC.
    pub fn authenticate(self, level: Level, command: &Command) -> Result<SecureChannel, Status> {
        let [host, mac] = command.data.as_chunks::<BLOCK>().0 else {
            return Err(Status::WRONG_LENGTH);
        };
        if command.data.len() != 2 * BLOCK {
            return Err(Status::WRONG_LENGTH);
        }
        let expected = self.cryptogram(&self.card_challenge, &self.host_challenge);
        if !bool::from(expected.ct_eq(host)) {
            return Err(Status::AUTHENTICATION_FAILED);
        }
        let expected = self.keys.mac.mac(&message(header(command), host)?);
        if !bool::from(expected.ct_eq(mac)) {
            return Err(Status::SECURE_MESSAGING_OBJECT_WRONG);
        }
        Ok(SecureChannel { keys: self.keys, level, last: expected })
    }
}

impl Initiation {
    /// The issuer's side of [`authenticate`](Self::authenticate): EXTERNAL AUTHENTICATE for a
    /// channel whose commands have a MAC.
    pub fn prove(self) -> (Vec<u8>, SecureChannel) {
        let host = self.cryptogram(&self.card_challenge, &self.host_challenge);
        let header = [0x84, 0x82, 0x01, 0x00];
        let mut channel = SecureChannel { keys: self.keys, level: Level::Mac, last: [0; BLOCK] };
        let message = message(header, &host).expect("it is short");
        channel.last = channel.keys.mac.mac(&message);
        (command(header, &[host, channel.last].concat()), channel)
    }
}

impl SecureChannel {
    /// The issuer's side: the next command, with its MAC.
    ///
    /// # Errors
    /// `6700` if it would not fit a short command.
    pub fn protect(&mut self, [cla, ins, p1, p2]: [u8; 4], data: &[u8]) -> Result<Vec<u8>, Status> {
        let header = [cla | SECURED, ins, p1, p2];
        let mac = self.next_mac(header, data)?;
        self.last = mac;
        Ok(command(header, &[data, &mac].concat()))
    }

    /// The C-MAC of the next command.
    fn next_mac(&self, header: [u8; 4], data: &[u8]) -> Result<[u8; BLOCK], Status> {
        let mut message = message(header, data)?;
        let vector = self.keys.mac.encrypt_with_first(self.last);
        message.iter_mut().zip(vector).for_each(|(byte, vector)| *byte ^= vector);
        Ok(self.keys.mac.mac(&message))
    }

    /// The card's side: the plain command in a protected one.
    ///
    /// # Errors
    /// `6982` if the level wants a MAC and it has none, or the other way round; `6988` for a wrong
    /// MAC, or data that was not encrypted.
    pub fn unprotect(&mut self, command: &Command) -> Result<Command, Status> {
        let wrong = Status::SECURE_MESSAGING_OBJECT_WRONG;
        let is_secured = command.cla & SECURED != 0;
        match (self.level, is_secured) {
            (Level::None, false) => return Ok(command.clone()),
            (Level::Mac | Level::Encrypted, true) => {}
            _ => return Err(Status::SECURITY_STATUS_NOT_SATISFIED),
        }
        let (data, mac) = command.data.split_last_chunk::<BLOCK>().ok_or(wrong)?;
        let data = match self.level {
            Level::Encrypted if !data.is_empty() => {
                self.keys.encryption.decrypt(data).and_then(unpadded).ok_or(wrong)?
            }
            _ => data.to_vec(),
        };

        let expected = self.next_mac(header(command), &data)?;
        if !bool::from(expected.ct_eq(mac)) {
            return Err(wrong);
        }
        self.last = expected;
        Ok(Command { cla: command.cla & !SECURED, data: data.into(), ..command.clone() })
    }

    /// A key that the issuer has encrypted for this card.
    pub fn decrypt_key(&self, encrypted: &[u8; 16]) -> Zeroizing<[u8; 16]> {
        let mut key = Zeroizing::new([0; 16]);
        for (place, block) in key.chunks_mut(BLOCK).zip(encrypted.chunks(BLOCK)) {
            let block = self.keys.data.decrypt(block).map(Zeroizing::new);
            place.copy_from_slice(&block.expect("it is one block"));
        }
        key
    }
}

/// What a C-MAC is over: the header with the length that the data has with its MAC, and the data.
///
/// `6700` if they would not fit a short command.
fn message(header: [u8; 4], data: &[u8]) -> Result<Vec<u8>, Status> {
    let length = u8::try_from(data.len() + BLOCK).map_err(|_| Status::WRONG_LENGTH)?;
    Ok(padded(&[&header[..], &[length], data].concat()))
}

fn header(command: &Command) -> [u8; 4] {
    [command.cla, command.ins, command.p1, command.p2]
}

/// A command with up to 255 bytes of data.
fn command(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).expect("its length was in the MAC");
    [&header[..], &[length], data].concat()
}

/// Padding method 2 of ISO 9797-1.
fn padded(message: &[u8]) -> Vec<u8> {
    let mut padded = [message, &[0x80]].concat();
    padded.resize(padded.len().next_multiple_of(BLOCK), 0x00);
    padded
}

/// Undoes [`padded`]; `None` for what was not.
fn unpadded(mut message: Vec<u8>) -> Option<Vec<u8>> {
    let end = message.iter().rposition(|byte| *byte != 0x00)?;
    if message.get(end) != Some(&0x80) || message.len() - end > BLOCK {
        return None;
    }
    message.truncate(end);
    Some(message)
}
