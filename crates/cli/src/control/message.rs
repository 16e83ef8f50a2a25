//! Requests to a running program, and its responses.

use crate::faults::{Effect, Script, When};
use crate::readers::ReaderName;
use crate::text::hex;
use crate::text::secret::Secret;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The longest line in bytes: that of an image, whose line feeds and quotation marks take two bytes
/// each.
pub(crate) const LONGEST: u64 = 2 * crate::store::disk::LONGEST;

/// A request. Readers are named by number or by name; a single reader need not be named.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum ControlRequest {
    /// Lists the readers.
    List,
    /// Inserts a card into an empty reader, or into a new one.
    Insert {
        reader: Option<ReaderName>,
        /// The card's file.
        file: Option<FilePath>,
        /// The content of a card's file: the card is in memory only.
        image: Option<Secret>,
        /// Begins the card's next random stream.
        seed: Option<Secret>,
        /// That of an encrypted file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<Secret>,
    },
    /// Removes the card from a reader.
    Remove { reader: Option<ReaderName> },
    /// Removes a reader with the card in it.
    Unplug { reader: Option<ReaderName> },
    /// Resets the card in a reader.
    Reset { reader: Option<ReaderName> },
    /// Removes the card and inserts it again.
    PowerCycle { reader: Option<ReaderName> },
    /// Gets the card's image.
    Snapshot { reader: Option<ReaderName> },
    /// Replaces the card by the one of an image, and power-cycles it.
    Restore { reader: Option<ReaderName>, image: Secret },
    /// Gets what is on the card.
    Show { reader: Option<ReaderName> },
    /// Sets retry counters.
    #[serde(rename_all = "kebab-case")]
    SetTries { reader: Option<ReaderName>, user_pin: Option<u8>, so_pin: Option<u8> },
    /// Replaces the card's faults.
    SetFaults { reader: Option<ReaderName>, faults: Script },
    /// Removes the card's faults.
    ClearFaults { reader: Option<ReaderName> },
    /// Lists the card's faults with their counts.
    Faults { reader: Option<ReaderName> },
}

/// A path: text, or `{"hex": "…"}` if it is not UTF-8.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "PathFormat", into = "PathFormat")]
pub(crate) struct FilePath(pub(crate) PathBuf);

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum PathFormat {
    Text(String),
    Bytes { hex: String },
}

impl From<FilePath> for PathFormat {
    fn from(FilePath(path): FilePath) -> Self {
        let bytes = path.into_os_string().into_vec();
        String::from_utf8(bytes)
            .map_or_else(|error| Self::Bytes { hex: hex::upper(error.as_bytes()) }, Self::Text)
    }
}

impl TryFrom<PathFormat> for FilePath {
    type Error = String;

    fn try_from(written: PathFormat) -> Result<Self, String> {
        Ok(Self(match written {
            PathFormat::Text(text) => text.into(),
            PathFormat::Bytes { hex } => OsString::from_vec(hex::parse(&hex)?).into(),
        }))
    }
}

impl ControlRequest {
    /// Whether the response has an image.
    pub(super) fn has_image_in_response(&self) -> bool {
        matches!(self, Self::Snapshot { .. })
    }
}

/// The response to a request that failed.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Refused {
    /// Why, in a sentence.
    pub(crate) error: String,
}

/// The response to a request without a result.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Done {}

/// The response to [`ControlRequest::List`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ReaderList {
    pub(crate) readers: Vec<ListedReader>,
}

/// A reader.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ListedReader {
    /// Its number.
    pub(crate) reader: usize,
    pub(crate) name: String,
    pub(crate) card: Option<ListedCard>,
}

/// The card in a reader.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ListedCard {
    pub(crate) serial: String,
    pub(crate) firmware: String,
    /// Absent if it is in memory only.
    pub(crate) file: Option<String>,
    /// The number of its faults.
    pub(crate) faults: usize,
    /// Whether it is out of its reader until it can be saved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unsaved: bool,
}

/// The response to [`ControlRequest::Insert`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Inserted {
    /// The number of the card's reader.
    pub(crate) reader: usize,
    pub(crate) name: String,
}

/// The response to [`ControlRequest::Snapshot`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Snapshot {
    /// The content of the card's file, decrypted.
    pub(crate) image: Secret,
    /// Whether the card's file is encrypted, so that its image should not be stored readable.
    #[serde(rename = "sealed", alias = "encrypted")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) encrypted: bool,
}

/// The response to [`ControlRequest::Faults`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct FaultList {
    pub(crate) seed: String,
    pub(crate) fault: Vec<ListedFault>,
}

/// A fault.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ListedFault {
    pub(crate) when: When,
    #[serde(rename = "do")]
    pub(crate) effect: Effect,
    /// The number of commands that it matches, whatever their count and probability.
    #[serde(rename = "fitting", alias = "matched")]
    pub(crate) matched: u64,
    /// The number of those that it was injected into.
    #[serde(rename = "struck", alias = "injected")]
    pub(crate) injected: u64,
}
