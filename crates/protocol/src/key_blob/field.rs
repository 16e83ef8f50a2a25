//! What blobs and records consist of: fields of a length, and components of keys.

use crate::crypto::aes;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// The only component of an AES key.
pub(super) const AES_COMPONENT: &str = "key";

/// The longest RSA key that is written with its primes, and read so on genuine cards, in bits.
pub(super) const LONGEST_RSA_CRT: usize = 2048;

/// The length of a block of AES in bytes.
pub(super) const BLOCK: usize = 16;

/// A number or a point of a key in the clear.
pub struct Component {
    /// What it is called in the table of records, such as `1/q mod p`.
    pub name: &'static str,
    /// Its bytes, big-endian.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Component {
    /// Whether it is an AES key that anybody can guess, as firmware 3.1 and 3.2 generate them.
    #[must_use]
    pub fn is_weak_aes_key(&self) -> bool {
        self.name == AES_COMPONENT && aes::is_weak(&self.bytes)
    }
}

/// Splits what follows a length of two bytes into that many bytes and the rest.
pub(super) fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// The length of a field, in two bytes.
pub(super) fn length(field: &[u8]) -> [u8; 2] {
    u16::try_from(field.len()).expect("keys have numbers of at most 4096 bits").to_be_bytes()
}

/// Whether this is the padding of a record, which may be missing.
pub(super) fn is_padding(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [0x80, zeros @ ..] => zeros.len() < BLOCK && zeros.iter().all(|byte| *byte == 0),
        _ => false,
    }
}
