//! What a blob encrypts.
//!
//! | bytes | content                                                                        |
//! |-------|--------------------------------------------------------------------------------|
//! | 8     | random                                                                         |
//! | 2     | size: of modulus or field in bits, rounded up to whole bytes; AES key in bytes |
//! | ...   | components, each after its length in two bytes; an AES key without a length    |
//! | 0-16  | padding: `80`, and `00` up to a whole block                                    |
//!
//! | type | components, in this order                                      |
//! |------|----------------------------------------------------------------|
//! | `05` | d, n, e                                                        |
//! | `06` | d mod p-1, d mod q-1, p, 1/q mod p, q, n, e                    |
//! | `0C` | a, b, p, order, base point, d, public point; the cofactor is 1 |
//! | `0F` | the key                                                        |
//!
//! Cards write RSA keys of more than 2048 bits as `05`, others as `06`; they read `05` of any size
//! and `06` up to 2048 bits. Some other programs do not pad what is whole blocks already, and leave
//! leading zeros of d away; a d that is longer than n is refused.

use super::error::KeyBlobError;
use super::field::{AES_COMPONENT, BLOCK, Component, LONGEST_RSA_CRT, is_padding, length, take};
use super::wrapped_key::{AesBytes, EcNumbers, RsaNumbers, RsaPrivateNumbers, WrappedKey};
use crate::crypto::curve::{CurveParameters, significant};
use crate::crypto::ec::EcKey;
use crate::crypto::key_material::KeyMaterial;
use crate::crypto::rsa::RsaKey;
use crate::cvc;
use alloc::vec;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// Types of key.
const RSA: u8 = 0x05;
const RSA_CRT: u8 = 0x06;
const EC: u8 = 0x0C;
const AES: u8 = 0x0F;

/// aes, 2.16.840.1.101.3.4.1.
const AES_OID: [u8; 8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01];

/// A key in the clear, as a blob encrypts it.
pub struct Record {
    /// The type.
    pub(super) kind: u8,
    /// All of the record, padding included.
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

impl Record {
    /// The record of a key; none if the key has no prime where it should.
    pub(super) fn new(secret: &KeyMaterial, random: [u8; 8]) -> Option<Self> {
        match secret {
            KeyMaterial::Rsa(key) => Self::of_rsa(key, random),
            KeyMaterial::Ec(key) => Some(Self::of_ec(key, random)),
            KeyMaterial::Aes(key) => {
                let bytes = key.bytes();
                let size = u16::try_from(bytes.len()).ok()?;
                Some(Self::padded(AES, random, size, &[bytes]))
            }
        }
    }

    fn of_rsa(key: &RsaKey, random: [u8; 8]) -> Option<Self> {
        let (n, e) = (key.modulus(), key.exponent().to_be_bytes());
        let e = significant(&e);
        if key.bits() > LONGEST_RSA_CRT {
            let d = key.private_exponent()?;
            return Some(Self::of_components(RSA, random, n.len(), &[&d, n, e]));
        }
        let ([dp, dq, q_inverse], (p, q)) = (key.crt()?, key.primes());
        let components = [&dp, &dq, p, &q_inverse, q, n, e];
        Some(Self::of_components(RSA_CRT, random, n.len(), &components))
    }

    fn of_ec(key: &EcKey, random: [u8; 8]) -> Self {
        let CurveParameters { p, a, b, g, n } = key.curve().parameters();
        // An order may be longer than the field, and one that is shorter gets as long.
        let width = p.len().max(n.len());
        let [order, d] = [n, key.scalar()].map(|number| padded_left(number, width));
        let public = key.public_point();
        Self::of_components(EC, random, p.len(), &[a, b, p, &order, g, &d, &public])
    }

    /// A record of components, for a key whose size is that of a number of `len` bytes.
    fn of_components(kind: u8, random: [u8; 8], len: usize, components: &[&[u8]]) -> Self {
        let size = u16::try_from(8 * len).expect("keys have at most 4096 bits");
        let lengths: Vec<_> = components.iter().map(|component| length(component)).collect();
        let parts = lengths.iter().zip(components);
        let parts: Vec<_> = parts.flat_map(|(length, part)| [length.as_slice(), part]).collect();
        Self::padded(kind, random, size, &parts)
    }

    fn padded(kind: u8, random: [u8; 8], size: u16, parts: &[&[u8]]) -> Self {
        let content = random.len() + 2 + parts.iter().map(|part| part.len()).sum::<usize>();
        let padded = (content + 1).next_multiple_of(BLOCK);
        // All of it at once: what grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(padded));
        bytes.extend_from_slice(&random);
        bytes.extend_from_slice(&size.to_be_bytes());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        bytes.push(0x80);
        bytes.resize(padded, 0x00);
        Self { kind, bytes }
    }

    /// The object identifier that the blob has in front.
    pub(super) fn default_algorithm(&self) -> &'static [u8] {
        match self.kind {
            RSA | RSA_CRT => &cvc::RSA_SHA256,
            EC => &cvc::ECDSA_SHA256,
            _ => &AES_OID,
        }
    }

    /// The components, taken apart as far as it takes to say which key it is.
    ///
    /// Nothing has been computed with them yet: [`WrappedKey::key`] does.
    ///
    /// # Errors
    /// [`KeyBlobError::NoKey`] for an unknown type, or components that are not those of a key of
    /// the type and the size.
    pub fn wrapped_key(&self) -> Result<WrappedKey<'_>, KeyBlobError> {
        let (size, content) = self.content().ok_or(KeyBlobError::NoKey)?;
        match self.kind {
            RSA => {
                let [d, n, e] = components(content)?;
                let private = RsaPrivateNumbers::Exponent(d);
                RsaNumbers::new(size, n, e, private).map(WrappedKey::Rsa)
            }
            RSA_CRT => {
                let [dp, dq, p, q_inverse, q, n, e] = components(content)?;
                let private = RsaPrivateNumbers::Primes { dp, dq, p, q_inverse, q };
                RsaNumbers::new(size, n, e, private).map(WrappedKey::Rsa)
            }
            EC => {
                let [a, b, p, order, base, d, public] = components(content)?;
                let domain =
                    CurveParameters::new(p, a, b, base, order).ok_or(KeyBlobError::NoKey)?;
                if size.div_ceil(8) != domain.p.len() {
                    return Err(KeyBlobError::NoKey);
                }
                Ok(WrappedKey::Ec(EcNumbers { parameters: domain, d, public }))
            }
            // The key and its padding: whether they are that is looked at last.
            AES => Ok(WrappedKey::Aes(AesBytes { size, content })),
            _ => Err(KeyBlobError::NoKey),
        }
    }

    /// What it holds, by the names of the table; none if it is cut short or of an unknown type.
    pub(super) fn components(&self) -> Option<Vec<Component>> {
        let names: &[_] = match self.kind {
            RSA => &["d", "n", "e"],
            RSA_CRT => &["d mod p-1", "d mod q-1", "p", "1/q mod p", "q", "n", "e"],
            EC => &["a", "b", "p", "order", "base point", "d", "public point"],
            AES => &[AES_COMPONENT],
            _ => return None,
        };
        let (size, mut rest) = self.content()?;
        let parts = names.iter().map(|name| {
            let part;
            // Only an AES key has no length of its own.
            (part, rest) =
                if self.kind == AES { rest.split_at_checked(size)? } else { take(rest)? };
            Some(Component { name, bytes: Zeroizing::new(part.to_vec()) })
        });
        parts.collect()
    }

    /// The size, and what follows it.
    fn content(&self) -> Option<(usize, &[u8])> {
        let (_random, rest) = self.bytes.split_first_chunk::<8>()?;
        let (size, content) = rest.split_first_chunk()?;
        Some((u16::from_be_bytes(*size).into(), content))
    }
}

/// `N` components and nothing but padding after them.
fn components<const N: usize>(content: &[u8]) -> Result<[&[u8]; N], KeyBlobError> {
    let mut rest = content;
    let mut components = [&[][..]; N];
    for component in &mut components {
        (*component, rest) = take(rest).ok_or(KeyBlobError::NoKey)?;
    }
    if is_padding(rest) { Ok(components) } else { Err(KeyBlobError::NoKey) }
}

/// `number` with zeros in front up to `width` bytes.
fn padded_left(number: &[u8], width: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; width]);
    bytes.iter_mut().rev().zip(number.iter().rev()).for_each(|(place, digit)| *place = *digit);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_any_length_is_padded_to_whole_blocks() {
        for length in 0..3 * BLOCK {
            let key = vec![0x07; length];
            let record = Record::padded(AES, [0x07; 8], 0x0707, &[&key]).bytes;
            let padding = record.get(8 + 2 + length..).unwrap_or_default();
            assert_eq!(record.len() % BLOCK, 0, "{length}");
            assert!((1..=BLOCK).contains(&padding.len()) && is_padding(padding), "{length}");
        }
    }
}
