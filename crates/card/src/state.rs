//! What survives power-off: files, keys, key domains, PINs and configuration.

mod authentication_keys;
mod device_key;
mod domains;
pub(crate) mod files;
mod key_id;
mod keys;
mod pins;
mod quota;
mod tracked;

pub use authentication_keys::{AuthenticationKey, AuthenticationKeys};
pub use device_key::DeviceKey;
pub use domains::{KekSource, KeyDomain, KeyDomains};
pub use files::{Fid, File, Files};
pub use key_id::KeyId;
pub use keys::Key;
pub(crate) use keys::{KeyAttributes, Keys};
pub use pins::{Pin, Pins, SetTriesError};
pub use quota::Quota;
pub(crate) use quota::refill_token;
pub(crate) use tracked::{Part, TrackedState};

use alloc::string::String;
use alloc::vec::Vec;
use vschsm_protocol::scp02::IssuerKeys;

/// Everything the card keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The device key and its name; an update of the firmware makes a new key.
    pub(crate) device: DeviceKey,
    pub(crate) issuer_keys: IssuerKeys,
    /// The firmwares before updates, the latest last.
    pub(crate) previous: Vec<PreviousFirmware>,
    /// How many random streams of a fixed seed this card has begun.
    pub(crate) streams: u64,
    pub(crate) configuration: Configuration,
    pub(crate) pins: Pins,
    pub(crate) domains: KeyDomains,
    pub(crate) files: Files,
    pub(crate) keys: Keys,
}

/// The firmware and the device certificate of a card before an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviousFirmware {
    /// The name of the firmware.
    pub firmware: String,
    /// The device certificate, a CVC, for a device key that no longer exists.
    pub certificate: Vec<u8>,
}

impl PreviousFirmware {
    /// How many of them a card remembers.
    pub(crate) const MOST: usize = 16;
}

/// What INITIALIZE DEVICE sets beside PINs and key domains. The default is a card never
/// initialised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Tag 80: option flags.
    pub options: Options,
    /// Tag 93: public keys that authenticate the user.
    pub authentication_keys: Option<AuthenticationKeys>,
}

/// Option flags, as in tag 80 of INITIALIZE DEVICE and the first two bytes of tag 85 in the FCI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options(pub u16);

impl Options {
    /// RESET RETRY COUNTER is allowed.
    pub const RESET_RETRY_COUNTER: Self = Self(0x0001);
    /// The user PIN must be changed before it can be used.
    pub const TRANSPORT_PIN: Self = Self(0x0002);
    /// GENERATE SESSION PIN is allowed.
    pub const SESSION_PIN: Self = Self(0x0004);
    /// Keys that authenticate the user may be replaced by others.
    pub const REPLACE_AUTHENTICATION_KEYS: Self = Self(0x0008);
    /// The user needs the PIN as well as keys; otherwise either will do.
    pub const PIN_AND_KEYS: Self = Self(0x0010);
    /// RESET RETRY COUNTER may not set a new PIN.
    pub const NO_PIN_RESET: Self = Self(0x0020);

    /// Whether every flag of `flags` is set.
    #[must_use]
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These options without those of `flags`.
    #[must_use]
    pub(crate) fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }
}

impl Configuration {
    /// The memory that the registered keys take, in bytes.
    fn used(&self) -> usize {
        let keys = self.authentication_keys.iter().flat_map(|keys| keys.slots().iter().flatten());
        keys.map(AuthenticationKey::size).sum()
    }
}

impl State {
    /// The device key and its name.
    #[must_use]
    pub fn device(&self) -> &DeviceKey {
        &self.device
    }

    /// The version of the issuer's keys, 1 to 127.
    #[must_use]
    pub fn issuer_key_version(&self) -> u8 {
        self.issuer_keys.version()
    }

    /// How many channels of the card manager the issuer's keys have opened.
    #[must_use]
    pub fn issuer_key_sequence(&self) -> u16 {
        self.issuer_keys.sequence()
    }

    /// The firmwares that the card had before updates, the latest last; up to 16.
    #[must_use]
    pub fn previous_firmwares(&self) -> &[PreviousFirmware] {
        &self.previous
    }

    /// What INITIALIZE DEVICE has set.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The user PIN and the SO-PIN.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// The key domains.
    #[must_use]
    pub fn domains(&self) -> &KeyDomains {
        &self.domains
    }

    /// The files, in creation order.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The keys but for the device key, by id.
    pub fn keys(&self) -> impl Iterator<Item = (KeyId, &Key)> {
        self.keys.iter()
    }

    /// How many uses of one of the card's keys are left, if they are counted: a key that shares the
    /// quota of another one has as many as that.
    #[must_use]
    pub fn uses_left(&self, key: &Key) -> Option<u32> {
        self.keys.uses_left(key)
    }

    /// Memory in use, in bytes.
    ///
    /// Everything counts that a host can store, so that the size of the image is limited: a file, a
    /// public key for authentication or refills, and a key domain count with their size in bytes,
    /// and any other key with one byte per bit. That makes 76 kB hold what the Nitrokey HSM 2 FAQ
    /// says, 300 keys of 256 bits (EC or AES), 150 of 521, 38 of RSA 2048 or 19 of RSA 4096. All
    /// other sizes, AES 128 among them, are derived from that. That the FAQ counts keys alone,
    /// without requests and descriptions, which are files here, is a guess; its numbers for the
    /// first Nitrokey HSM, 20 keys of RSA 2048 or 31 of 256 bits, do not have this proportion.
    ///
    /// Objects of a fixed size do not count: device key and certificates, PINs, the issuer's keys,
    /// and the firmwares before updates, so that a card after an update has as much memory as one
    /// as delivered.
    #[must_use]
    pub fn used(&self) -> usize {
        let keys = self.keys.iter().map(|(_, key)| key.used());
        let files = self.files.iter().filter(|file| file.fid() != Fid::DEVICE_CERTIFICATES);
        let files = files.map(|file| file.content().len());
        let domains = self.domains.iter().map(|(_, domain)| KeyDomains::used_by(domain));
        keys.chain(files).chain(domains).sum::<usize>() + self.configuration.used()
    }
}
