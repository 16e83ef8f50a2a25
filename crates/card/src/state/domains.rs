//! Key domains: slots, each with a key-encryption key of its own.

use crate::state::KeyAttributes;
use alloc::vec;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use rand_core::Rng;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::key_blob::KeyEncryptionKey;
use zeroize::Zeroizing;

/// The slots for key domains. A card that was initialised without any has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyDomains(Vec<Option<KeyDomain>>);

/// A key domain: keys in it are wrapped with its key-encryption key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyDomain {
    source: KekSource,
    /// For a DKEK the sum of the shares so far; `None` before the first share or key agreement.
    kek: Option<KeyEncryptionKey>,
}

/// Where the key-encryption key of a domain comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KekSource {
    /// DKEK: the sum of shares, one for each person.
    Shares {
        /// The number of shares; 0 for a random key that nobody knows.
        number: u8,
        /// How many are missing.
        missing: u8,
    },
    /// XKEK: the result of a key agreement with another card in the domain.
    Exchange {
        /// The domain's name: the public point of the group signer's key without its first byte,
        /// 64 bytes on a curve of 256 bits.
        uid: Vec<u8>,
    },
}

/// The algorithm that a key's list must have for key exchange.
const KEY_EXCHANGE: u8 = 0x84;

impl KeyDomains {
    /// As many slots without a domain.
    pub(crate) fn empty(slots: u8) -> Self {
        Self(vec![None; slots.into()])
    }

    /// One slot, with a domain.
    pub(crate) fn one(domain: KeyDomain) -> Self {
        Self(vec![Some(domain)])
    }

    /// The slots of an image.
    pub(crate) fn restored(slots: Vec<Option<KeyDomain>>) -> Self {
        Self(slots)
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.0.len()
    }

    /// The slots by their number, with the domains that are in them.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Option<&KeyDomain>)> {
        (0..=u8::MAX).zip(self.0.iter().map(Option::as_ref))
    }

    /// How many bytes of memory a slot takes, with the domain in it.
    pub(super) fn used_by(slot: Option<&KeyDomain>) -> usize {
        slot.map_or(0, KeyDomain::size)
    }

    /// `6D00` for the commands of a card that was initialised without any slot: without DKEK shares
    /// and without key domains it has no key-encryption key, and gets none.
    ///
    /// Source: OpenSC `sc-hsm-tool.c`, "Card not initialized for key wrap"; observed for UNWRAP KEY
    /// (CardContact's scsh-scripts, issue 6).
    pub(crate) fn configured(&self) -> Result<&Self, Status> {
        if self.0.is_empty() { Err(Status::INSTRUCTION_NOT_SUPPORTED) } else { Ok(self) }
    }

    /// `6A86` for a slot beyond the last one, `6D00` if the card was initialised without any.
    pub(crate) fn check(&self, number: u8) -> Result<(), Status> {
        if self.configured()?.slots() <= usize::from(number) {
            return Err(Status::INCORRECT_P1P2);
        }
        Ok(())
    }

    /// The domain of that number; `6A88` if there is none.
    pub(crate) fn domain(&self, number: u8) -> Result<&KeyDomain, Status> {
        let slot = self.0.get(usize::from(number));
        slot.and_then(Option::as_ref).ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// The slot of that number, to be filled or emptied; `6A88` if there is none.
    pub(crate) fn slot_mut(&mut self, number: u8) -> Result<&mut Option<KeyDomain>, Status> {
        self.0.get_mut(usize::from(number)).ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// The key-encryption key of a domain; `6A88` if there is none, or not all of it.
    pub(crate) fn kek(&self, number: u8) -> Result<&KeyEncryptionKey, Status> {
        self.domain(number)?.kek().ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// The UID in a certificate request for a key with these attributes: that of its key domain, if
    /// the key may be used for the key exchange of that domain.
    pub(crate) fn uid_of_exchange_key(&self, attributes: &KeyAttributes) -> Option<&[u8]> {
        let exchanges = attributes.algorithms.contains(&KEY_EXCHANGE);
        let domain = self.domain(attributes.effective_domain()).ok().filter(|_| exchanges)?;
        domain.uid()
    }

    /// The first domain whose key-encryption key has that check value. Without one `6A88` if no
    /// domain has a complete key-encryption key, and `other` if all of them are other ones.
    pub(crate) fn with_check_value(
        &self,
        value: [u8; 8],
        other: Status,
    ) -> Result<(u8, &KeyEncryptionKey), Status> {
        let keks = self.iter().filter_map(|(number, domain)| Some((number, domain?.kek()?)));
        let mut otherwise = Status::REFERENCE_NOT_FOUND;
        for (number, kek) in keks {
            if kek.check_value() == value {
                return Ok((number, kek));
            }
            otherwise = other;
        }
        Err(otherwise)
    }

    /// Whether there is a domain for key exchange beside one with DKEK shares.
    pub(crate) fn has_both_kek_sources(&self) -> bool {
        let domains = || self.iter().filter_map(|(_, domain)| domain);
        domains().any(|domain| domain.uid().is_some())
            && domains().any(|domain| domain.uid().is_none())
    }
}

impl KeyDomain {
    /// A domain with that many shares, all missing, or with a random key-encryption key if the
    /// number is 0.
    pub(crate) fn of_shares(number: u8, rng: &mut ChaCha20Rng) -> Self {
        let random = || {
            let mut bytes = Zeroizing::new([0; 32]);
            rng.fill_bytes(bytes.as_mut());
            KeyEncryptionKey::new(*bytes)
        };
        let source = KekSource::Shares { number, missing: number };
        Self { source, kek: (number == 0).then(random) }
    }

    /// A domain for key exchange in the group of that UID.
    pub(crate) fn of_exchange(uid: Vec<u8>) -> Self {
        Self { source: KekSource::Exchange { uid }, kek: None }
    }

    /// The domain of an image; `None` if it has more shares missing than it has, or if the sum of
    /// shares does not fit their number.
    pub(crate) fn restored(source: KekSource, kek: Option<KeyEncryptionKey>) -> Option<Self> {
        let sound = match source {
            KekSource::Shares { number: 0, missing } => missing == 0,
            KekSource::Shares { number, missing } if missing < number => kek.is_some(),
            KekSource::Shares { number, missing } => missing == number && kek.is_none(),
            KekSource::Exchange { .. } => true,
        };
        sound.then_some(Self { source, kek })
    }

    /// Where the key-encryption key comes from.
    #[must_use]
    pub fn kek_source(&self) -> &KekSource {
        &self.source
    }

    /// The domain's name, if it is for key exchange.
    pub(crate) fn uid(&self) -> Option<&[u8]> {
        match &self.source {
            KekSource::Exchange { uid } => Some(uid),
            KekSource::Shares { .. } => None,
        }
    }

    /// The key check value (KCV), if the key-encryption key is complete.
    #[must_use]
    pub fn check_value(&self) -> Option<[u8; 8]> {
        self.kek().map(KeyEncryptionKey::check_value)
    }

    /// How many bytes of memory it takes: its name, and its key-encryption key if that is there.
    pub(crate) fn size(&self) -> usize {
        let kek = self.unfinished_kek().map_or(0, |kek| kek.bytes().len());
        self.uid().map_or(0, <[u8]>::len) + kek
    }

    /// The key-encryption key, which wraps the keys of the domain, if it is complete.
    pub(crate) fn kek(&self) -> Option<&KeyEncryptionKey> {
        let incomplete = matches!(self.source, KekSource::Shares { missing: 1.., .. });
        self.unfinished_kek().filter(|_| !incomplete)
    }

    /// The key-encryption key so far: the sum of the imported shares.
    pub(crate) fn unfinished_kek(&self) -> Option<&KeyEncryptionKey> {
        self.kek.as_ref()
    }

    /// Adds a share; `6985` if none is missing.
    pub(crate) fn import(&mut self, share: &[u8; 32]) -> Result<(), Status> {
        let KekSource::Shares { missing: missing @ 1.., .. } = &mut self.source else {
            return Err(Status::CONDITIONS_NOT_SATISFIED);
        };
        *missing -= 1;
        let sum = self.kek.take().unwrap_or_else(|| KeyEncryptionKey::new([0; 32]));
        self.kek = Some(sum.plus(share));
        Ok(())
    }

    /// Sets an agreed key-encryption key, in place of an earlier one; `6985` if the domain is not
    /// for key exchange.
    pub(crate) fn agree(&mut self, kek: KeyEncryptionKey) -> Result<(), Status> {
        self.uid().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
        self.kek = Some(kek);
        Ok(())
    }

    /// Deletes the key-encryption key: all shares are missing again, or the key agreement.
    pub(crate) fn clear(&mut self) {
        self.kek = None;
        if let KekSource::Shares { number, missing } = &mut self.source {
            *missing = *number;
        }
    }
}
