//! Key domains: slots, each with a key-encryption key of its own.

use crate::apdu::Status;
use crate::key_blob::KeyEncryptionKey;
use alloc::vec;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use rand_core::Rng;
use zeroize::Zeroizing;

/// The slots for key domains. A card that was initialised without any has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyDomains(Vec<Option<KeyDomain>>);

/// A key domain: keys in it are wrapped with its key-encryption key, the sum of DKEK shares.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyDomain {
    shares: u8,
    missing: u8,
    /// The sum of the shares so far; none before the first one.
    kek: Option<KeyEncryptionKey>,
}

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

    /// `6A86` for a slot beyond the last one, `6D00` if the card was initialised without any.
    pub(crate) fn check(&self, number: u8) -> Result<(), Status> {
        match self.slots() {
            0 => Err(Status::INSTRUCTION_NOT_SUPPORTED),
            slots if slots <= usize::from(number) => Err(Status::INCORRECT_P1P2),
            _ => Ok(()),
        }
    }

    /// The domain of that number; `6A88` if there is none.
    pub(crate) fn domain(&self, number: u8) -> Result<&KeyDomain, Status> {
        let slot = self.0.get(usize::from(number));
        slot.and_then(Option::as_ref).ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// The domain of that number, to be changed; `6A88` if there is none.
    pub(crate) fn domain_mut(&mut self, number: u8) -> Result<&mut KeyDomain, Status> {
        self.slot_mut(number)?.as_mut().ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// The slot of that number, to be filled or emptied; `6A88` if there is none.
    pub(crate) fn slot_mut(&mut self, number: u8) -> Result<&mut Option<KeyDomain>, Status> {
        self.0.get_mut(usize::from(number)).ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// The key-encryption key of a domain; `6A88` if there is none, or not all of it.
    pub(crate) fn kek(&self, number: u8) -> Result<&KeyEncryptionKey, Status> {
        self.domain(number)?.kek().ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// The first domain whose key-encryption key has that check value; `6A88` if there is none.
    pub(crate) fn with_check_value(
        &self,
        value: [u8; 8],
    ) -> Result<(u8, &KeyEncryptionKey), Status> {
        let keks = self.iter().filter_map(|(number, domain)| Some((number, domain?.kek()?)));
        let mut fitting = keks.filter(|(_, kek)| kek.check_value() == value);
        fitting.next().ok_or(Status::REFERENCE_NOT_FOUND)
    }
}

impl KeyDomain {
    /// A domain that waits for as many shares, or has a random key-encryption key if it is to have
    /// none.
    pub(crate) fn new(shares: u8, rng: &mut ChaCha20Rng) -> Self {
        let random = || {
            let mut bytes = Zeroizing::new([0; 32]);
            rng.fill_bytes(bytes.as_mut());
            KeyEncryptionKey::new(*bytes)
        };
        Self { shares, missing: shares, kek: (shares == 0).then(random) }
    }

    /// The domain of an image; none if it has more shares missing than it has.
    pub(crate) fn restored(shares: u8, missing: u8, kek: Option<KeyEncryptionKey>) -> Option<Self> {
        (missing <= shares).then_some(Self { shares, missing, kek })
    }

    /// How many shares the key-encryption key has; 0 for a random one.
    #[must_use]
    pub fn shares(&self) -> u8 {
        self.shares
    }

    /// How many shares are still to come.
    #[must_use]
    pub fn missing(&self) -> u8 {
        self.missing
    }

    /// The key check value (KCV), if the key-encryption key is complete.
    #[must_use]
    pub fn check_value(&self) -> Option<[u8; 8]> {
        self.kek().map(KeyEncryptionKey::check_value)
    }

    /// What keys of the domain are wrapped with, if it is complete.
    pub(crate) fn kek(&self) -> Option<&KeyEncryptionKey> {
        self.sum_of_shares().filter(|_| self.missing == 0)
    }

    /// The sum of the shares that have come.
    pub(crate) fn sum_of_shares(&self) -> Option<&KeyEncryptionKey> {
        self.kek.as_ref()
    }

    /// Adds a share; `6985` if none is missing.
    pub(crate) fn import(&mut self, share: &[u8; 32]) -> Result<(), Status> {
        self.missing = self.missing.checked_sub(1).ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
        let sum = self.kek.take().unwrap_or_else(|| KeyEncryptionKey::new([0; 32]));
        self.kek = Some(sum.plus(share));
        Ok(())
    }

    /// Forgets the key-encryption key: all shares are missing again.
    pub(crate) fn clear(&mut self) {
        (self.missing, self.kek) = (self.shares, None);
    }
}
