//! Keys and what may be done with them.

use super::{KeyId, Quota};
use crate::session::User;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use vschsm_protocol::algorithm::Algorithm;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::curve::{Curve, CurveParameters};
use vschsm_protocol::crypto::key_material::{KeyMaterial, KeyType};
use vschsm_protocol::crypto::public_key::PublicKey;

/// The keys but for the device key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Keys(BTreeMap<KeyId, Arc<Key>>);

impl Keys {
    /// The key of that number.
    pub(crate) fn get(&self, id: KeyId) -> Option<&Key> {
        self.0.get(&id).map(Arc::as_ref)
    }

    /// Inserts a key, in place of the one with that number if there is one.
    pub(crate) fn insert(&mut self, id: KeyId, key: Key) {
        self.0.insert(id, Arc::new(key));
    }

    /// Removes the key of that number. Returns whether there was one.
    pub(crate) fn remove(&mut self, id: KeyId) -> bool {
        self.0.remove(&id).is_some()
    }

    /// The key of that number, shared with what keeps it.
    pub(super) fn shared(&self, id: KeyId) -> Option<Arc<Key>> {
        self.0.get(&id).cloned()
    }

    /// Makes the key of that number this one, or none.
    pub(super) fn put(&mut self, id: KeyId, key: Option<Arc<Key>>) {
        match key {
            Some(key) => self.0.insert(id, key),
            None => self.0.remove(&id),
        };
    }

    /// Sets the use counter of a key.
    pub(crate) fn set_uses(&mut self, id: KeyId, uses: Option<u32>) {
        if let Some(key) = self.0.get_mut(&id) {
            Arc::make_mut(key).attributes.uses = uses;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The keys by their number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (KeyId, &Key)> {
        self.0.iter().map(|(id, key)| (*id, key.as_ref()))
    }

    /// How many uses of a key are left, if they are counted, by itself or by its master.
    pub(crate) fn uses_left(&self, key: &Key) -> Option<u32> {
        match key.quota() {
            Some(Quota::Shared { master, identifier }) => {
                let master = self.get(*master).filter(|key| key.is_master(*identifier));
                Some(master.and_then(Key::uses).unwrap_or(0))
            }
            Some(Quota::Own { .. }) | None => key.uses(),
        }
    }

    /// The secret of one of these keys, for the user who asks for one use of it with `algorithm`.
    ///
    /// `6A81` if the key's list does not name the algorithm, or there is no list and the algorithm
    /// is one that must be listed; `6984` if no use is left.
    pub(crate) fn unlock<'a>(
        &self,
        _user: User,
        key: &'a Key,
        algorithm: u8,
    ) -> Result<&'a KeyMaterial, Status> {
        if !key.allows(algorithm) {
            return Err(Status::FUNCTION_NOT_SUPPORTED);
        }
        if self.uses_left(key) == Some(0) {
            return Err(Status::REFERENCE_DATA_NOT_USABLE);
        }
        Ok(&key.secret)
    }

    /// Counts a use of key `id`, if its uses are counted: one less for it and for all with which it
    /// shares the counter, or for the key whose quota it shares. Returns these keys, with their
    /// counter as it was.
    pub(super) fn spend(&mut self, id: KeyId) -> Vec<(KeyId, Option<u32>)> {
        let Some(key) = self.get(id) else { return Vec::new() };
        let id = match key.quota() {
            Some(Quota::Shared { master, .. }) => *master,
            Some(Quota::Own { .. }) | None => id,
        };
        let Some(counted) = self.get(id) else { return Vec::new() };
        let Some(uses) = counted.uses() else { return Vec::new() };
        let counter = counted.attributes.counter;
        let shares = |key: &Key| counter.is_some() && key.attributes.counter == counter;
        let spent = self.iter().filter(|(other, key)| *other == id || shares(key));
        let spent: Vec<_> = spent.map(|(id, key)| (id, key.uses())).collect();
        for (id, _) in &spent {
            self.set_uses(*id, Some(uses.saturating_sub(1)));
        }
        spent
    }

    /// Inserts a key that was derived from key `base`, in place of the one with the number `new` if
    /// there is one. It inherits the attributes: algorithm list and key domain never change,
    /// and both keys share one use counter.
    pub(crate) fn derive(&mut self, base: KeyId, new: KeyId, secret: KeyMaterial) {
        let Some(key) = self.get(base) else { return };
        let mut attributes = key.attributes.clone();
        match (&attributes.quota, attributes.uses) {
            (Some(Quota::Own { identifier, .. }), _) => {
                attributes.quota = Some(Quota::Shared { master: base, identifier: *identifier });
                attributes.uses = None;
            }
            (None, Some(_)) if attributes.counter.is_none() => {
                attributes.counter = self.free_counter();
                let base_key = Key::new(key.secret.clone(), attributes.clone());
                self.insert(base, base_key);
            }
            _ => {}
        }
        self.insert(new, Key::new(secret, attributes));
    }

    /// A number that no use counter has yet. There are more numbers than keys.
    fn free_counter(&self) -> Option<u8> {
        let is_taken = |number| self.0.values().any(|key| key.attributes.counter == Some(number));
        (0..=u8::MAX).find(|number| !is_taken(*number))
    }

    /// The curve with these parameters: that of a key which is on it already, so that what it
    /// computes with is there once, or else a new one. `None` if the parameters do not define a
    /// curve.
    pub(crate) fn curve(&self, parameters: CurveParameters) -> Option<Curve> {
        let mut curves = self.iter().filter_map(|(_, key)| key.curve());
        let known = curves.find(|curve| *curve.parameters() == parameters).cloned();
        known.or_else(|| Curve::from_parameters(parameters))
    }
}

/// A key and its attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    secret: KeyMaterial,
    attributes: KeyAttributes,
}

/// The attributes that a key is generated with. By default none of them restricts its use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyAttributes {
    /// Tag 90: how many uses are left.
    pub(crate) uses: Option<u32>,
    /// By which number keys share their use counter: those that were derived from a counted key,
    /// and that itself.
    pub(crate) counter: Option<u8>,
    /// Tag 91: the allowed algorithms, up to 16; empty allows all that suit the key, but for those
    /// that must be listed.
    pub(crate) algorithms: Vec<u8>,
    /// Tag 92: the key domain.
    pub(crate) domain: Option<u8>,
    /// Tag 93: the key that alone may wrap this one.
    pub(crate) wrapping_key: Option<KeyId>,
    /// Tag B4: who refills the use counter.
    pub(crate) quota: Option<Quota>,
}

impl KeyAttributes {
    /// The most algorithms in a list.
    pub(crate) const LONGEST_LIST: usize = 16;

    /// The key domain that a key with these attributes is in: the first one, if it was given none.
    pub(crate) fn effective_domain(&self) -> u8 {
        self.domain.unwrap_or_default()
    }
}

impl Key {
    pub(crate) fn new(secret: KeyMaterial, attributes: KeyAttributes) -> Self {
        Self { secret, attributes }
    }

    /// The secret and the attributes: everything that an image has to save.
    pub(crate) fn parts(&self) -> (&KeyMaterial, &KeyAttributes) {
        (&self.secret, &self.attributes)
    }

    fn with_uses(&self, uses: u32) -> Self {
        let attributes = KeyAttributes { uses: Some(uses), ..self.attributes.clone() };
        Self { secret: self.secret.clone(), attributes }
    }

    /// The key after a refill of its quota; `None` if it has no quota of its own, or the counter of
    /// refills is at its maximum.
    pub(crate) fn refilled(&self, uses: u32) -> Option<Self> {
        let mut refilled = self.with_uses(uses);
        refilled.attributes.quota = Some(self.quota()?.refilled()?);
        Some(refilled)
    }

    /// The type of the key.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.secret.key_type()
    }

    /// The size of the modulus, of the curve's field, or of an AES key, in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        match &self.secret {
            KeyMaterial::Rsa(key) => key.bits(),
            KeyMaterial::Ec(key) => key.curve().bits(),
            KeyMaterial::Aes(key) => key.bits(),
        }
    }

    /// How many bytes of memory it takes: one per bit, and the key that refills its use counter.
    pub(super) fn used(&self) -> usize {
        let refill_key = match self.quota() {
            Some(Quota::Own { refill_key, .. }) => refill_key.size(),
            Some(Quota::Shared { .. }) | None => 0,
        };
        self.bits() + refill_key
    }

    /// The curve of an EC key; `None` for keys of other types.
    #[must_use]
    pub fn curve(&self) -> Option<&Curve> {
        match &self.secret {
            KeyMaterial::Ec(key) => Some(key.curve()),
            KeyMaterial::Rsa(_) | KeyMaterial::Aes(_) => None,
        }
    }

    /// The public half, if the key is one of a pair.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        Some(match &self.secret {
            KeyMaterial::Rsa(key) => key.into(),
            KeyMaterial::Ec(key) => key.into(),
            KeyMaterial::Aes(_) => return None,
        })
    }

    /// Whether it is a secret key for AES.
    pub(crate) fn is_aes(&self) -> bool {
        matches!(self.secret, KeyMaterial::Aes(_))
    }

    /// Whether anybody can guess the key: an AES key whose bytes are all the same, as firmware 3.1
    /// and 3.2 generate them.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        match &self.secret {
            KeyMaterial::Aes(key) => key.is_weak(),
            KeyMaterial::Rsa(_) | KeyMaterial::Ec(_) => false,
        }
    }

    /// How many uses are left, if the key counts its own.
    pub(crate) fn uses(&self) -> Option<u32> {
        self.attributes.uses
    }

    /// Whose signature refills the use counter, if that is possible, or whose quota it shares.
    #[must_use]
    pub fn quota(&self) -> Option<&Quota> {
        self.attributes.quota.as_ref()
    }

    /// Whether the key has the quota of that identifier.
    fn is_master(&self, identifier: [u8; 8]) -> bool {
        matches!(self.quota(), Some(Quota::Own { identifier: own, .. }) if *own == identifier)
    }

    /// The algorithms that the key may be used for; empty if it has no such list.
    #[must_use]
    pub fn algorithms(&self) -> &[u8] {
        &self.attributes.algorithms
    }

    /// The key that alone may wrap this one, if it was given one.
    #[must_use]
    pub fn wrapping_key(&self) -> Option<KeyId> {
        self.attributes.wrapping_key
    }

    /// The key domain that the key was generated in, if it was given one.
    #[must_use]
    pub fn domain(&self) -> Option<u8> {
        self.attributes.domain
    }

    /// The key domain whose key-encryption key wraps the key: the first one, if it was given none.
    #[must_use]
    pub fn effective_domain(&self) -> u8 {
        self.attributes.effective_domain()
    }

    /// Whether the key's list names the algorithm, or there is no list and the algorithm need not
    /// be listed.
    fn allows(&self, algorithm: u8) -> bool {
        match self.algorithms() {
            [] => Algorithm::from_id(algorithm).is_none_or(|row| !row.only_if_listed),
            listed => listed.contains(&algorithm),
        }
    }
}
