//! Why a blob gives no key.

use crate::apdu::Status;
use core::fmt;

/// Why a key is not wrapped, or not unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyBlobError {
    /// The blob ends inside a field, has access conditions, or a list of over 16 algorithms.
    Malformed,
    /// The MAC was not made with this key-encryption key.
    WrongMac,
    /// What is encrypted, or is to be, is not a key.
    NoKey,
}

impl fmt::Display for KeyBlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the key blob is malformed",
            Self::WrongMac => "the key blob has the MAC of another key-encryption key",
            Self::NoKey => "the key blob holds no key",
        })
    }
}

impl core::error::Error for KeyBlobError {}

/// A card refuses all of them with `6A80`.
impl From<KeyBlobError> for Status {
    fn from(_: KeyBlobError) -> Self {
        Self::WRONG_DATA
    }
}
