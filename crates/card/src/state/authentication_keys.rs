//! Public key authentication: n of m keys authenticate the user, instead of a PIN or in addition to
//! it.

use crate::session::Session;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::cvc::{AuthenticatedRequest, VerificationKey};
use vschsm_protocol::tlv;

/// The slots from tag 93 of INITIALIZE DEVICE, and the keys that are registered in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationKeys {
    required: u8,
    slots: Vec<Option<AuthenticationKey>>,
}

/// A registered key: that of a key pair on a custodian's card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationKey {
    holder: Vec<u8>,
    /// The content of its 7F49, domain parameters included.
    public_key: Vec<u8>,
    key: VerificationKey,
}

impl AuthenticationKeys {
    /// Slots for `number` keys, 1 to 90, of which `required` are needed. `None` for other numbers.
    pub(crate) fn new(number: u8, required: u8) -> Option<Self> {
        let slots = vec![None; usize::from(number)];
        let possible = (1..=90).contains(&number) && (1..=number).contains(&required);
        possible.then_some(Self { required, slots })
    }

    /// As they were saved.
    pub(crate) fn restored(required: u8, slots: Vec<Option<AuthenticationKey>>) -> Option<Self> {
        let number = u8::try_from(slots.len()).ok()?;
        Some(Self { slots, ..Self::new(number, required)? })
    }

    /// The number of slots, 1 to 90.
    #[must_use]
    pub fn number(&self) -> u8 {
        u8::try_from(self.slots.len()).unwrap_or(u8::MAX)
    }

    /// How many keys have to authenticate the user.
    #[must_use]
    pub fn required(&self) -> u8 {
        self.required
    }

    /// How many keys have to be registered before any of them can authenticate the user.
    #[must_use]
    pub fn missing(&self) -> u8 {
        let missing = self.slots.iter().filter(|slot| slot.is_none()).count();
        u8::try_from(missing).unwrap_or(u8::MAX)
    }

    /// The slots, by number.
    #[must_use]
    pub fn slots(&self) -> &[Option<AuthenticationKey>] {
        &self.slots
    }

    /// The key in a slot; `6A86` if there is no such slot, `6A88` if it is empty.
    pub(crate) fn key(&self, number: u8) -> Result<&AuthenticationKey, Status> {
        let slot = self.slots.get(usize::from(number)).ok_or(Status::INCORRECT_P1P2)?;
        slot.as_ref().ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// The number of the key of that holder.
    pub(crate) fn of_holder(&self, holder: &[u8]) -> Option<u8> {
        let is_it = |slot: &Option<AuthenticationKey>| {
            slot.as_ref().is_some_and(|key| key.holder == holder)
        };
        self.slots.iter().position(is_it).and_then(|number| u8::try_from(number).ok())
    }

    /// Whether the key of that number has one of these numbers, too: images from before the same
    /// key under another hash was refused may have it twice.
    pub(crate) fn is_among(&self, number: u8, others: &BTreeSet<u8>) -> bool {
        let Ok(key) = self.key(number) else { return false };
        let mut others = others.iter().filter_map(|other| self.key(*other).ok());
        others.any(|other| other.key.is_same_pair(&key.key))
    }

    /// Registers another key; `6985` if it is there, or another one by its name, `6A84` if there is
    /// no room.
    pub(crate) fn register(&mut self, key: AuthenticationKey) -> Result<(), Status> {
        key.refuse_beside(self.slots.iter().flatten())?;
        let free = self.slots.iter_mut().find(|slot| slot.is_none());
        *free.ok_or(Status::NOT_ENOUGH_MEMORY)? = Some(key);
        Ok(())
    }

    /// Puts a key in the place of another one; `6985` as above, `6A86` for no such place.
    pub(crate) fn replace(&mut self, number: u8, key: AuthenticationKey) -> Result<(), Status> {
        let number = usize::from(number);
        let others = self.slots.iter().enumerate().filter(|(other, _)| *other != number);
        key.refuse_beside(others.filter_map(|(_, slot)| slot.as_ref()))?;
        *self.slots.get_mut(number).ok_or(Status::INCORRECT_P1P2)? = Some(key);
        Ok(())
    }
}

impl AuthenticationKey {
    /// The key of a 7F49's content, which has its domain parameters; `None` if it is malformed.
    pub(crate) fn new(holder: &[u8], public_key: &[u8]) -> Option<Self> {
        let key = VerificationKey::parse(public_key, None)?;
        Some(Self { holder: holder.to_vec(), public_key: public_key.to_vec(), key })
    }

    /// The key of an authenticated request: 7F21, 42 and 5F37, the content of tag 67.
    ///
    /// `6A80` if it is malformed or not a key on a curve; `6A88` if no certificate was verified of
    /// that card; `6985` if a signature is wrong.
    pub(crate) fn requested(content: &[u8], session: &Session) -> Result<Self, Status> {
        let request = AuthenticatedRequest::parse(&tlv::parse(content)?);
        let request = request.ok_or(Status::WRONG_DATA)?;
        session.requested_key(&request)?;
        Self::new(request.holder(), request.public_key()).ok_or(Status::WRONG_DATA)
    }

    /// `6985` if it is one of `others`, or has the name of one: one custodian cannot be two,
    /// whatever hash a second request names, and one name cannot choose two keys.
    fn refuse_beside<'a>(&self, mut others: impl Iterator<Item = &'a Self>) -> Result<(), Status> {
        let is_known =
            others.any(|other| other.holder == self.holder || other.key.is_same_pair(&self.key));
        if is_known { Err(Status::CONDITIONS_NOT_SATISFIED) } else { Ok(()) }
    }

    /// The holder reference (CHR) by which it is chosen.
    #[must_use]
    pub fn holder(&self) -> &[u8] {
        &self.holder
    }

    /// How many bytes of memory it takes.
    pub(crate) fn size(&self) -> usize {
        self.holder.len() + self.public_key.len()
    }

    pub(crate) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    pub(crate) fn key(&self) -> &VerificationKey {
        &self.key
    }
}
