//! The readers of a running program, by any transport.

pub(crate) mod announcement;
pub(crate) mod pcsc;
mod served;
pub(crate) mod unsaved;
pub(crate) mod vpcd;
pub(crate) mod watch;

use crate::card::layer::Layer;
use crate::card::shared::SharedCard;
use crate::card::virtual_card::VirtualCard;
use crate::text::failure::Failure;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

pub(crate) use served::{EventHandler, ReaderEvent};

/// Readers whose cards are inserted and removed.
///
/// A reader is identified by its number, which is unique while it is there.
pub(crate) trait Readers: Send + Sync {
    /// All of them, by number.
    fn list(&self) -> Vec<ReaderEntry>;

    /// Inserts a card into that reader, or into a new one, and returns the reader's number. The
    /// error is a sentence.
    fn insert(&self, number: Option<usize>, card: SharedCard) -> Result<usize, String>;

    /// Removes the card from a reader, if there is one, for all clients. It may still execute a
    /// command.
    fn remove(&self, number: usize);

    /// Removes a reader with the card in it.
    fn unplug(&self, number: usize);

    /// Resets the card in a reader; false if there is no card.
    fn reset(&self, number: usize) -> bool;

    /// Waits until all commands are executed, and starts no others before the process ends.
    fn close(&self);
}

/// Held while cards are inserted, removed or replaced: one change at a time.
pub(crate) type ChangeLock = Arc<Mutex<()>>;

/// A reader.
pub(crate) struct ReaderEntry {
    pub(crate) number: usize,
    /// Its name for clients, as far as that is known.
    pub(crate) name: String,
    /// The card in it.
    pub(crate) card: Option<SharedCard>,
}

/// Removes a card, works on it, and inserts it again: a client of the card that was removed gets no
/// response of the one that is inserted. The error is a sentence.
pub(crate) fn power_cycle(
    readers: &dyn Readers,
    reader: &ReaderEntry,
    work: impl FnOnce(&mut VirtualCard) -> Result<(), Failure>,
) -> Result<(), String> {
    let card = reader.card.as_ref().ok_or_else(|| no_card(reader))?;
    readers.remove(reader.number);
    let mut card = card.take().ok_or_else(|| no_card(reader))?;
    card.reset("power off");
    let done = work(&mut card);
    readers.insert(Some(reader.number), SharedCard::new(card))?;
    done.map_err(|failure| failure.to_string())
}

/// That there is no card in a reader, in a sentence.
pub(crate) fn no_card(reader: &ReaderEntry) -> String {
    format!("there is no card in reader {}", reader.number)
}

/// How a user names a reader.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum ReaderName {
    /// By its number.
    Number(usize),
    /// By its name, or a part of it that no other reader has.
    Name(String),
}

impl From<&str> for ReaderName {
    fn from(text: &str) -> Self {
        match text.parse::<usize>() {
            // More digits, or a zero in front, are part of a serial number.
            Ok(number) if number < 10_000 && number.to_string() == text => Self::Number(number),
            _ => Self::Name(text.into()),
        }
    }
}

/// The reader with that name, or the only one without a name. The error is a sentence.
pub(crate) fn find(
    readers: &dyn Readers,
    which: Option<&ReaderName>,
) -> Result<ReaderEntry, String> {
    let mut all = readers.list();
    let count = all.len();
    match which {
        None => {}
        Some(ReaderName::Number(number)) => all.retain(|reader| reader.number == *number),
        Some(ReaderName::Name(name)) => {
            let exact = all.iter().any(|reader| reader.name == *name);
            all.retain(|reader| reader.name == *name || !exact && reader.name.contains(name));
        }
    }
    match (all.pop(), all.len()) {
        (Some(reader), 0) => Ok(reader),
        (Some(_), _) => {
            Err(format!("which of the {count} readers? `vschsm ctl list` numbers them"))
        }
        (None, _) if count == 0 => Err("there is no reader".into()),
        (None, _) => Err("there is no such reader; `vschsm ctl list` numbers them".into()),
    }
}
