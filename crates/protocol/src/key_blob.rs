//! Key blobs: a key under a key-encryption key, as it goes from one card to another.
//!
//! | bytes | content                                                                 |
//! |-------|-------------------------------------------------------------------------|
//! | 8     | check value of the key-encryption key                                   |
//! | 1     | type: `05` RSA, `06` RSA with its primes, `0C` EC, `0F` AES             |
//! | 2 + n | length, and object identifier of an algorithm that suits the key        |
//! | 2 + n | length, and algorithm list, as tag 91 had it when the key was generated |
//! | 2 + n | length, and access conditions: none in any blob that was ever seen      |
//! | 2 + n | length, and object identifier of the key: none likewise                 |
//! | 16·k  | the `record`, encrypted with AES-256 in CBC mode, the first vector zero |
//! | 16    | AES-256-CMAC of all of that                                             |
//!
//! Use counter and key domain are not in it.
//!
//! ```
//! use vschsm_protocol::crypto::aes::AesKey;
//! use vschsm_protocol::crypto::key_material::KeyMaterial;
//! use vschsm_protocol::key_blob::{Blob, KeyBlobError, KeyEncryptionKey, wrap};
//!
//! let dkek = KeyEncryptionKey::new([0; 32]).plus(&[0xA5; 32]).plus(&[0xE1; 32]);
//! let key = KeyMaterial::Aes(AesKey::from_bytes(&[7; 16]).ok_or("AES has keys of 16 bytes")?);
//! // The algorithm list: encryption and decryption. The eight bytes should be random.
//! let blob = wrap(&key, &[0x10, 0x11], &dkek, [0; 8])?;
//!
//! let blob = Blob::parse(&blob)?;
//! assert_eq!((blob.check_value, blob.algorithms), (dkek.check_value(), &[0x10, 0x11][..]));
//! assert_eq!(blob.unwrap(&dkek), Ok(key));
//! assert_eq!(blob.unwrap(&KeyEncryptionKey::new([0; 32])), Err(KeyBlobError::WrongMac));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! Source: the vendor's `DKEK.js`; published blobs of cards of 2.0 and 3.4, with their keys.

mod error;
mod field;
mod record;
#[cfg(test)]
mod tests;
mod wrapped_key;

pub use error::KeyBlobError;
pub use field::Component;
pub use record::Record;
pub use wrapped_key::{AesBytes, EcNumbers, RsaNumbers, WrappedKey};

use crate::crypto::aes::AesKey;
use crate::crypto::key_material::KeyMaterial;
use alloc::vec::Vec;
use core::fmt;
use field::{length, take};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The most algorithms in the list of a key.
const LONGEST_LIST: usize = 16;

/// What keys are wrapped with: a DKEK, which is the sum of its shares.
#[derive(Clone, PartialEq)]
pub struct KeyEncryptionKey(Zeroizing<[u8; 32]>);

impl KeyEncryptionKey {
    /// The key of these 32 bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// This one with another share of it.
    #[must_use]
    pub fn plus(&self, share: &[u8; 32]) -> Self {
        let mut sum = self.clone();
        sum.0.iter_mut().zip(share).for_each(|(byte, share)| *byte ^= share);
        sum
    }

    /// The secret.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key check value (KCV), by which cards and people tell one from another: no secret.
    #[must_use]
    pub fn check_value(&self) -> [u8; 8] {
        let digest = Sha256::digest(self.bytes());
        digest.first_chunk().copied().expect("a SHA-256 has 32 bytes")
    }

    /// Encrypts records.
    fn cipher(&self) -> AesKey {
        self.derived(1)
    }

    /// Makes the MAC of blobs.
    fn mac(&self) -> AesKey {
        self.derived(2)
    }

    fn derived(&self, counter: u32) -> AesKey {
        let digest = Sha256::new().chain_update(self.bytes()).chain_update(counter.to_be_bytes());
        let key = Zeroizing::new(<[u8; 32]>::from(digest.finalize()));
        AesKey::from_bytes(key.as_ref()).expect("AES has keys of 32 bytes")
    }
}

/// Shows no secret.
impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyEncryptionKey({:02X?})", self.check_value())
    }
}

/// A blob, taken apart but not decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob<'a> {
    /// The check value of the key-encryption key that it is wrapped with.
    pub check_value: [u8; 8],
    /// The type of the key: `05` or `06` for RSA, `0C` for EC, `0F` for AES.
    pub kind: u8,
    /// The content of an object identifier: an algorithm that suits the key.
    pub default_algorithm: &'a [u8],
    /// The algorithms that the key is limited to, up to 16; empty if it is not.
    pub algorithms: &'a [u8],
    /// The object identifier of the key, empty in any blob that was ever seen.
    pub identifier: &'a [u8],
    /// The encrypted record.
    pub cryptogram: &'a [u8],
    /// What the MAC is over.
    content: &'a [u8],
    /// The MAC.
    pub mac: &'a [u8; 16],
}

impl<'a> Blob<'a> {
    /// Takes a blob apart.
    ///
    /// The identifiers are passed over: firmware 3.0 to 3.2 writes a wrong one for AES. Access
    /// conditions are not: nobody knows what they would mean, and a key should not lose them.
    ///
    /// # Errors
    /// [`KeyBlobError::Malformed`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, KeyBlobError> {
        Self::fields(bytes).ok_or(KeyBlobError::Malformed)
    }

    fn fields(bytes: &'a [u8]) -> Option<Self> {
        let (content, mac) = bytes.split_last_chunk()?;
        let (check_value, rest) = content.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let (default_algorithm, rest) = take(rest)?;
        let (algorithms, rest) = take(rest)?;
        let (conditions, rest) = take(rest)?;
        let (identifier, cryptogram) = take(rest)?;
        let sound = conditions.is_empty() && algorithms.len() <= LONGEST_LIST;
        let (check_value, kind) = (*check_value, *kind);
        sound.then_some(Self {
            check_value,
            kind,
            default_algorithm,
            algorithms,
            identifier,
            cryptogram,
            content,
            mac,
        })
    }

    /// Whether the MAC was made with that key-encryption key.
    #[must_use]
    pub fn is_genuine(&self, kek: &KeyEncryptionKey) -> bool {
        kek.mac().mac(self.content).as_slice().ct_eq(self.mac).into()
    }

    /// What the record holds, whether it is a key or not; none if the MAC is wrong, the type
    /// unknown, or a component cut short.
    #[must_use]
    pub fn components(&self, kek: &KeyEncryptionKey) -> Option<Vec<Component>> {
        self.record(kek).ok()?.components()
    }

    /// The record that the blob encrypts.
    ///
    /// # Errors
    /// [`KeyBlobError::WrongMac`], which is looked at first, and [`KeyBlobError::NoKey`] if what is
    /// encrypted is not whole blocks.
    pub fn record(&self, kek: &KeyEncryptionKey) -> Result<Record, KeyBlobError> {
        if !self.is_genuine(kek) {
            return Err(KeyBlobError::WrongMac);
        }
        let record = kek.cipher().decrypt(self.cryptogram).ok_or(KeyBlobError::NoKey)?;
        Ok(Record { kind: self.kind, bytes: Zeroizing::new(record) })
    }

    /// The key in it, whatever its size or its curve.
    ///
    /// # Errors
    /// [`KeyBlobError::WrongMac`], which is looked at first, and [`KeyBlobError::NoKey`].
    pub fn unwrap(&self, kek: &KeyEncryptionKey) -> Result<KeyMaterial, KeyBlobError> {
        self.record(kek)?.wrapped_key()?.key()
    }
}

/// The blob of a key with that algorithm list; `random` makes equal keys look different.
///
/// # Errors
/// [`KeyBlobError::NoKey`] for an RSA key whose primes are not prime, as an image may have it.
pub fn wrap(
    key: &KeyMaterial,
    algorithms: &[u8],
    kek: &KeyEncryptionKey,
    random: [u8; 8],
) -> Result<Vec<u8>, KeyBlobError> {
    let record = Record::new(key, random).ok_or(KeyBlobError::NoKey)?;
    let mut blob = kek.check_value().to_vec();
    blob.push(record.kind);
    for field in [record.default_algorithm(), algorithms, &[], &[]] {
        blob.extend(length(field));
        blob.extend(field);
    }
    blob.extend(kek.cipher().encrypt(&record.bytes).ok_or(KeyBlobError::NoKey)?);
    let mac = kek.mac().mac(&blob);
    blob.extend(mac);
    Ok(blob)
}
