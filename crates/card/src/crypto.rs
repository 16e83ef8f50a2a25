//! The cryptographic primitives that the card is made with, and nothing of the card.

pub(crate) mod aes;
mod blocks;
pub(crate) mod curve;
pub(crate) mod des;
pub(crate) mod ec;
mod engine;
mod factors;
pub(crate) mod hash;
mod integers;
pub(crate) mod kdf;
mod named_curves;
pub(crate) mod padding;
pub(crate) mod public_key;
#[cfg(test)]
mod published;
pub(crate) mod rsa;
mod weierstrass;
