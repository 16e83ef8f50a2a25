//! Where randomness comes from: the operating system, or a text that the user chose.

use crate::text::failure::Failure;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// The start of a random stream.
#[derive(Clone)]
pub(crate) struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// Fresh randomness.
    pub(crate) fn random() -> Result<Self, Failure> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())
            .map_err(|error| Failure::because("the system has no randomness", error))?;
        Ok(Self(seed))
    }

    /// What the user chose, or else fresh randomness.
    pub(crate) fn or_random(chosen: Option<&Self>) -> Result<Self, Failure> {
        chosen.cloned().map_or_else(Self::random, Ok)
    }
}

/// Without the seed, from which every key can be derived.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(redacted)")
    }
}

impl From<&str> for Seed {
    fn from(text: &str) -> Self {
        let digest = Sha256::new().chain_update("vschsm seed").chain_update(text).finalize();
        Self(Zeroizing::new(digest.into()))
    }
}

impl From<Seed> for [u8; 32] {
    fn from(Seed(seed): Seed) -> Self {
        *seed
    }
}

impl From<&Seed> for [u8; 32] {
    fn from(Seed(seed): &Seed) -> Self {
        **seed
    }
}
