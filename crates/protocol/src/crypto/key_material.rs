//! Keys of all kinds.

use super::aes::AesKey;
use super::ec::EcKey;
use super::rsa::RsaKey;

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
