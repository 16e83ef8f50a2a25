//! Firmware profiles: all differences between the generations of the card, as data.
//!
//! A profile is one TOML file, complete and flat; `firmware/README.md` describes the format. No
//! other module asks for a version number.

use crate::apdu::Status;
use crate::card_manager;
use crate::commands;
use crate::crypto::curve::{Curve, Domain};
use crate::crypto::rsa::RsaKey;
use crate::hex::Hex;
use crate::secure_messaging::Protocol;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;

/// The firmwares that are built in, oldest first, by name: the text of their files.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("1.2", include_str!("../../../firmware/1.2.toml")),
    ("2.0", include_str!("../../../firmware/2.0.toml")),
    ("2.1", include_str!("../../../firmware/2.1.toml")),
    ("2.5", include_str!("../../../firmware/2.5.toml")),
    ("2.6", include_str!("../../../firmware/2.6.toml")),
    ("2.7", include_str!("../../../firmware/2.7.toml")),
    ("3.0", include_str!("../../../firmware/3.0.toml")),
    ("3.1", include_str!("../../../firmware/3.1.toml")),
    ("3.2", include_str!("../../../firmware/3.2.toml")),
    ("3.3", include_str!("../../../firmware/3.3.toml")),
    ("3.4", include_str!("../../../firmware/3.4.toml")),
    ("3.5", include_str!("../../../firmware/3.5.toml")),
    ("3.6", include_str!("../../../firmware/3.6.toml")),
    ("4.0", include_str!("../../../firmware/4.0.toml")),
    ("4.1", include_str!("../../../firmware/4.1.toml")),
];

/// Firmwares that no genuine card has, likewise: one of the above, and what we have added to it.
pub const EXTENSIONS: &[(&str, &str)] =
    &[("3.4+quota", include_str!("../../../firmware/extensions/quota.toml"))];

/// The firmware of a card for which none is asked.
pub const DEFAULT: &str = "3.4";

/// No firmware takes longer commands than this, in bytes: what one brings, a name in a certificate
/// request for instance, then fits a file and a data object.
const LONGEST_COMMAND: usize = 0x8000;

/// What a host may do that one firmware refuses though another accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Situation {
    /// MANAGE PUBLIC KEY AUTHENTICATION is asked for the state of a card that has a key domain for
    /// key exchange (XKEK) beside one with DKEK shares.
    AuthenticationStateBesideKeyExchange,
    /// CHANGE REFERENCE DATA or RESET RETRY COUNTER sets a user PIN of another length than the one
    /// before.
    ChangePinLength,
    /// GENERATE ASYMMETRIC KEY PAIR names another key than the device key to sign the request.
    GenerateWithAnotherSigner,
    /// GENERATE ASYMMETRIC KEY PAIR does not name whom the request is for, in tag 42.
    GenerateWithoutAuthority,
    /// A command of the vendor's has class 00, which is that of ISO's commands.
    #[serde(rename = "proprietary-in-class-00")]
    ProprietaryInClass00,
    /// INITIALIZE DEVICE has no data: it asks for memory and version.
    QueryMemory,
    /// UNWRAP KEY of an RSA key whose private exponent has more bytes than its modulus.
    UnwrapLongPrivateExponent,
    /// UNWRAP KEY of an RSA key of more than 2048 bits that comes with its primes (CRT form).
    UnwrapLongRsaWithPrimes,
    /// UNWRAP KEY of a blob whose key is limited to some algorithms.
    UnwrapWithAlgorithmList,
}

/// Whether the login ends when secure messaging does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LoginEnds {
    #[default]
    No,
    Yes,
    /// It does unless VERIFY was told to keep it.
    UnlessKept,
}

/// How good the AES keys are that GENERATE SYMMETRIC KEY makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AesKeys {
    /// All of a key is random.
    #[default]
    Strong,
    /// Anybody can guess them.
    Weak,
}

/// One firmware.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    source: String,
    file: ProfileFile,
    instructions: Vec<u8>,
    curves: Curves,
    /// Whether AES keys are strong whatever the file says.
    strong_aes_keys: bool,
}

/// The curves that a firmware has.
#[derive(Clone, Debug, PartialEq)]
enum Curves {
    /// All whose field has up to as many bits: the card takes parameters and knows no names.
    UpTo(usize),
    /// These, and no other.
    These(Vec<Curve>),
}

/// The line `curves` of a file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum CurvesLine {
    UpTo(usize),
    Named(Vec<String>),
}

/// A file. What has a default came later than the first images with a file of their user's, which
/// have to load for ever; it is what every card did before.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ProfileFile {
    name: String,
    version: (u8, u8),
    #[serde(default)]
    known_since: String,
    platform: String,
    platform_id: u8,
    atr: Hex<Vec<u8>>,
    max_command: usize,
    memory: usize,
    memory_reported_at_most: u32,
    #[serde(default = "has")]
    options_in_fci: bool,
    key_metadata_in_fci: bool,
    #[serde(default = "reference_not_found")]
    verify_not_initialised: Hex<Status>,
    #[serde(default = "incorrect_p1p2")]
    verify_biometric: Hex<Status>,
    instructions: Vec<String>,
    initialize: Vec<u8>,
    #[serde(default)]
    default_options: u16,
    #[serde(default)]
    secure_messaging: Vec<Protocol>,
    #[serde(default = "random_challenge")]
    scp02: u8,
    #[serde(default = "instruction_not_supported")]
    unknown_to_card_manager: Hex<Status>,
    #[serde(default)]
    login_ends_with_channel: LoginEnds,
    key_limits: Vec<u8>,
    #[serde(default = "reference_not_found")]
    unwrap_other_dkek: Hex<Status>,
    #[serde(default)]
    generated_aes_keys: AesKeys,
    rsa: Vec<usize>,
    curves: CurvesLine,
    algorithms: Vec<u8>,
    refuse: BTreeMap<Situation, Hex<Status>>,
}

fn has() -> bool {
    true
}

fn random_challenge() -> u8 {
    0x15
}

fn instruction_not_supported() -> Hex<Status> {
    Hex(Status::INSTRUCTION_NOT_SUPPORTED)
}

fn reference_not_found() -> Hex<Status> {
    Hex(Status::REFERENCE_NOT_FOUND)
}

fn incorrect_p1p2() -> Hex<Status> {
    Hex(Status::INCORRECT_P1P2)
}

/// Why a text is not a firmware profile: one sentence, with the line where it can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Error {}

impl Profile {
    /// The built-in firmware of that name, be it genuine or an extension.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let mut known = BUILT_IN.iter().chain(EXTENSIONS);
        let (_, source) = known.find(|(known, _)| *known == name)?;
        Some(Self::parse(source).expect("a test parses every built-in profile"))
    }

    /// Parses a firmware file.
    pub fn parse(source: &str) -> Result<Self, Error> {
        let file: ProfileFile =
            toml::from_str(source).map_err(|error| Error(error.to_string().trim().into()))?;
        let instructions = file
            .instructions
            .iter()
            .map(|name| commands::number(name).ok_or_else(|| unknown("instruction", name)))
            .collect::<Result<_, _>>()?;
        let curves = Curves::parse(&file.curves)?;
        if file.max_command > LONGEST_COMMAND {
            return Err(Error(format!("max-command is above {LONGEST_COMMAND}")));
        }
        if let Some(bits) = file.rsa.iter().find(|bits| !RsaKey::SIZES.contains(bits)) {
            return Err(unknown("length of an RSA modulus", bits));
        }
        if let Some(id) = file.algorithms.iter().find(|id| !commands::has_algorithm(**id)) {
            return Err(unknown("algorithm", format_args!("{id:02X}")));
        }
        if !card_manager::SCP02_OPTIONS.contains(&file.scp02) {
            return Err(unknown("option of SCP02", format_args!("{:02X}", file.scp02)));
        }
        Ok(Self { source: source.into(), file, instructions, curves, strong_aes_keys: false })
    }

    /// Its name, which is its version unless somebody chose another.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// The file it was parsed from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Version, major and minor.
    #[must_use]
    pub fn version(&self) -> (u8, u8) {
        self.file.version
    }

    /// When somebody first told of it, such as "2019-09"; none if nobody knows.
    #[must_use]
    pub fn known_since(&self) -> Option<&str> {
        Some(self.file.known_since.as_str()).filter(|date| !date.is_empty())
    }

    /// The platform it runs on, such as "JCOP 3".
    #[must_use]
    pub fn platform(&self) -> &str {
        &self.file.platform
    }

    /// The third last byte of tag 85 in the applet's FCI.
    pub(crate) fn platform_id(&self) -> u8 {
        self.file.platform_id
    }

    pub(crate) fn atr(&self) -> &[u8] {
        &self.file.atr.0
    }

    /// The longest command APDU, header included, in bytes; a longer one is `6700`.
    #[must_use]
    pub fn max_command(&self) -> usize {
        self.file.max_command
    }

    /// Memory for files and keys, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.file.memory
    }

    /// What the card says of `free` bytes of memory.
    #[must_use]
    pub fn reported_memory(&self, free: usize) -> u32 {
        u32::try_from(free).unwrap_or(u32::MAX).min(self.file.memory_reported_at_most)
    }

    /// Whether tag 85 in the applet's FCI holds options and platform before the version.
    pub(crate) fn options_in_fci(&self) -> bool {
        self.file.options_in_fci
    }

    pub(crate) fn key_metadata_in_fci(&self) -> bool {
        self.file.key_metadata_in_fci
    }

    /// What VERIFY says of a user PIN that the card does not have.
    pub(crate) fn verify_not_initialised(&self) -> Status {
        self.file.verify_not_initialised.0
    }

    /// What VERIFY says of a biometric template, which no card has.
    pub(crate) fn verify_biometric(&self) -> Status {
        self.file.verify_biometric.0
    }

    /// What UNWRAP KEY says of a blob that was made with another key-encryption key.
    pub(crate) fn unwrap_other_dkek(&self) -> Status {
        self.file.unwrap_other_dkek.0
    }

    /// Whether anybody can guess the AES keys that GENERATE SYMMETRIC KEY makes.
    #[must_use]
    pub fn generates_weak_aes_keys(&self) -> bool {
        self.file.generated_aes_keys == AesKeys::Weak && !self.strong_aes_keys
    }

    /// Whether AES keys are strong whatever the firmware's file says.
    pub(crate) fn has_strong_aes_keys(&self) -> bool {
        self.strong_aes_keys
    }

    /// The same firmware, whose AES keys are strong whatever its file says, or are not. That is no
    /// part of the file: a card that is saved and loaded has the firmware as it was.
    pub(crate) fn with_strong_aes_keys(self, strong_aes_keys: bool) -> Self {
        Self { strong_aes_keys, ..self }
    }

    /// Whether the firmware has the instruction.
    pub(crate) fn knows(&self, ins: u8) -> bool {
        self.instructions.contains(&ins)
    }

    /// Whether INITIALIZE DEVICE understands the tag; others are passed over.
    pub(crate) fn initializes(&self, tag: u16) -> bool {
        u8::try_from(tag).is_ok_and(|tag| self.file.initialize.contains(&tag))
    }

    /// The options of a card that was initialised without any.
    pub(crate) fn default_options(&self) -> u16 {
        self.file.default_options
    }

    /// Whether the firmware opens channels for secure messaging by that protocol.
    pub(crate) fn has_protocol(&self, protocol: Protocol) -> bool {
        self.file.secure_messaging.contains(&protocol)
    }

    /// The options "i" of SCP02, by which the card manager talks to the card's issuer.
    pub(crate) fn scp02_options(&self) -> u8 {
        self.file.scp02
    }

    /// What the card manager says of an instruction that it does not have: to a client that has not
    /// selected the applet, most of the applet's.
    pub(crate) fn unknown_to_card_manager(&self) -> Status {
        self.file.unknown_to_card_manager.0
    }

    /// Whether the login ends when secure messaging does.
    pub(crate) fn login_ends_with_channel(&self) -> LoginEnds {
        self.file.login_ends_with_channel
    }

    /// Whether certificates are verified.
    pub(crate) fn verifies_certificates(&self) -> bool {
        commands::number("VERIFY CERTIFICATE").is_some_and(|ins| self.knows(ins))
    }

    /// Whether domains can be created and deleted: where INITIALIZE DEVICE makes slots for them.
    pub(crate) fn has_key_domains(&self) -> bool {
        self.initializes(0x97)
    }

    /// Whether a command that makes a key understands the tag of a limit; others are passed over.
    pub(crate) fn limits_keys_by(&self, tag: u16) -> bool {
        u8::try_from(tag).is_ok_and(|tag| self.file.key_limits.contains(&tag))
    }

    /// `6A81` for an RSA modulus of a length that the firmware does not have.
    pub(crate) fn allow_rsa(&self, bits: usize) -> Result<(), Status> {
        supported(self.file.rsa.contains(&bits))
    }

    /// `6A81` if the firmware has no AES keys.
    pub(crate) fn allow_aes(&self) -> Result<(), Status> {
        let generate = commands::number("GENERATE SYMMETRIC KEY");
        supported(generate.is_some_and(|ins| self.knows(ins)))
    }

    /// `6A81` for a curve that the firmware does not have.
    pub(crate) fn allow_curve(&self, domain: &Domain) -> Result<(), Status> {
        supported(match &self.curves {
            Curves::UpTo(bits) => (Curve::SMALLEST..=*bits).contains(&domain.bits()),
            Curves::These(curves) => curves.iter().any(|curve| curve.domain() == domain),
        })
    }

    /// `6A81` for an algorithm that the firmware does not have.
    pub(crate) fn allow_algorithm(&self, algorithm: u8) -> Result<(), Status> {
        supported(self.file.algorithms.contains(&algorithm))
    }

    /// The status word with which the firmware refuses the situation, if it does.
    pub(crate) fn allow(&self, situation: Situation) -> Result<(), Status> {
        self.file.refuse.get(&situation).map_or(Ok(()), |status| Err(status.0))
    }
}

impl Curves {
    fn parse(line: &CurvesLine) -> Result<Self, Error> {
        let sizes = Curve::SMALLEST..=Curve::LARGEST;
        match line {
            CurvesLine::UpTo(bits) if sizes.contains(bits) => Ok(Self::UpTo(*bits)),
            CurvesLine::UpTo(bits) => Err(unknown("size of a curve", bits)),
            CurvesLine::Named(names) => {
                let curve = |name| Curve::from_name(name).ok_or_else(|| unknown("curve", name));
                Ok(Self::These(names.iter().map(|name| curve(name)).collect::<Result<_, _>>()?))
            }
        }
    }
}

fn supported(supported: bool) -> Result<(), Status> {
    if supported { Ok(()) } else { Err(Status::FUNCTION_NOT_SUPPORTED) }
}

fn unknown(kind: &str, name: impl fmt::Display) -> Error {
    Error(format!("{kind} \"{name}\" is none that this card knows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_parses_under_its_own_name() {
        for (name, source) in BUILT_IN.iter().chain(EXTENSIONS) {
            let profile = Profile::parse(source);
            assert_eq!(profile.as_ref().map(Profile::name), Ok(*name));
        }
        assert!(Profile::built_in(DEFAULT).is_some());
    }

    #[test]
    fn what_the_card_cannot_do_is_no_line_of_a_profile() {
        let profile = Profile::built_in(DEFAULT).expect("a test parses it");
        let source = profile.source();
        for (line, replacement) in [
            ("rsa = [1024,", "rsa = [2560,"),
            ("curves = 521", "curves = 522"),
            ("curves = 521", "curves = [\"secp256r2\"]"),
            ("\"VERIFY\"", "\"VERIFIES\""),
            ("0x20, 0x21,", "0x20, 0xFE,"),
            ("max-command = 1232", "max-command = 70000"),
        ] {
            let changed = source.replace(line, replacement);
            assert_ne!(changed, source);
            assert!(Profile::parse(&changed).is_err(), "{replacement}");
        }
    }

    #[test]
    fn an_unknown_line_is_an_error_that_names_it() {
        let (_, source) = BUILT_IN.last().expect("there are profiles");
        let error = Profile::parse(&format!("colour = 1\n{source}")).expect_err("unknown key");
        assert!(error.to_string().contains("colour"), "{error}");
    }
}
