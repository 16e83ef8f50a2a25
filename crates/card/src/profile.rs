//! Firmware profiles: all differences between the firmwares of the card, as data.
//!
//! A profile is one TOML file, complete and flat; `firmware/README.md` describes the format. No
//! other module looks at a version number.

mod behaviour;
mod curves;
mod error;
mod file;

pub(crate) use behaviour::{Behaviour, EcdsaEncoding, LoginEnds, Restriction};
pub use error::ProfileError;
pub(crate) use file::printable;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use behaviour::AesKeyStrength;
use curves::Curves;
use error::InvalidEntry;
use file::ProfileFile;
use vschsm_protocol::algorithm;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::curve::CurveParameters;
use vschsm_protocol::crypto::rsa::RsaKey;
use vschsm_protocol::instruction;
use vschsm_protocol::scp02;
use vschsm_protocol::secure_messaging::Protocol;

/// The firmwares that are built in, oldest first, by name: the text of their files. Every file in
/// `firmware/` that is called by a version is one of them.
pub const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// Extensions of ours that no genuine card has, from `firmware/extensions/`: the same, each a
/// firmware of the above with additions.
pub const EXTENSIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/extensions.rs"));

/// The name of the default firmware.
pub const DEFAULT: &str = "3.4";

/// Lines of the table of behaviours that stand before all tables in files that are older than it.
pub const FORMERLY_OUTSIDE: [&str; 7] = Behaviour::FORMERLY_OUTSIDE;

/// The longest file, in bytes: what a package can carry in an update.
const LONGEST: usize = 0xFFFF;

/// One firmware.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    source: String,
    file: ProfileFile,
    instructions: Vec<u8>,
    curves: Curves,
    /// Whether AES keys are strong, even if the file says otherwise.
    strong_aes_keys: bool,
}

impl Profile {
    /// The built-in firmware of that name, be it genuine or an extension.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let mut known = BUILT_IN.iter().chain(EXTENSIONS);
        let (_, source) = known.find(|(known, _)| *known == name)?;
        Some(Self::parse(source).expect("a test parses every built-in profile"))
    }

    /// Parses a firmware file.
    ///
    /// # Errors
    /// [`ProfileError`] if it is not a firmware file, or has a value that this card does not
    /// support.
    ///
    /// ```
    /// use vschsm_card::profile::Profile;
    ///
    /// let source = Profile::built_in("3.4").ok_or("no such firmware")?.source().to_owned();
    /// let small = Profile::parse(&source.replace("rsa = [1024, ", "rsa = ["))?;
    /// assert_eq!(small.version(), (3, 4));
    ///
    /// let error = Profile::parse(&source.replace("rsa = [", "rsa = [512, ")).err();
    /// assert!(error.is_some_and(|error| error.to_string().contains("rsa has \"512\"")));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn parse(source: &str) -> Result<Self, ProfileError> {
        if source.len() > LONGEST {
            return Err(ProfileError(format!("the file is longer than {LONGEST} bytes")));
        }
        let file = ProfileFile::read(source)?;
        file.check().map_err(|invalid| invalid.in_file(source))?;
        Self::of(source, file).map_err(|invalid| invalid.in_file(source))
    }

    /// Parses the firmware file of an image. What it says beyond the bounds that files have today
    /// becomes the nearest within them.
    pub(crate) fn restored(source: &str) -> Result<Self, ProfileError> {
        let mut file = ProfileFile::read(source)?;
        file.correct();
        Self::of(source, file).map_err(|invalid| invalid.in_file(source))
    }

    fn of(source: &str, file: ProfileFile) -> Result<Self, InvalidEntry> {
        let instructions = file
            .instructions
            .iter()
            .map(|name| {
                instruction::number(name).ok_or_else(|| InvalidEntry::unknown("instructions", name))
            })
            .collect::<Result<_, _>>()?;
        let curves = Curves::parse(&file.curves)?;
        if let Some(bits) = file.rsa.iter().find(|bits| !RsaKey::SIZES.contains(bits)) {
            return Err(InvalidEntry::unknown("rsa", bits));
        }
        if let Some(id) = file.algorithms.iter().find(|id| algorithm::scheme(**id).is_none()) {
            return Err(InvalidEntry::unknown("algorithms", format_args!("{id:02X}")));
        }
        if !scp02::OPTIONS.contains(&file.scp02) {
            return Err(InvalidEntry::unknown("scp02", format_args!("{:02X}", file.scp02)));
        }
        Ok(Self { source: source.into(), file, instructions, curves, strong_aes_keys: false })
    }

    /// Its name, which is its version for a genuine firmware.
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

    /// The year, or year and month, of the first report of it, such as "2019-09"; `None` if
    /// unknown.
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

    /// What the card reports for `free` bytes of memory.
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

    /// Whether GENERATE SYMMETRIC KEY generates AES keys that can be guessed.
    #[must_use]
    pub fn generates_weak_aes_keys(&self) -> bool {
        self.behaviour().generated_aes_keys == AesKeyStrength::Weak && !self.strong_aes_keys
    }

    /// Whether AES keys are strong, even if the firmware's file says otherwise.
    pub(crate) fn has_strong_aes_keys(&self) -> bool {
        self.strong_aes_keys
    }

    /// The same firmware with or without strong AES keys, whatever its file says. This is not part
    /// of the file: a card that is saved and loaded has the firmware without it.
    pub(crate) fn with_strong_aes_keys(self, strong_aes_keys: bool) -> Self {
        Self { strong_aes_keys, ..self }
    }

    /// Whether the firmware has the instruction.
    pub(crate) fn knows(&self, ins: u8) -> bool {
        self.instructions.contains(&ins)
    }

    /// Whether INITIALIZE DEVICE knows the tag; others are ignored.
    pub(crate) fn initializes(&self, tag: u16) -> bool {
        u8::try_from(tag).is_ok_and(|tag| self.file.initialize.contains(&tag))
    }

    /// The options of a card that was initialised without any.
    pub(crate) fn default_options(&self) -> u16 {
        self.file.default_options
    }

    /// Whether the firmware opens channels for secure messaging by that protocol.
    pub(crate) fn has_protocol(&self, protocol: Protocol) -> bool {
        self.file.secure_messaging.iter().any(|name| Protocol::from(*name) == protocol)
    }

    /// The options "i" of SCP02, by which the card manager talks to the card's issuer.
    pub(crate) fn scp02_options(&self) -> u8 {
        self.file.scp02
    }

    /// Whether certificates are verified.
    pub(crate) fn verifies_certificates(&self) -> bool {
        instruction::number("VERIFY CERTIFICATE").is_some_and(|ins| self.knows(ins))
    }

    /// Whether domains can be created and deleted: where INITIALIZE DEVICE makes slots for them.
    pub(crate) fn has_key_domains(&self) -> bool {
        self.initializes(0x97)
    }

    /// Whether a command that makes a key knows the tag of a key attribute; others are ignored.
    pub(crate) fn has_key_attribute(&self, tag: u16) -> bool {
        u8::try_from(tag).is_ok_and(|tag| self.file.key_limits.contains(&tag))
    }

    /// `6A81` for an RSA modulus of a length that the firmware does not have.
    pub(crate) fn allow_rsa(&self, bits: usize) -> Result<(), Status> {
        supported(self.file.rsa.contains(&bits))
    }

    /// `6A81` if the firmware has no AES keys.
    pub(crate) fn allow_aes(&self) -> Result<(), Status> {
        let generate = instruction::number("GENERATE SYMMETRIC KEY");
        supported(generate.is_some_and(|ins| self.knows(ins)))
    }

    /// `6A81` for a curve that the firmware does not have.
    pub(crate) fn allow_curve(&self, parameters: &CurveParameters) -> Result<(), Status> {
        supported(self.curves.have(parameters))
    }

    /// `6A81` for an algorithm that the firmware does not have.
    pub(crate) fn allow_algorithm(&self, algorithm: u8) -> Result<(), Status> {
        supported(self.file.algorithms.contains(&algorithm))
    }

    /// How the firmware behaves where firmwares differ.
    pub(crate) fn behaviour(&self) -> &Behaviour {
        &self.file.behaviour
    }

    /// The status word with which the firmware refuses this, if it does.
    pub(crate) fn restrict(&self, restriction: Restriction) -> Result<(), Status> {
        self.file.refuse.get(&restriction).map_or(Ok(()), |status| Err(status.0))
    }
}

fn supported(supported: bool) -> Result<(), Status> {
    if supported { Ok(()) } else { Err(Status::FUNCTION_NOT_SUPPORTED) }
}

#[cfg(test)]
mod tests;
