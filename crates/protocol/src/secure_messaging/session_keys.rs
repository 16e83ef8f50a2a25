//! The session keys of a channel, and what both of its ends compute with them.

use super::protocol::Protocol;
use crate::crypto::aes::AesKey;
use crate::crypto::des::TripleDesKey;
use crate::crypto::hash::Hash;
use crate::tlv::{self, Object};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

/// The keys of a channel.
#[derive(Clone)]
pub struct SessionKeys {
    pub(super) encryption: CipherKey,
    mac: CipherKey,
}

#[derive(Clone)]
pub(super) enum CipherKey {
    TripleDes(TripleDesKey),
    Aes(AesKey),
}

/// Shows no secret.
impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys")
    }
}

impl SessionKeys {
    /// The keys that follow from the x coordinate of the point that host and card have in
    /// common, and from the card's nonce.
    ///
    /// Source: TR-03110 part 3, A.2.3; the vendor's scripts.
    #[must_use]
    pub fn new(protocol: Protocol, secret: &[u8; 32], nonce: &[u8; 8]) -> Self {
        let key = |purpose: u8| {
            let input = Zeroizing::new([&secret[..], nonce, &[0, 0, 0, purpose]].concat());
            let digest = Zeroizing::new(Hash::Sha1.digest(&input));
            let bytes = digest.first_chunk::<16>().expect("a SHA-1 digest has 20 bytes");
            match protocol {
                Protocol::TripleDes => CipherKey::TripleDes(TripleDesKey::from_bytes(bytes)),
                Protocol::Aes => {
                    CipherKey::Aes(AesKey::from_bytes(bytes).expect("AES has 16-byte keys"))
                }
            }
        };
        Self { encryption: key(1), mac: key(2) }
    }

    /// By what the card shows that it has the keys: the MAC over protocol and point of the host.
    ///
    /// For 3DES without the padding that other MACs have. Source: TR-03110 part 3, D.3.4; the
    /// vendor's scripts (`noPadding`).
    #[must_use]
    pub fn token(&self, protocol: Protocol, point: &[u8]) -> [u8; 8] {
        let key = [tlv::encode(0x06, &protocol.identifier()), tlv::encode(0x86, point)];
        self.mac.mac(&tlv::encode(0x7F49, &key.concat()))
    }

    /// The MAC over number and parts, each of which is padded; an empty one does not count.
    #[must_use]
    pub fn mac(&self, counter: u64, parts: &[&[u8]]) -> [u8; 8] {
        let mut message = self.mac.number(counter);
        let parts = parts.iter().filter(|part| !part.is_empty());
        parts.for_each(|part| message.extend_from_slice(&self.mac.padded(part)));
        self.mac.mac(&message)
    }

    /// How long the protected data of a command or response with so much data is at most, in bytes.
    #[must_use]
    pub fn protected_length(&self, data: usize) -> usize {
        let padded = (data / self.mac.block() + 1) * self.mac.block();
        // Tag, length and `01` of 87, then 97 or 99, and 8E.
        4 + 1 + padded + 4 + 10
    }

    /// The cryptogram of `data`, which is padded with `80` and zeros.
    #[must_use]
    pub fn encrypt(&self, counter: u64, data: &[u8]) -> Vec<u8> {
        self.encryption.encrypt(counter, &self.encryption.padded(data))
    }

    /// The data in an 87 or 85 object; `None` unless it was encrypted and padded.
    #[must_use]
    pub fn decrypt(&self, counter: u64, data: &Object<'_>) -> Option<Zeroizing<Vec<u8>>> {
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

impl CipherKey {
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
    pub(super) fn padded(&self, data: &[u8]) -> Zeroizing<Vec<u8>> {
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
    pub(super) fn encrypt(&self, counter: u64, blocks: &[u8]) -> Vec<u8> {
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
