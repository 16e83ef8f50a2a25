//! The readers of a running program, whichever way clients reach them.

pub(crate) mod announcement;
pub(crate) mod pcsc;
mod served;
pub(crate) mod unsaved;
pub(crate) mod vpcd;
pub(crate) mod watch;

use crate::card::layer::Layer;
use crate::card::shared::Shared;
use crate::card::slot::Slot;
use crate::text::failure::Failure;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

pub(crate) use served::{News, Report};

/// Readers whose cards come and go.
///
/// A reader is known by its number, which no other has while it is there.
pub(crate) trait Readers: Send + Sync {
    /// All of them, by number.
    fn list(&self) -> Vec<Reader>;

    /// Puts a card into that reader, or into another one: the number of its reader. The error is a
    /// sentence.
    fn insert(&self, number: Option<usize>, card: Shared) -> Result<usize, String>;

    /// Takes the card out of a reader, if there is one; clients see it go. It may still be working.
    fn take_out(&self, number: usize);

    /// Takes a reader away, with the card in it.
    fn unplug(&self, number: usize);

    /// Resets the card in a reader; false if there is none.
    fn reset(&self, number: usize) -> bool;

    /// Waits until no card works, and lets none begin again before the process ends.
    fn close(&self);
}

/// Held by who exchanges cards: one after the other.
pub(crate) type Turn = Arc<Mutex<()>>;

/// A reader.
pub(crate) struct Reader {
    pub(crate) number: usize,
    /// What clients call it, as far as that is known.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) card: Option<Shared>,
}

/// Takes a card out, does something with it, and puts it in again: who has asked the card that was
/// out gets no answer of the one that is in. The error is a sentence.
pub(crate) fn power_cycle(
    readers: &dyn Readers,
    reader: &Reader,
    work: impl FnOnce(&mut Slot) -> Result<(), Failure>,
) -> Result<(), String> {
    let card = reader.card.as_ref().ok_or_else(|| no_card(reader))?;
    readers.take_out(reader.number);
    let mut slot = card.take().ok_or_else(|| no_card(reader))?;
    slot.reset("power off");
    let done = work(&mut slot);
    readers.insert(Some(reader.number), Shared::new(slot))?;
    done.map_err(|failure| failure.to_string())
}

/// Why nothing can be done with the card in a reader, in a sentence.
pub(crate) fn no_card(reader: &Reader) -> String {
    format!("there is no card in reader {}", reader.number)
}

/// How somebody names a reader.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Which {
    /// By its number.
    Number(usize),
    /// By its name, or a part of it that no other has.
    Name(String),
}

impl From<&str> for Which {
    fn from(text: &str) -> Self {
        match text.parse::<usize>() {
            // More digits, or a zero in front, are part of a serial number.
            Ok(number) if number < 10_000 && number.to_string() == text => Self::Number(number),
            _ => Self::Name(text.into()),
        }
    }
}

/// The reader that is meant: the only one if none is named. The error is a sentence.
pub(crate) fn find(readers: &dyn Readers, which: Option<&Which>) -> Result<Reader, String> {
    let mut all = readers.list();
    let count = all.len();
    match which {
        None => {}
        Some(Which::Number(number)) => all.retain(|reader| reader.number == *number),
        Some(Which::Name(name)) => {
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
