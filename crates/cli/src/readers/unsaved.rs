//! Cards that could not be saved: out of their readers until they are.
//!
//! A card that cannot be saved gives no response (see `card/persistent.rs`), and its reader is
//! empty from then on, as if somebody had taken it out. Saving is tried again, sooner at first, and
//! when it works the card is put back, as it is now. Meanwhile it is still the reader's own: it is
//! listed, and can be removed for good.

use crate::card::shared::Shared;
use crate::card::slot::Slot;
use crate::readers::{Reader, Readers, Turn, power_cycle};
use crate::text::failure::Failure;
use crate::text::output;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

/// How long until saving is tried again: as long as this at first, and twice as long each time.
const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(2);

/// A card that could not be saved, and why.
pub(crate) struct Unsaved {
    pub(crate) card: Shared,
    pub(crate) why: Failure,
}

/// Brings back the cards that could not be saved, as soon as they can be.
pub(crate) fn bring_back(
    readers: Arc<dyn Readers>,
    turn: Turn,
    unsaved: Receiver<Unsaved>,
) -> Result<(), Failure> {
    let thread = thread::Builder::new().spawn(move || attend(&*readers, &turn, &unsaved));
    thread
        .map(drop)
        .map_err(|error| Failure::because("no thread that looks after the cards' files", error))
}

fn attend(readers: &dyn Readers, turn: &Turn, unsaved: &Receiver<Unsaved>) {
    let (mut waiting, mut pause) = (Vec::new(), SOONEST);
    loop {
        let limit = if waiting.is_empty() { Duration::MAX } else { pause };
        match unsaved.recv_timeout(limit) {
            Ok(Unsaved { card, why }) => {
                output::warn(format_args!(
                    "{why}; the card has not answered and is out of its reader until it is saved"
                ));
                waiting.push((card, why.to_string()));
                pause = SOONEST;
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain_mut(|(card, why)| !is_settled(readers, card, why));
        pause = LATEST.min(pause * 2);
    }
}

/// Tries again to save a card, and puts it back; whether nothing is left to be done for it.
fn is_settled(readers: &dyn Readers, card: &Shared, why: &mut String) -> bool {
    let is_its = |reader: &Reader| reader.card.as_ref().is_some_and(|here| here.is(card));
    let Some(reader) = readers.list().into_iter().find(is_its) else {
        // Somebody has taken it away.
        return true;
    };
    match card.with(Slot::save) {
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
                Ok(()) => output::warn(format_args!("{what} is saved, and the card is back")),
                Err(sentence) => output::warn(format_args!("{what} is saved, but {sentence}")),
            }
            true
        }
    }
}

/// Tries a last time, at the end of the program, to save what is not saved yet.
pub(crate) fn settle(readers: &dyn Readers) -> Result<(), Failure> {
    let cards = readers.list().into_iter().filter_map(|reader| reader.card);
    let mut settled = Ok(());
    for card in cards.filter(Shared::is_unsaved) {
        if let Some(Err(failure)) = card.with(Slot::save) {
            settled = Err(Failure::because("a command without an answer is lost", failure));
        }
    }
    settled
}
