//! The commands, one file each, and the table that finds them by instruction byte.

mod change_reference_data;
mod cipher;
mod decipher;
mod delete_file;
mod derive_ec_key;
mod derive_xkek;
mod enumerate_objects;
mod external_authenticate;
mod general_authenticate;
mod generate_asymmetric_key_pair;
mod generate_session_pin;
mod generate_symmetric_key;
mod get_challenge;
mod initialize_device;
mod manage_key_domain;
mod manage_public_key_authentication;
mod manage_security_environment;
mod read_binary;
mod refill_quota;
mod reset_retry_counter;
mod select;
mod sign;
mod unwrap_key;
mod update_binary;
mod verify;
mod verify_certificate;
mod wrap_key;

use crate::apdu::{Command, Response, Status};
use crate::profile::{Profile, Situation};
use crate::randomness::{Purpose, Randomness};
use crate::session::Session;
use crate::signature::Algorithm;
use crate::state::{AuthenticationKey, KeyId, Limits, Options, Quota, Secret, Stored};
use crate::tlv::{self, Object};
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use zeroize::Zeroizing;

/// `Ok` commits what the command changed, `Err` undoes it but for PIN tries and uses of keys.
pub(crate) type Answer = Result<Response, Status>;

/// All that a command may touch.
pub(crate) struct Context<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) state: &'a mut Stored,
    pub(crate) session: &'a mut Session,
    pub(crate) randomness: &'a mut Randomness,
}

/// What a command does.
type Run = fn(&mut Context<'_>, &Command) -> Answer;

/// A row of the instruction table.
struct Instruction {
    ins: u8,
    /// Of two commands with one instruction byte the first one's: what tells it from the other.
    p2: Option<u8>,
    name: &'static str,
    class: Class,
    run: Run,
}

/// Whose command it is, and so the class that clients send it with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// ISO 7816's: `00`, and `80` as well.
    Iso,
    /// The vendor's: `80`, and where the firmware takes it `00`.
    Proprietary,
}

const INSTRUCTIONS: &[Instruction] = &[
    iso(0x20, "VERIFY", verify::run),
    iso(0x22, "MANAGE SECURITY ENVIRONMENT", manage_security_environment::run),
    iso(0x24, "CHANGE REFERENCE DATA", change_reference_data::run),
    iso(0x2A, "VERIFY CERTIFICATE", verify_certificate::run),
    iso(0x2C, "RESET RETRY COUNTER", reset_retry_counter::run),
    proprietary(0x3E, "REFILL QUOTA", refill_quota::run),
    iso(0x46, "GENERATE ASYMMETRIC KEY PAIR", generate_asymmetric_key_pair::run),
    iso(0x48, "GENERATE SYMMETRIC KEY", generate_symmetric_key::run),
    proprietary(0x50, "INITIALIZE DEVICE", initialize_device::run),
    proprietary(0x52, "MANAGE KEY DOMAIN", manage_key_domain::run),
    proprietary(0x54, "MANAGE PUBLIC KEY AUTHENTICATION", manage_public_key_authentication::run),
    proprietary(0x58, "ENUMERATE OBJECTS", enumerate_objects::run),
    proprietary(0x5A, "GENERATE SESSION PIN", generate_session_pin::run),
    Instruction {
        p2: Some(derive_xkek::ALGORITHM),
        ..proprietary(0x62, "DERIVE XKEK", derive_xkek::run)
    },
    proprietary(0x62, "DECIPHER", decipher::run),
    proprietary(0x68, "SIGN", sign::run),
    proprietary(0x72, "WRAP KEY", wrap_key::run),
    proprietary(0x74, "UNWRAP KEY", unwrap_key::run),
    proprietary(0x76, "DERIVE EC KEY", derive_ec_key::run),
    proprietary(0x78, "CIPHER", cipher::run),
    iso(0x82, "EXTERNAL AUTHENTICATE", external_authenticate::run),
    iso(0x84, "GET CHALLENGE", get_challenge::run),
    iso(0x86, "GENERAL AUTHENTICATE", general_authenticate::run),
    iso(0xA4, "SELECT", select::run),
    iso(0xB1, "READ BINARY", read_binary::run),
    iso(0xD7, "UPDATE BINARY", update_binary::run),
    iso(0xE4, "DELETE FILE", delete_file::run),
];

const fn iso(ins: u8, name: &'static str, run: Run) -> Instruction {
    Instruction { ins, p2: None, name, class: Class::Iso, run }
}

const fn proprietary(ins: u8, name: &'static str, run: Run) -> Instruction {
    Instruction { ins, p2: None, name, class: Class::Proprietary, run }
}

impl Instruction {
    fn is_of(&self, ins: u8, p2: u8) -> bool {
        self.ins == ins && self.p2.is_none_or(|own| own == p2)
    }
}

/// The name of a command, as ISO 7816 or the vendor has it, by its instruction byte and P2.
#[must_use]
pub fn name(ins: u8, p2: u8) -> Option<&'static str> {
    INSTRUCTIONS.iter().find(|row| row.is_of(ins, p2)).map(|found| found.name)
}

/// The instruction byte of a name.
pub(crate) fn number(name: &str) -> Option<u8> {
    INSTRUCTIONS.iter().find(|instruction| instruction.name == name).map(|found| found.ins)
}

/// Whether an algorithm identifier is one that a command implements.
pub(crate) fn has_algorithm(id: u8) -> bool {
    Algorithm::from_id(id).is_some()
        || decipher::ALGORITHMS.contains(&id)
        || cipher::ALGORITHMS.contains(&id)
        || [derive_ec_key::ALGORITHM, derive_xkek::ALGORITHM].contains(&id)
}

/// Whether a command chooses an application: SELECT does, whichever is selected.
pub(crate) fn selects_application(command: &Command) -> bool {
    select::is_by_name(command)
}

/// Runs the command that `command` names, out of its seal; `6D00` for an instruction that the
/// firmware does not have, and for one of the vendor's in class `00` what the firmware says.
pub(crate) fn dispatch(cx: &mut Context<'_>, command: &Command) -> Answer {
    let mut instructions = INSTRUCTIONS.iter().filter(|row| cx.profile.knows(row.ins));
    let instruction = instructions.find(|row| row.is_of(command.ins, command.p2));
    let instruction = instruction.ok_or(Status::INSTRUCTION_NOT_SUPPORTED)?;
    if instruction.class == Class::Proprietary && command.cla == 0x00 {
        cx.profile.allow(Situation::ProprietaryInClass00)?;
    }
    (instruction.run)(cx, command)
}

impl Context<'_> {
    /// Logs in if that is enough which has authenticated the user so far: the PIN, or as many keys
    /// as are required once all are registered; where the options say so, both.
    fn authenticate(&mut self) {
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

    /// Uses key `id` once for `algorithm`: `operation` gets the secret. When it has computed with
    /// it, a counted key has lost one use, whatever becomes of the command: what it fails for is to
    /// be looked at before, and what the result is worth afterwards, out of here.
    ///
    /// `6982` without login, `6985` for the device key, `6A88` for no key, `6A81` for an algorithm
    /// that the firmware or the key does not have, `6984` for a key without uses left.
    fn with_key<T>(
        &mut self,
        id: u8,
        algorithm: u8,
        operation: impl FnOnce(&Secret, &mut ChaCha20Rng) -> Result<T, Status>,
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

    /// Whether the user PIN may become `new`, as far as its length goes: some firmwares change that
    /// by INITIALIZE DEVICE alone.
    fn allow_length_of(&self, new: &[u8]) -> Result<(), Status> {
        match self.state.pins.user() {
            Some(user) if user.length() != new.len() => {
                self.profile.allow(Situation::ChangePinLength)
            }
            _ => Ok(()),
        }
    }

    /// The data of a command that may be longer than an APDU: without any it means what is in EF
    /// 2F10, which is gone then. `6A88` if there is nothing either.
    fn long_data(&mut self, command: &Command) -> Result<Zeroizing<Vec<u8>>, Status> {
        if !command.data.is_empty() {
            return Ok(command.data.clone());
        }
        self.session.buffer.take().ok_or(Status::REFERENCE_NOT_FOUND)
    }

    /// What limits a key that is to be made: use counter (tag 90), algorithm list (91), key domain
    /// (92) and who refills the use counter (B4), those of them that the firmware understands.
    ///
    /// `6A80` for a malformed one, and for B4 without 90; `6A86` for a key domain that the card
    /// does not have; for the request in B4 what [`AuthenticationKey::requested`] says.
    fn limits(&mut self, objects: &[Object<'_>]) -> Result<Limits, Status> {
        let find = |tag| tlv::find(objects, tag).filter(|_| self.profile.limits_keys_by(tag));
        let uses = find(0x90).map(use_counter);
        let algorithms = find(0x91).map(|algorithms| match algorithms.len() {
            1..=Limits::LONGEST_LIST => Ok(algorithms.to_vec()),
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
        Ok(Limits {
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

/// How often a key may be used: four bytes, and not never.
fn use_counter(bytes: &[u8]) -> Result<u32, Status> {
    let uses = bytes.try_into().map(u32::from_be_bytes);
    uses.ok().filter(|uses| *uses != 0).ok_or(Status::WRONG_DATA)
}
