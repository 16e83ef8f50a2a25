//! Why a text is not a firmware's file.

use alloc::format;
use alloc::string::String;
use core::fmt;
use toml::de::DeTable;

/// Why a text is not a firmware profile: one sentence, with the line if it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError(pub(super) String);

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ProfileError {}

impl ProfileError {
    /// `reason`, and the line of that place in the file, if it is known.
    pub(super) fn at(source: &str, place: Option<usize>, reason: &str) -> Self {
        let before = place.and_then(|place| source.get(..place));
        Self(match before {
            Some(before) => format!("line {}: {reason}", 1 + before.matches('\n').count()),
            None => reason.into(),
        })
    }
}

/// An entry of a file that this card does not support.
pub(super) struct InvalidEntry {
    key: &'static str,
    reason: String,
}

impl InvalidEntry {
    /// `reason` goes on from the key, as in "is above 5".
    pub(super) fn of(key: &'static str, reason: String) -> Self {
        Self { key, reason }
    }

    /// A value of a list that the card does not have.
    pub(super) fn unknown(key: &'static str, value: impl fmt::Display) -> Self {
        Self::of(key, format!("has \"{value}\", which this card does not support"))
    }

    pub(super) fn in_file(self, source: &str) -> ProfileError {
        let Self { key, reason } = self;
        let table = DeTable::parse(source).ok();
        let place = table.and_then(|table| {
            let behaviours =
                table.get_ref().get("behaviour").and_then(|it| it.get_ref().as_table());
            let mut keys =
                table.get_ref().keys().chain(behaviours.into_iter().flat_map(|it| it.keys()));
            keys.find(|found| found.get_ref() == key).map(|found| found.span().start)
        });
        ProfileError::at(source, place, &format!("{key} {reason}"))
    }
}
