//! What the firmwares of the card have, as the documents of the vendor and of clients say it: not
//! read from the files in `firmware/`, which the card reads.

use vschsm_card::profile::{BUILT_IN, EXTENSIONS};

/// A firmware of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Firmware {
    pub(crate) name: &'static str,
    /// Ten times the major version, and the minor one.
    number: u8,
}

/// What becomes of the login when secure messaging ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    Stays,
    Ends,
    EndsUnlessKept,
}

impl Firmware {
    /// All that are built in, oldest first, and our extensions. The names are all that is taken
    /// from the card: what a firmware of that name does stands below, of one that comes later as of
    /// the one before it.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let names = BUILT_IN.iter().chain(EXTENSIONS).map(|(name, _)| *name);
        names.map(|name| {
            let version = name.split('+').next().unwrap_or(name);
            let digits = version.split_once('.').and_then(|(major, minor)| {
                Some(10 * major.parse::<u8>().ok()? + minor.parse::<u8>().ok()?)
            });
            Self { name, number: digits.expect("a firmware is called by its version") }
        })
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::all().find(|firmware| firmware.name == name)
    }

    pub(crate) fn version(self) -> [u8; 2] {
        [self.number / 10, self.number % 10]
    }

    /// Option flags, certificates of other cards, keys with attributes.
    pub(crate) fn is_from_2(self) -> bool {
        self.number >= 20
    }

    /// AES, key domains, large keys.
    pub(crate) fn is_from_3(self) -> bool {
        self.number >= 30
    }

    /// Our extension: use counters that somebody refills.
    pub(crate) fn has_quotas(self) -> bool {
        self.name == "3.4+quota"
    }

    /// Whether it has the instruction at all.
    pub(crate) fn has(self, ins: u8) -> bool {
        match ins {
            0x20 | 0x22 | 0x24 | 0x2C | 0x46 | 0x50 | 0x52 | 0x58 | 0x62 | 0x68 | 0x72 | 0x74
            | 0x84 | 0x86 | 0xA4 | 0xB1 | 0xD7 | 0xE4 => true,
            0x2A | 0x54 | 0x5A | 0x82 => self.is_from_2(),
            0x48 | 0x76 | 0x78 => self.is_from_3(),
            0x3E => self.has_quotas(),
            _ => false,
        }
    }

    /// Whether it refuses an instruction in class 00, which is for ISO's.
    pub(crate) fn wants_class_80(self, ins: u8) -> bool {
        let is_proprietary = matches!(ins, 0x3E | 0x50..=0x78);
        is_proprietary && self.is_from_2()
    }

    /// The longest command APDU.
    pub(crate) fn longest_command(self) -> usize {
        match self.number {
            ..=25 => 1462,
            26 | 27 => 1454,
            28..40 => 1232,
            _ => 1454,
        }
    }

    /// Free memory of an empty card, and the most that it reports.
    pub(crate) fn memory(self) -> [usize; 2] {
        [78_840, if self.is_from_3() { usize::MAX } else { 0x7FFF }]
    }

    /// Whether it returns free memory and version.
    pub(crate) fn tells_memory(self) -> bool {
        self.number >= 24
    }

    /// Which hardware it is for: an update stays on it.
    pub(crate) fn hardware(self) -> u8 {
        match self.number {
            ..=25 => 0,
            26 | 27 => 1,
            28..40 => 2,
            _ => 3,
        }
    }

    /// What it says of its platform, before the version: of JCOP 4 not what it says of others.
    pub(crate) fn platform(self) -> u8 {
        if self.number >= 40 { 0x04 } else { 0x00 }
    }

    /// The tags of INITIALIZE DEVICE; it passes over others.
    pub(crate) fn initialises_by(self, tag: u16) -> bool {
        match tag {
            0x81 | 0x82 | 0x91 | 0x92 => true,
            0x80 | 0x93 => self.is_from_2(),
            0x97 => self.is_from_3(),
            _ => false,
        }
    }

    /// The tags of key attributes; it ignores others.
    pub(crate) fn limits_by(self, tag: u16) -> bool {
        match tag {
            0x90 | 0x91 => self.is_from_2(),
            0x92 => self.is_from_3(),
            _ => false,
        }
    }

    pub(crate) fn has_rsa(self, bits: usize) -> bool {
        [1024, 1536, 2048].contains(&bits) || self.is_from_3() && [3072, 4096].contains(&bits)
    }

    pub(crate) fn has_curve(self, bits: usize) -> bool {
        (160..=if self.is_from_3() { 521 } else { 320 }).contains(&bits)
    }

    pub(crate) fn has_algorithm(self, id: u8) -> bool {
        match id {
            0x20..=0x23 | 0x30 | 0x31 | 0x33 | 0x41 | 0x43 | 0x70..=0x73 | 0x80 => true,
            0x40 => self.is_from_2(),
            0x83 => self.number >= 21,
            0x10 | 0x11 | 0x18 | 0x34 | 0x35 | 0x74 | 0x75 | 0x84 | 0x98 | 0x99 => self.is_from_3(),
            0x44 | 0x45 => self.number >= 40,
            _ => false,
        }
    }

    /// Whether its ECDSA signatures on curves of so many bits are all of one length.
    pub(crate) fn keeps_zeros(self, bits: usize) -> bool {
        (30..40).contains(&self.number) && bits > 512
    }

    pub(crate) fn login_after_channel(self) -> Login {
        match self.number {
            ..20 => Login::Stays,
            20 => Login::Ends,
            _ => Login::EndsUnlessKept,
        }
    }

    /// The options of a card that was initialised without any.
    pub(crate) fn default_options(self) -> u16 {
        u16::from(!self.is_from_2())
    }

    /// What VERIFY says of a user PIN that there is not.
    pub(crate) fn no_user_pin(self) -> u16 {
        if self.is_from_2() { 0x6A88 } else { 0x6984 }
    }

    /// What VERIFY says of a biometric template.
    pub(crate) fn no_template(self) -> u16 {
        if self.is_from_3() { 0x6A88 } else { 0x6A86 }
    }

    /// Whether nothing but initialisation changes the length of the user PIN.
    pub(crate) fn keeps_pin_length(self) -> bool {
        self.number <= 12
    }

    /// The one that exports keys with a list and cannot import them.
    pub(crate) fn has_import_bug(self) -> bool {
        self.number == 31
    }

    /// What its card manager says of an instruction of the applet.
    pub(crate) fn unknown_to_card_manager(self) -> u16 {
        if self.is_from_3() { 0x6D00 } else { 0x6E00 }
    }

    /// What it says of a blob of another DKEK.
    pub(crate) fn other_dkek(self) -> u16 {
        if self.is_from_3() { 0x6A88 } else { 0x6A80 }
    }

    /// Those whose AES keys are weak.
    pub(crate) fn has_weak_aes(self) -> bool {
        matches!(self.number, 31 | 32)
    }

    /// The one that returns no state of public key authentication beside key exchange.
    pub(crate) fn has_state_bug(self) -> bool {
        self.number == 35
    }

    /// Whether the challenge of its card manager can be computed.
    pub(crate) fn has_computed_challenge(self) -> bool {
        self.is_from_3()
    }
}
