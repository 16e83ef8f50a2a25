//! Where a card's randomness comes from: one seed, from which each purpose has a stream of its own.
//!
//! So randomness for one purpose never changes that for another: an additional signature does not
//! change the keys, and a longer key does not change the next key. This does not affect the quality
//! of the random numbers, only which of them a fixed seed produces.

use crate::state::KeyId;
use alloc::collections::BTreeMap;
use chacha20::ChaCha20Rng;
use core::fmt;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What randomness is for. Two values that differ never share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// The serial number and the device key of a card as delivered, or after an update.
    Personalisation,
    /// The key of that number.
    Key(KeyId),
    /// Nonces and salts of signatures that the key of that number makes.
    Signature(KeyId),
    /// Nonces of the signatures of a certificate request for the key of that number.
    Request(KeyId),
    /// What the key of that number is masked with when it is wrapped.
    Wrap(KeyId),
    /// The key-encryption key of the key domain of that number.
    KeyDomain(u8),
    /// The identifier of a key's quota.
    Quota,
    /// GET CHALLENGE.
    Challenge,
    /// The card's nonce in chip authentication.
    SecureMessaging,
    /// GENERATE SESSION PIN.
    SessionPin,
    /// The challenge of the card manager.
    CardManager,
}

impl Purpose {
    /// What distinguishes its stream from all others: a word and a number. Changing one changes the
    /// results of seeds.
    fn domain(self) -> (&'static str, u8) {
        match self {
            Self::Personalisation => ("personalisation", 0),
            Self::Key(id) => ("key", id.number()),
            Self::Signature(id) => ("signature", id.number()),
            Self::Request(id) => ("request", id.number()),
            Self::Wrap(id) => ("wrap", id.number()),
            Self::KeyDomain(number) => ("key domain", number),
            Self::Quota => ("quota", 0),
            Self::Challenge => ("challenge", 0),
            Self::SecureMessaging => ("secure messaging", 0),
            Self::SessionPin => ("session PIN", 0),
            Self::CardManager => ("card manager", 0),
        }
    }
}

/// The random streams of a card while it is in use.
pub(crate) struct Randomness {
    seed: Zeroizing<[u8; 32]>,
    /// The streams in use.
    streams: BTreeMap<Purpose, ChaCha20Rng>,
}

impl Randomness {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), streams: BTreeMap::new() }
    }

    /// The stream for that purpose, at its current position.
    pub(crate) fn stream(&mut self, purpose: Purpose) -> &mut ChaCha20Rng {
        let Self { seed, streams } = self;
        streams.entry(purpose).or_insert_with(|| {
            let (word, number) = purpose.domain();
            let digest = Sha256::new()
                .chain_update(seed.as_slice())
                .chain_update([number])
                .chain_update(word);
            ChaCha20Rng::from_seed(digest.finalize().into())
        })
    }
}

/// The seed is as secret as everything that is derived from it.
impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Randomness(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use rand_core::Rng;

    /// Some of each kind, which differ in the kind or in the number alone.
    fn purposes() -> Vec<Purpose> {
        let ids = [1, 2, 0xFF].map(|number| KeyId::try_from(number).expect("the number of a key"));
        let of_keys = [Purpose::Key, Purpose::Signature, Purpose::Request, Purpose::Wrap];
        let of_keys = of_keys.iter().flat_map(|purpose| ids.map(purpose));
        let others = [
            Purpose::Personalisation,
            Purpose::KeyDomain(1),
            Purpose::KeyDomain(2),
            Purpose::Quota,
            Purpose::Challenge,
            Purpose::SecureMessaging,
            Purpose::SessionPin,
            Purpose::CardManager,
        ];
        of_keys.chain(others).collect()
    }

    #[test]
    fn every_purpose_has_a_stream_of_its_own() {
        let mut randomness = Randomness::new([7; 32]);
        let mut drawn: Vec<_> =
            purposes().into_iter().map(|it| randomness.stream(it).next_u64()).collect();
        let count = drawn.len();
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), count);
    }

    #[test]
    fn a_stream_goes_on_whatever_is_drawn_from_others() {
        let alone = |purpose| {
            let mut randomness = Randomness::new([7; 32]);
            let stream = randomness.stream(purpose);
            [stream.next_u64(), stream.next_u64()]
        };
        let mut randomness = Randomness::new([7; 32]);
        let first: Vec<_> =
            purposes().into_iter().map(|it| randomness.stream(it).next_u64()).collect();
        for (purpose, first) in purposes().into_iter().zip(first) {
            assert_eq!([first, randomness.stream(purpose).next_u64()], alone(purpose));
        }
    }

    #[test]
    fn debug_output_does_not_hold_the_seed() {
        let told = alloc::format!("{:?}", Randomness::new([0x5A; 32]));
        assert_eq!(told, "Randomness(redacted)");
    }
}
