//! A firmware's file: its lines, and their limits.

use super::behaviour::{Behaviour, Restriction};
use super::curves::CurvesLine;
use super::error::{InvalidEntry, ProfileError};
use crate::hex::Hex;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};
use vschsm_protocol::apdu::Status;
use vschsm_protocol::secure_messaging::Protocol;

/// The longest name, platform or date, in characters.
const LONGEST_TEXT: usize = 64;

/// The allowed lengths of the longest command, in bytes. Every short command fits, so that a card
/// can be selected, used and updated; and the data of the longest command, a name in a certificate
/// request for instance, fits a file and a data object.
const COMMANDS: RangeInclusive<usize> = 261..=0x8000;

/// The most memory, in bytes: the image of a card that is full stays well below the 16 MiB that a
/// card's file may have.
const MOST_MEMORY: usize = 4 << 20;

/// How many bytes an answer to reset has. Source: ISO 7816-3, section 8.2.
const ATR: RangeInclusive<usize> = 2..=33;

/// A protocol of secure messaging, as the file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum ProtocolName {
    #[serde(rename = "3DES")]
    TripleDes,
    #[serde(rename = "AES-128")]
    Aes,
}

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::TripleDes => Self::TripleDes,
            ProtocolName::Aes => Self::Aes,
        }
    }
}

/// The status words that say that a command has failed, or a PIN is not verified.
/// Source: ISO 7816-4, section 5.1.3.
const ERRORS: RangeInclusive<u16> = 0x6200..=0x6FFF;

/// How an answer to reset begins, TS. Source: ISO 7816-3, section 8.1.
const TS: [u8; 2] = [0x3B, 0x3F];

/// A file. Fields with a default are newer than the first images with a user's file, which must
/// always load; the default is what every card did before.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ProfileFile {
    pub(super) name: String,
    pub(super) version: (u8, u8),
    #[serde(default)]
    pub(super) known_since: String,
    pub(super) platform: String,
    pub(super) platform_id: u8,
    pub(super) atr: Hex<Vec<u8>>,
    pub(super) max_command: usize,
    pub(super) memory: usize,
    pub(super) memory_reported_at_most: u32,
    #[serde(default = "has")]
    pub(super) options_in_fci: bool,
    pub(super) key_metadata_in_fci: bool,
    pub(super) instructions: Vec<String>,
    pub(super) initialize: Vec<u8>,
    #[serde(default)]
    pub(super) default_options: u16,
    #[serde(default)]
    pub(super) secure_messaging: Vec<ProtocolName>,
    #[serde(default = "random_challenge")]
    pub(super) scp02: u8,
    pub(super) key_limits: Vec<u8>,
    pub(super) rsa: Vec<usize>,
    pub(super) curves: CurvesLine,
    pub(super) algorithms: Vec<u8>,
    #[serde(default)]
    pub(super) behaviour: Behaviour,
    pub(super) refuse: BTreeMap<Restriction, Hex<Status>>,
}

fn has() -> bool {
    true
}

fn random_challenge() -> u8 {
    0x15
}

impl ProfileFile {
    /// The lines of a file, whatever they say.
    pub(super) fn read(source: &str) -> Result<Self, ProfileError> {
        let invalid = |error: toml::de::Error| {
            let place = error.span().map(|span| span.start);
            ProfileError::at(source, place, error.message())
        };
        let mut table = DeTable::parse(source).map_err(invalid)?;
        into_behaviour(source, table.get_mut())?;
        Self::deserialize(Deserializer::from(table)).map_err(invalid)
    }

    /// Refuses values that are not supported, or would make a card unusable.
    pub(super) fn check(&self) -> Result<(), InvalidEntry> {
        for (key, text) in
            [("name", &self.name), ("known-since", &self.known_since), ("platform", &self.platform)]
        {
            if printable(text) != *text {
                let allowed = format!("up to {LONGEST_TEXT} characters without control characters");
                return Err(InvalidEntry::of(key, format!("is not a text of {allowed}")));
            }
        }
        let Hex(atr) = &self.atr;
        if !ATR.contains(&atr.len()) || !atr.first().is_some_and(|first| TS.contains(first)) {
            let allowed =
                format!("{} to {} bytes that begin with 3B or 3F", ATR.start(), ATR.end());
            return Err(InvalidEntry::of("atr", format!("is not {allowed}")));
        }
        if !COMMANDS.contains(&self.max_command) {
            let (least, most) = (COMMANDS.start(), COMMANDS.end());
            return Err(InvalidEntry::of("max-command", format!("is not {least} to {most} bytes")));
        }
        if self.memory > MOST_MEMORY {
            return Err(InvalidEntry::of("memory", format!("is above {MOST_MEMORY} bytes")));
        }
        let words = self.refuse.values().map(|Hex(word)| ("refuse", *word));
        let mut words = words.chain(self.behaviour.errors());
        match words.find(|(_, word)| !ERRORS.contains(&word.0)) {
            Some((key, word)) => {
                Err(InvalidEntry::of(key, format!("has {word:?}, which is not an error")))
            }
            None => Ok(()),
        }
    }

    /// Replaces values that [`check`](Self::check) refuses by the nearest allowed ones: there are
    /// images with such files, and they must always load.
    pub(super) fn correct(&mut self) {
        for text in [&mut self.name, &mut self.known_since, &mut self.platform] {
            *text = printable(text);
        }
        let Hex(atr) = &mut self.atr;
        atr.truncate(*ATR.end());
        if !ATR.contains(&atr.len()) {
            // No interface bytes, no historical ones.
            *atr = [0x3B, 0x00].into();
        }
        self.max_command = self.max_command.clamp(*COMMANDS.start(), *COMMANDS.end());
        self.memory = self.memory.min(MOST_MEMORY);
    }
}

/// Moves lines from before all tables into the table of behaviours, where they are today: files and
/// images with them must always load.
fn into_behaviour(source: &str, table: &mut DeTable<'_>) -> Result<(), ProfileError> {
    for key in Behaviour::FORMERLY_OUTSIDE {
        let Some((key, value)) = table.remove_entry(key) else { continue };
        let place = key.span();
        let behaviours = table
            .entry(Spanned::new(place.clone(), "behaviour".into()))
            .or_insert_with(|| Spanned::new(place.clone(), DeValue::Table(DeTable::new())));
        // If it is not a table, parsing reports that.
        let DeValue::Table(behaviours) = behaviours.get_mut() else { return Ok(()) };
        let name = key.get_ref().as_ref();
        if behaviours.contains_key(name) {
            let reason = format!("{name} is in [behaviour] as well: keep the one there");
            return Err(ProfileError::at(source, Some(place.start), &reason));
        }
        behaviours.insert(key, value);
    }
    Ok(())
}

/// The allowed part of a text in a firmware's file, with a mark in place of each control character.
pub(crate) fn printable(text: &str) -> String {
    let mark = |character: char| {
        if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }
    };
    text.chars().take(LONGEST_TEXT).map(mark).collect()
}
