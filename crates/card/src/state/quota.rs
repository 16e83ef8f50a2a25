//! Quotas: use counters that the holder of another key can refill.
//!
//! An extension of ours that no genuine card has; `firmware/README.md` describes it.

use super::{AuthenticationKey, KeyId};
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use rand_core::Rng;
use vschsm_protocol::tlv;

/// A quota: what a key has in addition to its use counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Its own.
    Own {
        /// Random, generated with the key: no other key has it, not even one with the same number.
        identifier: [u8; 8],
        /// How often it was refilled.
        refills: u32,
        /// The key whose signature refills it.
        refill_key: AuthenticationKey,
    },
    /// That of the key which it was derived from.
    Shared {
        /// The number of that key.
        master: KeyId,
        /// Its identifier: another key in the same place shares nothing.
        identifier: [u8; 8],
    },
}

impl Quota {
    /// The quota of a new key.
    pub(crate) fn new(refill_key: AuthenticationKey, rng: &mut ChaCha20Rng) -> Self {
        let mut identifier = [0; 8];
        rng.fill_bytes(&mut identifier);
        Self::Own { identifier, refills: 0, refill_key }
    }

    /// The quota after one more refill.
    pub(crate) fn refilled(&self) -> Option<Self> {
        let Self::Own { identifier, refills, refill_key } = self else { return None };
        let (identifier, refills) = (*identifier, refills.checked_add(1)?);
        Some(Self::Own { identifier, refills, refill_key: refill_key.clone() })
    }

    /// Tag B4 of the FCI.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let objects = match self {
            Self::Own { identifier, refills, refill_key } => [
                tlv::encode(0x5F20, refill_key.holder()),
                tlv::encode(0x80, identifier),
                tlv::encode(0x81, &refills.to_be_bytes()),
            ]
            .concat(),
            Self::Shared { master, identifier } => {
                [tlv::encode(0x83, &[master.number()]), tlv::encode(0x80, identifier)].concat()
            }
        };
        tlv::encode(0xB4, &objects)
    }
}

/// The refill token that key `id`, with this identifier and number of refills, accepts next, on the
/// card whose device certificate has that holder reference (CHR).
pub(crate) fn refill_token(
    device: &[u8],
    id: KeyId,
    identifier: [u8; 8],
    refills: u32,
    uses: u32,
) -> Vec<u8> {
    let objects = [
        tlv::encode(0x42, device),
        tlv::encode(0x83, &[id.number()]),
        tlv::encode(0x80, &identifier),
        tlv::encode(0x81, &refills.to_be_bytes()),
        tlv::encode(0x90, &uses.to_be_bytes()),
    ];
    tlv::encode(0xB4, &objects.concat())
}
