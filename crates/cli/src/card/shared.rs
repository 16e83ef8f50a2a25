//! A slot that several threads reach: its reader, and who looks after the card meanwhile.

use crate::card::layer::{Layer, NoResponse};
use crate::card::slot::Slot;
use crate::faults::Script;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A card that its reader asks, and that others may look at, change or take away between two
/// commands. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

struct Inner {
    label: Label,
    slot: Mutex<Option<Slot>>,
    /// Something has changed that a late answer may wait for.
    changed: Condvar,
    /// How many faults the card has: known while it works.
    faults: AtomicUsize,
    /// No answer waits any more.
    hurried: AtomicBool,
    /// The card could not be saved: known while somebody tries again.
    unsaved: AtomicBool,
}

/// What can be read of a card while it works.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) serial: String,
    pub(crate) firmware: String,
    /// The file that keeps the card, symbolic links resolved; none if it is in memory only.
    pub(crate) file: Option<PathBuf>,
    /// What that was named by; it may stand for another file by now.
    pub(crate) name: Option<PathBuf>,
}

/// The slot, while nobody else reaches it.
type Guard<'a> = MutexGuard<'a, Option<Slot>>;

impl Shared {
    pub(crate) fn new(slot: Slot) -> Self {
        let card = slot.card();
        let label = Label {
            serial: String::from_utf8_lossy(card.state().device().serial()).into_owned(),
            firmware: card.profile().name().into(),
            file: slot.file().map(Path::to_path_buf),
            name: slot.name().map(Path::to_path_buf),
        };
        let faults = AtomicUsize::new(count(&slot));
        let (changed, hurried) = (Condvar::new(), AtomicBool::new(false));
        let (unsaved, slot) = (AtomicBool::new(slot.is_unsaved()), Mutex::new(Some(slot)));
        Self(Arc::new(Inner { label, slot, changed, faults, hurried, unsaved }))
    }

    /// What the card was when it came.
    pub(crate) fn label(&self) -> &Label {
        &self.0.label
    }

    /// Whether the card has been taken away, or could not go on. One that works is there.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.slot.try_lock().is_ok_and(|slot| slot.is_none())
    }

    /// Whether the card could not be saved, and is out of its reader until it is.
    pub(crate) fn is_unsaved(&self) -> bool {
        self.0.unsaved.load(Ordering::Relaxed)
    }

    /// Whether this is the same slot.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn lock(&self) -> Guard<'_> {
        self.0.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the card when it has done what it is doing; none if it is gone.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        self.lock().as_mut().map(work)
    }

    /// Takes the card away when it has done what it is doing: who still has it here asks nobody.
    /// Its file is free when it is dropped.
    pub(crate) fn take(&self) -> Option<Slot> {
        let slot = self.lock().take();
        self.0.changed.notify_all();
        slot
    }

    /// How many faults the card has.
    pub(crate) fn faults(&self) -> usize {
        self.0.faults.load(Ordering::Relaxed)
    }

    /// Lets this go wrong from here on, and nothing else; none if the card is gone. An answer that
    /// waits comes at once if nothing goes wrong any more.
    pub(crate) fn set_faults(&self, script: Script) -> Option<()> {
        let mut slot = self.lock();
        let faulty = slot.take()?.with_faults(script);
        self.0.faults.store(count(&faulty), Ordering::Relaxed);
        *slot = Some(faulty);
        self.0.changed.notify_all();
        Some(())
    }

    /// Lets no answer wait from here on: the program is at its end.
    pub(crate) fn hurry(&self) {
        let _nobody_begins_to_wait = self.lock();
        self.0.hurried.store(true, Ordering::Relaxed);
        self.0.changed.notify_all();
    }

    /// The card's answer to reset; empty if it is gone.
    pub(crate) fn atr(&self) -> Vec<u8> {
        self.with(|slot| slot.atr().to_vec()).unwrap_or_default()
    }

    /// Power on, power off or reset; `event` says which.
    pub(crate) fn reset(&self, event: &str) {
        self.with(|slot| slot.reset(event));
    }

    /// The response to one command APDU. A card that cannot go on is gone from here on, and one
    /// that could not be saved is asked no more.
    pub(crate) fn transmit(&self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse> {
        let mut slot = self.lock();
        let card = slot.as_mut().filter(|slot| !slot.is_unsaved());
        let Some(card) = card else { return Err(NoResponse::Removed) };
        let (response, delay) = catch_unwind(AssertUnwindSafe(|| {
            let response = card.transmit(apdu);
            (response, card.injected().map_or(Duration::ZERO, |injected| injected.delay))
        }))
        .unwrap_or_else(|_| (Err(NoResponse::defect()), Duration::ZERO));
        self.0.unsaved.store(card.is_unsaved(), Ordering::Relaxed);
        if !delay.is_zero() {
            slot = self.wait(slot, delay);
            if slot.is_none() {
                return Err(NoResponse::Removed);
            }
        }
        if let Err(NoResponse::Removed | NoResponse::Failed(_)) = response {
            *slot = None;
        }
        response
    }

    /// Waits for so long, or until there is no reason to. The card can be looked at and taken away
    /// meanwhile.
    fn wait<'a>(&self, slot: Guard<'a>, limit: Duration) -> Guard<'a> {
        let is_late = |slot: &mut Option<Slot>| {
            slot.as_ref().is_some_and(|slot| count(slot) > 0)
                && !self.0.hurried.load(Ordering::Relaxed)
        };
        let waited = self.0.changed.wait_timeout_while(slot, limit, is_late);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// How many faults a card has.
fn count(slot: &Slot) -> usize {
    slot.faults().map_or(0, |faults| faults.script().faults().len())
}
