//! What can be asked of a running program, and what it answers.

use crate::faults::{Effect, Script, When};
use crate::readers::Which;
use crate::text::hex;
use crate::text::secret::Secret;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The longest line: that of an image, of which a line's end and a quotation mark take two bytes.
pub(crate) const LONGEST: u64 = 2 * crate::store::disk::LONGEST;

/// A request. Readers are named by number or by name; where there is only one, need not be.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// What readers there are.
    List,
    /// Puts a card into a reader that is there and empty, or into another one.
    Insert {
        reader: Option<Which>,
        /// Where the card is kept.
        file: Option<FilePath>,
        /// The content of a card's file: the card is in memory only.
        image: Option<Secret>,
        /// Begins the card's next random stream.
        seed: Option<Secret>,
        /// That of an encrypted file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<Secret>,
    },
    /// Takes the card out of a reader.
    Remove { reader: Option<Which> },
    /// Takes a reader away, with the card in it.
    Unplug { reader: Option<Which> },
    /// Resets the card in a reader.
    Reset { reader: Option<Which> },
    /// Takes the card out and puts it in again.
    PowerCycle { reader: Option<Which> },
    /// The card's image.
    Snapshot { reader: Option<Which> },
    /// Makes the card what an image says, and power-cycles it.
    Restore { reader: Option<Which>, image: Secret },
    /// What is on the card.
    Show { reader: Option<Which> },
    /// Sets retry counters.
    #[serde(rename_all = "kebab-case")]
    SetTries { reader: Option<Which>, user_pin: Option<u8>, so_pin: Option<u8> },
    /// Lets this go wrong with the card, and nothing else.
    SetFaults { reader: Option<Which>, faults: Script },
    /// Lets nothing go wrong any more.
    ClearFaults { reader: Option<Which> },
    /// What goes wrong, and how often it has.
    Faults { reader: Option<Which> },
}

/// A path: text, or `{"hex": "…"}` if it is none.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub(crate) struct FilePath(pub(crate) PathBuf);

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes { hex: String },
}

impl From<FilePath> for Written {
    fn from(FilePath(path): FilePath) -> Self {
        let bytes = path.into_os_string().into_vec();
        String::from_utf8(bytes)
            .map_or_else(|error| Self::Bytes { hex: hex::upper(error.as_bytes()) }, Self::Text)
    }
}

impl TryFrom<Written> for FilePath {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        Ok(Self(match written {
            Written::Text(text) => text.into(),
            Written::Bytes { hex } => OsString::from_vec(hex::parse(&hex)?).into(),
        }))
    }
}

impl Request {
    /// Whether the answer has an image.
    pub(super) fn has_image_in_answer(&self) -> bool {
        matches!(self, Self::Snapshot { .. })
    }
}

/// The answer to a request that was not done.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Refused {
    /// Why, in a sentence.
    pub(crate) error: String,
}

/// The answer to a request that asks for nothing.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Done {}

/// The answer to [`Request::List`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct List {
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
    /// None if it is in memory only.
    pub(crate) file: Option<String>,
    /// How many things go wrong with it on purpose.
    pub(crate) faults: usize,
    /// Whether it is out of its reader until it can be saved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unsaved: bool,
}

/// The answer to [`Request::Insert`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Inserted {
    /// The number of the card's reader.
    pub(crate) reader: usize,
    pub(crate) name: String,
}

/// The answer to [`Request::Snapshot`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Image {
    /// What a card's file would have, if it were not encrypted.
    pub(crate) image: Secret,
    /// Whether the card's file is, so that its image should not lie readable anywhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) sealed: bool,
}

/// The answer to [`Request::Faults`].
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
    /// How many commands it fits, whatever their count and the chance.
    pub(crate) fitting: u64,
    /// How many of them it has struck.
    pub(crate) struck: u64,
}
