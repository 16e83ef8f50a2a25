//! The commands, declared once each: by which name and bytes a command is known, what it is about,
//! and what of its data and response others than the client may see.
//!
//! Whoever shows, alters or counts commands reads it here; `commands.rs` and `card_manager.rs` say
//! which function runs. A name is ISO 7816's, GlobalPlatform's or the vendor's; firmware files and
//! fault scripts use it.

/// A command of the applet or of the card manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Its name.
    pub name: &'static str,
    /// Its instruction byte.
    pub ins: u8,
    /// Where two commands share an instruction byte, the P2 of the first; the second takes every
    /// other P2.
    pub p2: Option<u8>,
    /// The class that clients send it with.
    pub class: Class,
    /// What P1 is the number of.
    pub p1: P1,
    /// What it leaves on the card when it succeeds.
    pub creates: Creates,
    /// What a use of it costs.
    pub spends: Spends,
    /// Who may see its data.
    pub data: DataClass,
    /// Who may see the data of its response.
    pub response: DataClass,
}

/// Whose command it is, and so the class that clients send it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// ISO 7816's: `00`, and `80` as well.
    Iso,
    /// The vendor's, or GlobalPlatform's: `80`, and where the firmware takes it `00`.
    Proprietary,
}

/// What P1 is the number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum P1 {
    /// A key: the one that is used, made, or wrapped.
    Key,
    /// Something else, or nothing.
    Other,
}

/// What a command that succeeds leaves on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creates {
    /// Nothing that a reset does not end.
    Nothing,
    /// A key, for which there must be memory.
    Key,
    /// A file or its content, for which there must be memory.
    File,
    /// Something else: PINs, options, key domains, who authenticates; or less than there was.
    Other,
}

/// What a use of a command costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spends {
    /// Nothing.
    Nothing,
    /// A try, if the PIN or the SO-PIN that it compares is wrong.
    Try,
    /// A use of the key, if its uses are counted.
    Use,
}

/// Who may see data: anybody who reads a trace, or nobody but card and client.
///
/// What is not known to be open is secret: data that a command should not have, and responses of
/// commands that have none, as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataClass {
    /// It is open.
    Open,
    /// It is secret: a PIN, a key, or what was encrypted with one.
    Secret,
    /// It is open where P2 is one of these.
    OpenWithP2(&'static [u8]),
    /// BER-TLV objects. Those with one of these tags are open; all others are secret.
    OpenObjects(&'static [u16]),
    /// It is the content of a file, or the place of that in tag 54 and the content in tag 53: open
    /// unless only the user may read the file.
    OfFile,
}

use DataClass::{OfFile, Open, OpenObjects, OpenWithP2, Secret};

/// What limits a key that is to be made, and the public key template; the private key of tag 8A is
/// none of them. 5F29, 42, 5F20 and 45: profile identifier and names.
const KEY_TEMPLATE: DataClass =
    OpenObjects(&[0x7F49, 0x90, 0x91, 0x92, 0x93, 0xB4, 0x5F29, 0x42, 0x5F20, 0x45]);

/// The commands of the SmartCard-HSM's applet.
pub const APPLET: &[Instruction] = &[
    iso(0x20, "VERIFY", Secret, Secret).spends(Spends::Try),
    iso(0x22, "MANAGE SECURITY ENVIRONMENT", Open, Secret),
    iso(0x24, "CHANGE REFERENCE DATA", Secret, Secret).creates(Creates::Other).spends(Spends::Try),
    iso(0x2A, "VERIFY CERTIFICATE", Open, Secret),
    iso(0x2C, "RESET RETRY COUNTER", Secret, Secret).creates(Creates::Other).spends(Spends::Try),
    // The statement; its signature is in tag 5F37.
    proprietary(0x3E, "REFILL QUOTA", OpenObjects(&[0xB4]), Secret)
        .of_key()
        .creates(Creates::Other),
    iso(0x46, "GENERATE ASYMMETRIC KEY PAIR", KEY_TEMPLATE, Open).of_key().creates(Creates::Key),
    iso(0x48, "GENERATE SYMMETRIC KEY", KEY_TEMPLATE, Secret).of_key().creates(Creates::Key),
    // Options, tries, DKEK shares, public keys, key domains; PINs are in tags 81 and 82.
    proprietary(0x50, "INITIALIZE DEVICE", OpenObjects(&[0x80, 0x91, 0x92, 0x93, 0x97]), Open)
        .creates(Creates::Other)
        .spends(Spends::Try),
    // The request of a key domain. A DKEK share is no object, and may look like any.
    proprietary(0x52, "MANAGE KEY DOMAIN", OpenObjects(&[0x7F21]), Open).creates(Creates::Other),
    proprietary(0x54, "MANAGE PUBLIC KEY AUTHENTICATION", Open, Open).creates(Creates::Other),
    proprietary(0x58, "ENUMERATE OBJECTS", Secret, Open),
    proprietary(0x5A, "GENERATE SESSION PIN", Secret, Secret),
    // Cryptograms and public points; the response is plaintext or a shared secret.
    proprietary(0x62, "DERIVE XKEK", Open, Secret)
        .with_p2(0x84)
        .of_key()
        .creates(Creates::Other)
        .spends(Spends::Use),
    proprietary(0x62, "DECIPHER", Open, Secret).of_key().spends(Spends::Use),
    proprietary(0x68, "SIGN", Open, Open).of_key().spends(Spends::Use),
    // Wrapped keys.
    proprietary(0x72, "WRAP KEY", Secret, Open).of_key(),
    proprietary(0x74, "UNWRAP KEY", Open, Secret).of_key().creates(Creates::Key),
    // The data is the offset between the two private keys: who has it and one key has the other.
    proprietary(0x76, "DERIVE EC KEY", Secret, Secret)
        .of_key()
        .creates(Creates::Key)
        .spends(Spends::Use),
    // Cryptograms, and the label that a key is derived with. What a host has encrypted or makes a
    // CMAC of is as secret as what it has decrypted, and a CMAC is often made into a key.
    proprietary(0x78, "CIPHER", OpenWithP2(&[0x11, 0x99]), OpenWithP2(&[0x10]))
        .of_key()
        .spends(Spends::Use),
    iso(0x82, "EXTERNAL AUTHENTICATE", Open, Secret),
    iso(0x84, "GET CHALLENGE", Secret, Open),
    iso(0x86, "GENERAL AUTHENTICATE", Open, Open),
    iso(0xA4, "SELECT", Open, Open),
    iso(0xB1, "READ BINARY", OfFile, OfFile),
    iso(0xD7, "UPDATE BINARY", OfFile, Secret).creates(Creates::File),
    iso(0xE4, "DELETE FILE", Open, Secret).creates(Creates::Other),
];

/// The commands of the card manager, with which an issuer replaces the applet.
pub const CARD_MANAGER: &[Instruction] = &[
    proprietary(0x50, "INITIALIZE UPDATE", Open, Open),
    // It counts the channel, so that no host opens the same one again.
    proprietary(0x82, "EXTERNAL AUTHENTICATE", Open, Open).creates(Creates::Other),
    proprietary(0xCA, "GET DATA", Open, Open),
    // Encrypted, and nobody's business nevertheless.
    proprietary(0xD8, "PUT KEY", Secret, Secret).creates(Creates::Other),
    proprietary(0xE4, "DELETE", Open, Open),
    proprietary(0xE6, "INSTALL", Open, Open).creates(Creates::Other),
    proprietary(0xE8, "LOAD", Open, Open),
    proprietary(0xF2, "GET STATUS", Open, Open),
];

/// A command of ISO 7816's: its data and response have to be classed, the rest is rare.
const fn iso(ins: u8, name: &'static str, data: DataClass, response: DataClass) -> Instruction {
    let (creates, spends) = (Creates::Nothing, Spends::Nothing);
    let class = Class::Iso;
    Instruction { name, ins, p2: None, class, p1: P1::Other, creates, spends, data, response }
}

/// Likewise one of the vendor's or of GlobalPlatform's.
const fn proprietary(
    ins: u8,
    name: &'static str,
    data: DataClass,
    response: DataClass,
) -> Instruction {
    Instruction { class: Class::Proprietary, ..iso(ins, name, data, response) }
}

impl Instruction {
    const fn with_p2(self, p2: u8) -> Self {
        Self { p2: Some(p2), ..self }
    }

    const fn of_key(self) -> Self {
        Self { p1: P1::Key, ..self }
    }

    const fn creates(self, creates: Creates) -> Self {
        Self { creates, ..self }
    }

    const fn spends(self, spends: Spends) -> Self {
        Self { spends, ..self }
    }

    /// The row of that name among `rows`. Without one a table of commands does not compile.
    pub const fn named(mut rows: &[Self], name: &str) -> Self {
        let mut found = None;
        while let ([row, rest @ ..], None) = (rows, found) {
            if is_same(row.name.as_bytes(), name.as_bytes()) {
                found = Some(*row);
            }
            rows = rest;
        }
        found.expect("a command of that name is declared")
    }

    /// Whether these bytes match this row; the first row that matches is the command.
    #[inline]
    #[must_use]
    pub fn matches(&self, ins: u8, p2: u8) -> bool {
        self.ins == ins && self.p2.is_none_or(|own| own == p2)
    }

    /// Whether it changes nothing that outlives a reset.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        (self.creates, self.spends) == (Creates::Nothing, Spends::Nothing)
    }
}

impl DataClass {
    /// Whether all of the data may be seen of a command with that P2.
    #[must_use]
    pub fn is_open(self, p2: u8) -> bool {
        match self {
            Self::Open => true,
            Self::OpenWithP2(open) => open.contains(&p2),
            Self::Secret | Self::OpenObjects(_) | Self::OfFile => false,
        }
    }

    /// Whether the value of an object with that tag may be seen; of a file's content that is for
    /// who knows the file to say.
    #[must_use]
    pub fn shows_object(self, tag: u16) -> bool {
        match self {
            Self::Open => true,
            Self::OpenObjects(open) => open.contains(&tag),
            Self::Secret | Self::OpenWithP2(_) | Self::OfFile => false,
        }
    }
}

const fn is_same(mut left: &[u8], mut right: &[u8]) -> bool {
    while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
        if *a != *b {
            return false;
        }
        (left, right) = (left_rest, right_rest);
    }
    left.is_empty() && right.is_empty()
}

/// The command among `rows`, which are [`APPLET`] or [`CARD_MANAGER`], that has these bytes.
#[must_use]
pub fn find(rows: &'static [Instruction], ins: u8, p2: u8) -> Option<&'static Instruction> {
    rows.iter().find(|row| row.matches(ins, p2))
}

/// The name of the command with these bytes among `rows`, as in [`find`].
#[must_use]
pub fn name(rows: &'static [Instruction], ins: u8, p2: u8) -> Option<&'static str> {
    find(rows, ins, p2).map(|row| row.name)
}

/// The instruction byte of a command of the applet's.
pub fn number(name: &str) -> Option<u8> {
    APPLET.iter().find(|row| row.name == name).map(|row| row.ins)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that another one before it hides is never found.
    #[test]
    fn every_row_is_found_by_its_bytes_and_by_its_name() {
        for rows in [APPLET, CARD_MANAGER] {
            for row in rows {
                assert_eq!(find(rows, row.ins, row.p2.unwrap_or(0xEE)), Some(row));
                assert_eq!(rows.iter().filter(|other| other.name == row.name).count(), 1);
                assert_eq!(Instruction::named(rows, row.name), *row);
            }
        }
    }
}
