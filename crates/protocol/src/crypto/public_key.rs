//! The public halves of key pairs.

use super::curve::Curve;
use super::ec::EcKey;
use super::rsa::RsaKey;
use alloc::vec::Vec;

/// The public half of a key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA: both numbers big-endian, without leading zeros.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent.
        exponent: Vec<u8>,
    },
    /// An elliptic curve key.
    Ec {
        /// The curve.
        curve: Curve,
        /// The point: `04`, x, y.
        point: Vec<u8>,
    },
}

impl From<&RsaKey> for PublicKey {
    fn from(key: &RsaKey) -> Self {
        let exponent = key.exponent().to_be_bytes();
        let zeros = key.exponent().leading_zeros() as usize / 8;
        let exponent = exponent.get(zeros..).unwrap_or_default().to_vec();
        Self::Rsa { modulus: key.modulus().to_vec(), exponent }
    }
}

impl From<&EcKey> for PublicKey {
    fn from(key: &EcKey) -> Self {
        Self::Ec { curve: key.curve().clone(), point: key.public_point() }
    }
}
