//! The cryptographic primitives, and nothing of the card.

pub mod aes;
mod blocks;
pub mod curve;
pub(crate) mod des;
pub mod ec;
mod engine;
mod factors;
pub mod hash;
mod integers;
pub mod kdf;
pub mod key_material;
mod named_curves;
pub mod padding;
mod primes;
pub mod public_key;
#[cfg(test)]
mod published;
pub mod rsa;
mod weierstrass;
