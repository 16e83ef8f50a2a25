//! Keys of all kinds.

use super::aes::AesKey;
use super::ec::EcKey;
use super::rsa::RsaKey;
use core::fmt;

/// What the outside of a card never sees: a private key, or a secret one.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyMaterial {
    /// An RSA key pair.
    Rsa(RsaKey),
    /// An elliptic curve key pair.
    Ec(EcKey),
    /// An AES key.
    Aes(AesKey),
}

impl KeyMaterial {
    /// The type of the key.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ec(_) => KeyType::Ec,
            Self::Aes(_) => KeyType::Aes,
        }
    }
}

/// The type of a key, as PKCS#11's `CKA_KEY_TYPE` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// An RSA key pair.
    Rsa,
    /// A key pair on an elliptic curve.
    Ec,
    /// A secret key for AES.
    Aes,
}

impl KeyType {
    /// `RSA`, `EC` or `AES`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ec => "EC",
            Self::Aes => "AES",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
