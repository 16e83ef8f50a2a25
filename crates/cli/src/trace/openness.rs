//! What a trace may show as it came. Whatever is not in these lists, a command that comes to the
//! card later among it, is told by its length alone.

use super::{redacted, shown};
use crate::text::words;
use card::apdu::Command;

/// What may be shown of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Data,
    Response,
    Both,
}

/// A row: instruction byte, P2 where it matters, and what is open.
type Row = (u8, Option<u8>, Open);

/// Commands of the applet. Of files and structured data, PINs among it, their own descriptions show
/// what they name and no more.
const APPLET: &[Row] = &[
    (0x22, None, Open::Data),
    // Certificates, requests and signatures of custodians.
    (0x2A, None, Open::Data),
    (0x46, None, Open::Response),
    (0x50, None, Open::Response),
    (0x52, None, Open::Response),
    (0x54, None, Open::Both),
    (0x58, None, Open::Response),
    // Cryptograms and public points; the response is plaintext or a shared secret.
    (0x62, None, Open::Data),
    (0x68, None, Open::Both),
    // Wrapped keys.
    (0x72, None, Open::Response),
    (0x74, None, Open::Data),
    // Cryptograms, and the label that a key is derived with. What a host has encrypted or makes a
    // CMAC of is as secret as what it has decrypted, and a CMAC is often made into a key.
    (0x78, Some(0x10), Open::Response),
    (0x78, Some(0x11), Open::Data),
    (0x78, Some(0x99), Open::Data),
    (0x82, None, Open::Data),
    (0x84, None, Open::Response),
    (0x86, None, Open::Both),
    (0xA4, None, Open::Both),
    (0xB1, None, Open::Response),
    (0xE4, None, Open::Data),
];

/// Commands of the card's issuer; keys are encrypted, and nobody's business nevertheless.
const CARD_MANAGER: &[Row] = &[
    (0x50, None, Open::Both),
    (0x82, None, Open::Both),
    (0xCA, None, Open::Both),
    (0xE4, None, Open::Both),
    (0xE6, None, Open::Both),
    (0xE8, None, Open::Both),
    (0xF2, None, Open::Both),
];

/// The application that a command goes to, of which there is a list.
#[derive(Clone, Copy)]
pub(super) enum Application {
    Applet,
    CardManager,
}

impl Application {
    fn open(self, command: &Command) -> Option<Open> {
        let rows = match self {
            Self::Applet => APPLET,
            Self::CardManager => CARD_MANAGER,
        };
        let of_command =
            |(ins, p2, _): &&Row| *ins == command.ins && p2.is_none_or(|p2| p2 == command.p2);
        rows.iter().find(of_command).map(|(_, _, open)| *open)
    }

    /// Whether the response may be shown.
    pub(super) fn responds_openly(self, command: &Command) -> bool {
        matches!(self.open(command), Some(Open::Response | Open::Both))
    }

    /// What is to be said of a command, and its data, if it has any.
    pub(super) fn with_data(self, what: &str, command: &Command) -> String {
        let is_open = matches!(self.open(command), Some(Open::Data | Open::Both));
        match (what, command.data.as_slice()) {
            (_, []) => what.into(),
            ("", data) if is_open => shown(data),
            ("", data) => redacted(data),
            (_, data) if is_open => format!("{what}, {}", shown(data)),
            (_, data) => format!("{what} ({}, redacted)", words::count(data.len(), "byte")),
        }
    }
}
