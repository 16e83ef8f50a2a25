//! The keys by which the card's issuer is known to the card manager.

use crate::crypto::des::TripleDesKey;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The keys of SCP02 and how often they have opened a channel.
///
/// Source: GlobalPlatform Card Specification 2.1.1, appendix E.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuerKeys {
    version: u8,
    keys: Zeroizing<[[u8; 16]; 3]>,
    sequence: u16,
}

/// What card-unique keys are derived from: the key that all the world's test cards have, published
/// in the GlobalPlatform documents, and worth nothing.
const MASTER_KEY: [u8; 16] = *b"@ABCDEFGHIJKLMNO";

impl IssuerKeys {
    /// How many bytes tell which card it is: the key diversification data.
    pub const DIVERSIFICATION: usize = 10;

    /// The keys that the card of that serial number is delivered with.
    #[must_use]
    pub fn of_delivery(serial: &[u8]) -> Self {
        Self::derived(&Self::diversification(serial))
    }

    /// The keys that the card with that key diversification data is delivered with, under version
    /// 1.
    ///
    /// Source: EMV Card Personalization Specification 1.1, section 4.1.
    pub fn derived(diversification: &[u8; Self::DIVERSIFICATION]) -> Self {
        let master = TripleDesKey::from_bytes(&MASTER_KEY);
        let [.., a, b, c, d, e, f] = *diversification;
        let key = |purpose: u8| {
            let half = |kind: u8| {
                let block = master.encrypt(&[a, b, c, d, e, f, kind, purpose]);
                block.and_then(|block| <[u8; 8]>::try_from(block).ok()).expect("it is one block")
            };
            let mut key = [0; 16];
            let halves = [half(0xF0), half(0x0F)];
            key.iter_mut().zip(halves.as_flattened()).for_each(|(byte, part)| *byte = *part);
            key
        };
        let keys = Zeroizing::new([key(1), key(2), key(3)]);
        Self { version: 1, keys, sequence: 0 }
    }

    /// What INITIALIZE UPDATE says of the card, so that its issuer can derive the keys: the first
    /// ten bytes of the SHA-256 of the serial number.
    pub fn diversification(serial: &[u8]) -> [u8; Self::DIVERSIFICATION] {
        let digest = Sha256::digest(serial);
        *digest.first_chunk().expect("a SHA-256 digest has 32 bytes")
    }

    /// Keys that were kept; none if the version is not one.
    pub fn restored(version: u8, keys: &[[u8; 16]; 3], sequence: u16) -> Option<Self> {
        let keys = Zeroizing::new(*keys);
        (1..=0x7F).contains(&version).then_some(Self { version, keys, sequence })
    }

    /// The version, 1 to 127.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// How many channels they have opened.
    #[must_use]
    pub fn sequence(&self) -> u16 {
        self.sequence
    }

    /// The same keys, after one more channel; none when the last one was that could be.
    #[must_use]
    pub fn after_channel(&self) -> Option<Self> {
        let sequence = self.sequence.checked_add(1)?;
        Some(Self { sequence, ..self.clone() })
    }

    /// The keys for encryption, MAC and data encryption.
    pub fn keys(&self) -> &[[u8; 16]; 3] {
        &self.keys
    }

    /// Encryption, MAC, data encryption: each as a key, and by its check value.
    pub fn check_values(keys: &[[u8; 16]; 3]) -> Vec<[u8; 3]> {
        let value = |key| {
            let block = TripleDesKey::from_bytes(key).encrypt(&[0; 8]).unwrap_or_default();
            *block.first_chunk().expect("a block has eight bytes")
        };
        keys.iter().map(value).collect()
    }
}

/// Shows no secret.
impl core::fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { version, sequence, .. } = self;
        write!(f, "IssuerKeys(version {version}, sequence {sequence})")
    }
}
