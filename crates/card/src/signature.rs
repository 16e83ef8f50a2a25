//! Signature algorithms: a scheme, and the hash that the card makes for it.

use crate::apdu::Status;
use crate::crypto::hash::Hash;
use crate::crypto::padding;
use crate::state::Secret;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;

/// How a message or its hash becomes a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Algorithm {
    scheme: Scheme,
    /// None where the host makes the hash, or the padding.
    hash: Option<Hash>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// The host has padded the input to the length of the modulus.
    RsaRaw,
    /// PKCS#1 v1.5; without a hash the input is a DigestInfo.
    RsaPkcs1,
    /// PSS, MGF1 with the same hash, a salt as long as the hash.
    RsaPss,
    /// ECDSA.
    Ecdsa,
}

impl Algorithm {
    /// The algorithm that P2 of SIGN names.
    ///
    /// Source: OpenSC `card-sc-hsm.h`, `ALGO_*`; sc-hsm-embedded `token-sc-hsm.h`.
    pub(crate) fn from_id(id: u8) -> Option<Self> {
        let (scheme, hash) = match id {
            0x20 => (Scheme::RsaRaw, None),
            0x30 => (Scheme::RsaPkcs1, None),
            0x31 => (Scheme::RsaPkcs1, Some(Hash::Sha1)),
            0x33 => (Scheme::RsaPkcs1, Some(Hash::Sha256)),
            0x34 => (Scheme::RsaPkcs1, Some(Hash::Sha384)),
            0x35 => (Scheme::RsaPkcs1, Some(Hash::Sha512)),
            0x40 => (Scheme::RsaPss, None),
            0x41 => (Scheme::RsaPss, Some(Hash::Sha1)),
            0x43 => (Scheme::RsaPss, Some(Hash::Sha256)),
            0x44 => (Scheme::RsaPss, Some(Hash::Sha384)),
            0x45 => (Scheme::RsaPss, Some(Hash::Sha512)),
            0x70 => (Scheme::Ecdsa, None),
            0x71 => (Scheme::Ecdsa, Some(Hash::Sha1)),
            0x72 => (Scheme::Ecdsa, Some(Hash::Sha224)),
            0x73 => (Scheme::Ecdsa, Some(Hash::Sha256)),
            0x74 => (Scheme::Ecdsa, Some(Hash::Sha384)),
            0x75 => (Scheme::Ecdsa, Some(Hash::Sha512)),
            _ => return None,
        };
        Some(Self { scheme, hash })
    }

    /// The identifier of the algorithm that an object identifier of the arc 0.4.0.127.0.7.2.2.2
    /// names in a CV certificate or request. Source: BSI TR-03110 part 3, id-TA.
    pub(crate) fn id_of_oid(oid: &[u8]) -> Option<u8> {
        let arc = oid.strip_prefix(&[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02])?;
        Some(match arc {
            [1, 1] => 0x31,
            [1, 2] => 0x33,
            [1, 3] => 0x41,
            [1, 4] => 0x43,
            [1, 5] => 0x35,
            [1, 6] => 0x45,
            [2, hash @ 1..=5] => 0x70 | hash,
            _ => return None,
        })
    }

    /// The hash that ECDSA signs where an object identifier names it.
    pub(crate) fn ecdsa_hash_of_oid(oid: &[u8]) -> Option<Hash> {
        let algorithm = Self::from_id(Self::id_of_oid(oid)?)?;
        algorithm.hash.filter(|_| algorithm.scheme == Scheme::Ecdsa)
    }

    /// Whether it is one for RSA keys.
    pub(crate) fn is_rsa(self) -> bool {
        self.scheme != Scheme::Ecdsa
    }

    /// Signs `input`: a message, or what the host has made of one where the algorithm has no hash.
    ///
    /// EC signatures are r ‖ s. `6A81` for a key of another kind, `6A80` for an input whose length
    /// does not suit the algorithm, or an RSA block that is not below the modulus.
    pub(crate) fn sign(
        self,
        key: &Secret,
        input: &[u8],
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<u8>, Status> {
        match key {
            Secret::Rsa(key) => {
                let length = key.bits() / 8;
                let block = match (self.scheme, self.hash) {
                    (Scheme::RsaRaw, _) => Some(input.to_vec()),
                    (Scheme::RsaPkcs1, None) => padding::pkcs1_v15(input, length),
                    (Scheme::RsaPkcs1, Some(hash)) => {
                        let digest_info = padding::digest_info(hash, &hash.digest(input));
                        padding::pkcs1_v15(&digest_info, length)
                    }
                    (Scheme::RsaPss, None) => of_length(input.len())
                        .and_then(|hash| padding::pss(hash, input, key.bits(), rng)),
                    (Scheme::RsaPss, Some(hash)) => {
                        padding::pss(hash, &hash.digest(input), key.bits(), rng)
                    }
                    (Scheme::Ecdsa, _) => return Err(Status::FUNCTION_NOT_SUPPORTED),
                };
                let block = block.ok_or(Status::WRONG_DATA)?;
                key.private_operation(&block).ok_or(Status::WRONG_DATA)
            }
            Secret::Ec(key) => match (self.scheme, self.hash) {
                (Scheme::Ecdsa, Some(hash)) => Ok(key.sign(&hash.digest(input), rng)),
                (Scheme::Ecdsa, None) if LONGEST_HASH < input.len() || input.is_empty() => {
                    Err(Status::WRONG_DATA)
                }
                (Scheme::Ecdsa, None) => Ok(key.sign(input, rng)),
                _ => Err(Status::FUNCTION_NOT_SUPPORTED),
            },
            Secret::Aes(_) => Err(Status::FUNCTION_NOT_SUPPORTED),
        }
    }
}

/// The hash that makes digests of `length` bytes, where PSS can tell which it was.
fn of_length(length: usize) -> Option<Hash> {
    let hashes = [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];
    hashes.into_iter().find(|hash| hash.len() == length)
}

/// The longest hash that ECDSA takes: clients that pad it do so up to the order of secp521r1.
const LONGEST_HASH: usize = 66;
