//! Signatures, by all algorithms of SIGN.

use crate::algorithm::{Algorithm, Scheme};
use crate::apdu::Status;
use crate::crypto::hash::Hash;
use crate::crypto::key_material::KeyMaterial;
use crate::crypto::padding;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;

/// Signs `input`: a message, or what the host has made of one where the algorithm has no hash.
///
/// EC signatures are r ‖ s.
///
/// # Errors
/// `6A81` for a key of another type, or an algorithm that is not one of SIGN; `6A80` for an input
/// whose length does not suit the algorithm, or an RSA block that is not below the modulus.
pub fn sign(
    algorithm: u8,
    key: &KeyMaterial,
    input: &[u8],
    rng: &mut ChaCha20Rng,
) -> Result<Vec<u8>, Status> {
    let algorithm = Algorithm::from_id(algorithm).ok_or(Status::FUNCTION_NOT_SUPPORTED)?;
    let (scheme, hash) = (algorithm.scheme, algorithm.hash);
    match key {
        KeyMaterial::Rsa(key) => {
            let length = key.bits() / 8;
            let block = match (scheme, hash) {
                (Some(Scheme::RsaRaw), _) => Some(input.to_vec()),
                (Some(Scheme::RsaPkcs1), None) => padding::pkcs1_v15(input, length),
                (Some(Scheme::RsaPkcs1), Some(hash)) => {
                    let digest_info = padding::digest_info(hash, &hash.digest(input));
                    padding::pkcs1_v15(&digest_info, length)
                }
                (Some(Scheme::RsaPss), None) => of_length(input.len())
                    .and_then(|hash| padding::pss(hash, input, key.bits(), rng)),
                (Some(Scheme::RsaPss), Some(hash)) => {
                    padding::pss(hash, &hash.digest(input), key.bits(), rng)
                }
                _ => return Err(Status::FUNCTION_NOT_SUPPORTED),
            };
            let block = block.ok_or(Status::WRONG_DATA)?;
            key.private_operation(&block).ok_or(Status::WRONG_DATA)
        }
        KeyMaterial::Ec(key) => match (scheme, hash) {
            (Some(Scheme::Ecdsa), Some(hash)) => Ok(key.sign(&hash.digest(input), rng)),
            (Some(Scheme::Ecdsa), None) if LONGEST_HASH < input.len() || input.is_empty() => {
                Err(Status::WRONG_DATA)
            }
            (Some(Scheme::Ecdsa), None) => Ok(key.sign(input, rng)),
            _ => Err(Status::FUNCTION_NOT_SUPPORTED),
        },
        KeyMaterial::Aes(_) => Err(Status::FUNCTION_NOT_SUPPORTED),
    }
}

/// The hash that makes digests of `length` bytes, where PSS can tell which it was.
fn of_length(length: usize) -> Option<Hash> {
    let hashes = [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];
    hashes.into_iter().find(|hash| hash.digest_len() == length)
}

/// The longest hash that ECDSA takes: clients that pad it do so up to the order of secp521r1.
const LONGEST_HASH: usize = 66;
