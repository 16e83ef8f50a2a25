//! The key that a record is of: what it is, and then the key itself.
//!
//! Two steps, so that a card can refuse a key that its firmware does not have before anything is
//! computed with it.

use super::error::KeyBlobError;
use super::field::{LONGEST_RSA_CRT, is_padding};
use crate::crypto::aes::AesKey;
use crate::crypto::curve::{Curve, CurveParameters, significant};
use crate::crypto::ec::EcKey;
use crate::crypto::key_material::KeyMaterial;
use crate::crypto::rsa::RsaKey;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// The components of a key, not yet put together.
pub enum WrappedKey<'a> {
    /// Of an RSA key, type `05` or `06`.
    Rsa(RsaNumbers<'a>),
    /// Of an elliptic curve key, type `0C`.
    Ec(EcNumbers<'a>),
    /// Of an AES key, type `0F`.
    Aes(AesBytes<'a>),
}

/// The numbers of an RSA key.
pub struct RsaNumbers<'a> {
    /// As the record says it, and as long as the modulus when rounded up to whole bytes.
    size: usize,
    /// Without leading zeros.
    modulus: &'a [u8],
    exponent: u64,
    private: RsaPrivateNumbers<'a>,
}

/// What of an RSA key is private.
pub(super) enum RsaPrivateNumbers<'a> {
    Exponent(&'a [u8]),
    Primes { dp: &'a [u8], dq: &'a [u8], p: &'a [u8], q_inverse: &'a [u8], q: &'a [u8] },
}

/// The numbers of an elliptic curve key.
pub struct EcNumbers<'a> {
    pub(super) parameters: CurveParameters,
    pub(super) d: &'a [u8],
    pub(super) public: &'a [u8],
}

/// An AES key, and its padding.
pub struct AesBytes<'a> {
    /// In bytes.
    pub(super) size: usize,
    pub(super) content: &'a [u8],
}

impl WrappedKey<'_> {
    /// The key, whatever its size or its curve.
    ///
    /// # Errors
    /// [`KeyBlobError::NoKey`] if the components do not make one.
    pub fn key(&self) -> Result<KeyMaterial, KeyBlobError> {
        match self {
            Self::Rsa(numbers) => numbers.key().map(KeyMaterial::Rsa),
            Self::Ec(numbers) => {
                let curve = Curve::from_parameters(numbers.parameters.clone());
                numbers.key(&curve.ok_or(KeyBlobError::NoKey)?).map(KeyMaterial::Ec)
            }
            Self::Aes(bytes) => bytes.key().map(KeyMaterial::Aes),
        }
    }
}

impl<'a> RsaNumbers<'a> {
    /// `size` must fit the modulus, and the exponent have 1 to 8 bytes.
    pub(super) fn new(
        size: usize,
        modulus: &'a [u8],
        exponent: &[u8],
        private: RsaPrivateNumbers<'a>,
    ) -> Result<Self, KeyBlobError> {
        let (modulus, exponent) = (significant(modulus), significant(exponent));
        if size.div_ceil(8) != modulus.len() || !(1..=8).contains(&exponent.len()) {
            return Err(KeyBlobError::NoKey);
        }
        let exponent = exponent.iter().fold(0, |number, digit| number << 8 | u64::from(*digit));
        Ok(Self { size, modulus, exponent, private })
    }

    /// The size of the modulus in bits, as the record says it.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.size
    }

    /// Whether the record has the primes of a modulus of over 2048 bits, which no card writes.
    #[must_use]
    pub fn has_primes_of_long_modulus(&self) -> bool {
        matches!(self.private, RsaPrivateNumbers::Primes { .. }) && self.size > LONGEST_RSA_CRT
    }

    /// Whether the private exponent, with its leading zeros, has more bytes than the modulus.
    #[must_use]
    pub fn has_long_private_exponent(&self) -> bool {
        matches!(self.private, RsaPrivateNumbers::Exponent(d) if d.len() > self.modulus.len())
    }

    /// The key.
    ///
    /// # Errors
    /// [`KeyBlobError::NoKey`] if the private numbers do not undo the public exponent, or what
    /// should be prime is not.
    pub fn key(&self) -> Result<RsaKey, KeyBlobError> {
        let Self { modulus, exponent, private, .. } = self;
        let key = match *private {
            RsaPrivateNumbers::Exponent(d) => RsaKey::from_exponents(modulus, *exponent, d),
            RsaPrivateNumbers::Primes { dp, dq, p, q_inverse, q } => {
                let [p, q] = [p, q].map(significant);
                let key = RsaKey::from_primes(p, q, *exponent).filter(RsaKey::is_sound);
                let theirs = [dp, dq, q_inverse].map(significant);
                let is_theirs = |key: &RsaKey| {
                    let same =
                        |(ours, theirs): (&Zeroizing<Vec<u8>>, &[u8])| significant(ours) == theirs;
                    let crt = key.crt();
                    key.modulus() == *modulus
                        && crt.is_some_and(|crt| crt.iter().zip(theirs).all(same))
                };
                key.filter(is_theirs)
            }
        };
        key.ok_or(KeyBlobError::NoKey)
    }
}

impl EcNumbers<'_> {
    /// The domain parameters of the curve, not validated.
    #[must_use]
    pub fn parameters(&self) -> &CurveParameters {
        &self.parameters
    }

    /// The key on `curve`, which has these parameters.
    ///
    /// # Errors
    /// [`KeyBlobError::NoKey`] if the private key is not in the range of the order, or the public
    /// point is that of another one.
    pub fn key(&self, curve: &Curve) -> Result<EcKey, KeyBlobError> {
        let key = EcKey::from_scalar(curve, self.d).ok_or(KeyBlobError::NoKey)?;
        // The public point follows from d, so one that is not on the curve is another one.
        if key.public_point() == self.public { Ok(key) } else { Err(KeyBlobError::NoKey) }
    }
}

impl AesBytes<'_> {
    /// The key.
    ///
    /// # Errors
    /// [`KeyBlobError::NoKey`] if it does not have 16, 24 or 32 bytes, and padding after them.
    pub fn key(&self) -> Result<AesKey, KeyBlobError> {
        let key = self.content.split_at_checked(self.size);
        let key = key.filter(|(_, padding)| is_padding(padding));
        key.and_then(|(key, _)| AesKey::from_bytes(key)).ok_or(KeyBlobError::NoKey)
    }
}
