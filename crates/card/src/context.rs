//! What a command of the applet may touch, and what several commands do with it.

use crate::profile::{Profile, Restriction};
use crate::randomness::{Purpose, Randomness};
use crate::session::Session;
use crate::state::{AuthenticationKey, KeyAttributes, KeyId, Options, Quota, TrackedState};
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use vschsm_protocol::apdu::{Command, Status};
use vschsm_protocol::crypto::key_material::KeyMaterial;
use vschsm_protocol::tlv::{self, Object};
use zeroize::Zeroizing;

/// All that a command may touch.
pub(crate) struct Context<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) state: &'a mut TrackedState,
    pub(crate) session: &'a mut Session,
    pub(crate) randomness: &'a mut Randomness,
}

impl Context<'_> {
    /// Logs in if the user is authenticated: by the PIN, or by the required number of keys, all of
    /// which must be registered; or by both, if the options say so.
    pub(crate) fn authenticate(&mut self) {
        let configuration = &self.state.configuration;
        let keys = configuration.authentication_keys.as_ref();
        let by_keys = keys.is_some_and(|keys| {
            let authenticated = self.session.authenticated.len();
            keys.missing() == 0 && authenticated >= usize::from(keys.required())
        });
        let by_pin = self.session.has_verified_pin();
        let needs_both = keys.is_some() && configuration.options.has(Options::PIN_AND_KEYS);
        if if needs_both { by_pin && by_keys } else { by_pin || by_keys } {
            self.session.log_in();
        }
    }

    /// Uses key `id` once for `algorithm`: `operation` gets the secret. If it succeeds, one use of
    /// a counted key is spent, even if the command fails later. So it must check its input first,
    /// and checks of the result come after this function.
    ///
    /// `6982` without login, `6985` for the device key, `6A88` if there is no such key, `6A81` for
    /// an algorithm that the firmware or the key does not have, `6984` for a key without uses left.
    pub(crate) fn with_key<T>(
        &mut self,
        id: u8,
        algorithm: u8,
        operation: impl FnOnce(&KeyMaterial, &mut ChaCha20Rng) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let user = self.session.user()?;
        let id = KeyId::try_from(id)?;
        let key = self.state.keys.get(id).ok_or(Status::REFERENCE_NOT_FOUND)?;
        self.profile.allow_algorithm(algorithm)?;

        let rng = self.randomness.stream(Purpose::Signature(id));
        let result = operation(self.state.keys.unlock(user, key, algorithm)?, rng)?;
        self.state.spend(id);
        Ok(result)
    }

    /// Checks the length of a new user PIN: on some firmwares only INITIALIZE DEVICE changes it.
    pub(crate) fn allow_length_of(&self, new: &[u8]) -> Result<(), Status> {
        match self.state.pins.user() {
            Some(user) if user.length() != new.len() => {
                self.profile.restrict(Restriction::ChangePinLength)
            }
            _ => Ok(()),
        }
    }

    /// The data of a command that may be longer than an APDU: if the command has no data, it is
    /// taken from EF 2F10, which is deleted. `6A88` if that is absent, too.
    pub(crate) fn long_data(&mut self, command: &Command) -> Result<Zeroizing<Vec<u8>>, Status> {
        if !command.data.is_empty() {
            return Ok(command.data.clone());
        }
        self.session.buffer.take().ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// The attributes of a new key, as far as the firmware knows them: use counter (tag 90),
    /// algorithm list (91), key domain (92) and the key that refills the use counter (B4).
    ///
    /// `6A80` for a malformed attribute, and for B4 without 90; `6A86` for a key domain that the
    /// card does not have; for the request in B4 what [`AuthenticationKey::requested`] says.
    pub(crate) fn key_attributes(
        &mut self,
        objects: &[Object<'_>],
    ) -> Result<KeyAttributes, Status> {
        let find = |tag| tlv::find(objects, tag).filter(|_| self.profile.has_key_attribute(tag));
        let uses = find(0x90).map(use_counter);
        let algorithms = find(0x91).map(|algorithms| match algorithms.len() {
            1..=KeyAttributes::LONGEST_LIST => Ok(algorithms.to_vec()),
            _ => Err(Status::WRONG_DATA),
        });
        // A card without any slot puts all keys into domain 0, which cannot wrap them.
        let domains = self.state.domains.slots().max(1);
        let domain = find(0x92).map(|domain| match domain {
            [domain] if usize::from(*domain) < domains => Ok(*domain),
            [_] => Err(Status::INCORRECT_P1P2),
            _ => Err(Status::WRONG_DATA),
        });
        let refill_key = find(0xB4).map(|request| match uses {
            Some(_) => AuthenticationKey::requested(request, self.session),
            None => Err(Status::WRONG_DATA),
        });
        Ok(KeyAttributes {
            wrapping_key: None,
            uses: uses.transpose()?,
            algorithms: algorithms.transpose()?.unwrap_or_default(),
            domain: domain.transpose()?,
            quota: refill_key
                .transpose()?
                .map(|key| Quota::new(key, self.randomness.stream(Purpose::Quota))),
            counter: None,
        })
    }
}

/// A use counter: four bytes, not 0.
pub(crate) fn use_counter(bytes: &[u8]) -> Result<u32, Status> {
    let uses = bytes.try_into().map(u32::from_be_bytes);
    uses.ok().filter(|uses| *uses != 0).ok_or(Status::WRONG_DATA)
}
