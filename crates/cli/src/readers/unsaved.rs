//! Unsaved cards: out of their readers until they can be saved.
//!
//! A card that cannot be saved gives no response (see `card/persistent.rs`), and its reader is
//! empty from then on, as if the card had been removed. Saving is retried, at growing intervals,
//! and when it succeeds the card is inserted again, as it is then. Meanwhile it still belongs to
//! the reader: it is listed, and can be removed for good.

use crate::card::shared::SharedCard;
use crate::card::virtual_card::VirtualCard;
use crate::readers::{ChangeLock, ReaderEntry, Readers, power_cycle};
use crate::text::failure::Failure;
use crate::text::output;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

/// The interval until saving is retried: the shortest at first, doubled each time.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// A card that could not be saved, and why.
pub(crate) struct UnsavedCard {
    pub(crate) card: SharedCard,
    pub(crate) why: Failure,
}

/// Retries to save cards, in a thread, and inserts them again.
pub(crate) fn retry(
    readers: Arc<dyn Readers>,
    change_lock: ChangeLock,
    unsaved: Receiver<UnsavedCard>,
) -> Result<(), Failure> {
    let thread =
        thread::Builder::new().spawn(move || retry_until_saved(&*readers, &change_lock, &unsaved));
    thread
        .map(drop)
        .map_err(|error| Failure::because("cannot start the thread that saves cards again", error))
}

fn retry_until_saved(
    readers: &dyn Readers,
    change_lock: &ChangeLock,
    unsaved: &Receiver<UnsavedCard>,
) {
    let (mut waiting, mut pause) = (Vec::new(), SHORTEST);
    loop {
        let limit = if waiting.is_empty() { Duration::MAX } else { pause };
        match unsaved.recv_timeout(limit) {
            Ok(UnsavedCard { card, why }) => {
                output::warn(format_args!(
                    "{why}; the card has not responded and is out of its reader until it is saved"
                ));
                waiting.push((card, why.to_string()));
                pause = SHORTEST;
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let _change = change_lock.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain_mut(|(card, why)| !is_settled(readers, card, why));
        pause = LONGEST.min(pause * 2);
    }
}

/// Retries to save a card, and inserts it again; whether nothing is left to do for it.
fn is_settled(readers: &dyn Readers, card: &SharedCard, why: &mut String) -> bool {
    let is_its = |reader: &ReaderEntry| reader.card.as_ref().is_some_and(|here| here.is(card));
    let Some(reader) = readers.list().into_iter().find(is_its) else {
        // It was removed for good.
        return true;
    };
    match card.with(VirtualCard::save) {
        None => true,
        Some(Err(failure)) => {
            let failure = failure.to_string();
            if *why != failure {
                output::warn(format_args!("{failure}; the card is still out of its reader"));
                *why = failure;
            }
            false
        }
        Some(Ok(())) => {
            let what = card.label().file.as_ref();
            let what = what.map_or("the card in memory".into(), |file| file.display().to_string());
            match power_cycle(readers, &reader, |_| Ok(())) {
                Ok(()) => output::warn(format_args!(
                    "{what} is saved, and the card is back in its reader"
                )),
                Err(sentence) => output::warn(format_args!("{what} is saved, but {sentence}")),
            }
            true
        }
    }
}

/// Retries a last time, at the end of the program, and ends all saving.
pub(crate) fn retry_last(readers: &dyn Readers) -> Result<(), Failure> {
    let mut saved = Ok(());
    for card in readers.list().into_iter().filter_map(|reader| reader.card) {
        let retried = if card.is_unsaved() { card.with(VirtualCard::save) } else { None };
        if let Some(Err(failure)) = retried {
            saved = Err(Failure::because("a command without a response is lost", failure));
        }
        card.end_compaction();
    }
    saved
}
