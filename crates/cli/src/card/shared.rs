//! A virtual card that several threads use: that of its reader, and those that look at the card or
//! change it meanwhile.

use crate::card::layer::Layer;
use crate::card::virtual_card::VirtualCard;
use crate::faults::Script;
use crate::text::failure::TransmitError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A card that its reader uses, and that others may look at, change or remove between two commands.
/// Clones are the same card.
#[derive(Clone)]
pub(crate) struct SharedCard(Arc<Inner>);

struct Inner {
    label: Label,
    card: Mutex<Option<VirtualCard>>,
    /// Something has changed that a delayed response may wait for.
    changed: Condvar,
    /// The number of the card's faults: known while it executes a command.
    faults: AtomicUsize,
    /// Responses are not delayed any more.
    undelayed: AtomicBool,
    /// The card could not be saved: known while saving is retried.
    unsaved: AtomicBool,
    /// A thread is about to compact the card's file.
    compacting: AtomicBool,
}

/// What is known of a card while it executes a command.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) serial: String,
    pub(crate) firmware: String,
    /// The card's file, symbolic links resolved, if it is not in memory only.
    pub(crate) file: Option<PathBuf>,
    /// The path by which the file was opened; it may lead to another file by now.
    pub(crate) name: Option<PathBuf>,
}

/// The card, while no other thread uses it.
type Guard<'a> = MutexGuard<'a, Option<VirtualCard>>;

impl SharedCard {
    pub(crate) fn new(virtual_card: VirtualCard) -> Self {
        let card = virtual_card.card();
        let label = Label {
            serial: String::from_utf8_lossy(card.state().device().serial()).into_owned(),
            firmware: card.profile().name().into(),
            file: virtual_card.file().map(Path::to_path_buf),
            name: virtual_card.name().map(Path::to_path_buf),
        };
        let faults = AtomicUsize::new(count(&virtual_card));
        let (changed, undelayed) = (Condvar::new(), AtomicBool::new(false));
        let unsaved = AtomicBool::new(virtual_card.is_unsaved());
        let (card, compacting) = (Mutex::new(Some(virtual_card)), AtomicBool::new(false));
        Self(Arc::new(Inner { label, card, changed, faults, undelayed, unsaved, compacting }))
    }

    /// The card as it was when it was inserted.
    pub(crate) fn label(&self) -> &Label {
        &self.0.label
    }

    /// Whether the card was removed or has failed. One that executes a command is there.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.card.try_lock().is_ok_and(|card| card.is_none())
    }

    /// Whether the card could not be saved, and is out of its reader until it is.
    pub(crate) fn is_unsaved(&self) -> bool {
        self.0.unsaved.load(Ordering::Relaxed)
    }

    /// Whether this is the same card.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn lock(&self) -> Guard<'_> {
        self.0.card.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the card when its command is executed; `None` if it is gone.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut VirtualCard) -> T) -> Option<T> {
        self.lock().as_mut().map(work)
    }

    /// Takes the card out when its command is executed: it is gone for all clones of this. Its file
    /// is unlocked when it is dropped.
    pub(crate) fn take(&self) -> Option<VirtualCard> {
        let card = self.lock().take();
        self.0.changed.notify_all();
        card
    }

    /// The number of the card's faults.
    pub(crate) fn faults(&self) -> usize {
        self.0.faults.load(Ordering::Relaxed)
    }

    /// Replaces the card's faults; `None` if the card is gone. A delayed response comes at once if
    /// there are no faults any more.
    pub(crate) fn set_faults(&self, script: Script) -> Option<()> {
        let mut card = self.lock();
        let faulty = card.take()?.with_faults(script);
        self.0.faults.store(count(&faulty), Ordering::Relaxed);
        *card = Some(faulty);
        self.0.changed.notify_all();
        Some(())
    }

    /// Delays no response from here on: the program is ending.
    pub(crate) fn end_delays(&self) {
        let _no_delay_begins = self.lock();
        self.0.undelayed.store(true, Ordering::Relaxed);
        self.0.changed.notify_all();
    }

    /// The card's answer to reset; empty if the card is gone.
    pub(crate) fn atr(&self) -> Vec<u8> {
        self.with(|card| card.atr().to_vec()).unwrap_or_default()
    }

    /// Power on, power off or reset; `event` is its name in a trace.
    pub(crate) fn reset(&self, event: &str) {
        self.with(|card| card.reset(event));
    }

    /// The response to a command APDU. A card that fails is gone from here on, and one that could
    /// not be saved executes no more commands.
    pub(crate) fn transmit(&self, apdu: &[u8]) -> Result<Vec<u8>, TransmitError> {
        let mut guard = self.lock();
        let card = guard.as_mut().filter(|card| !card.is_unsaved());
        let Some(card) = card else { return Err(TransmitError::Removed) };
        let (response, delay) = catch_unwind(AssertUnwindSafe(|| {
            let response = card.transmit(apdu);
            (response, card.injected().map_or(Duration::ZERO, |injected| injected.delay))
        }))
        .unwrap_or_else(|_| (Err(TransmitError::panicked()), Duration::ZERO));
        self.0.unsaved.store(card.is_unsaved(), Ordering::Relaxed);
        if card.is_outgrown() {
            self.compact();
        }
        if !delay.is_zero() {
            guard = self.delay(guard, delay);
            if guard.is_none() {
                return Err(TransmitError::Removed);
            }
        }
        if let Err(TransmitError::Removed | TransmitError::Failed(_)) = response {
            *guard = None;
        }
        response
    }

    /// Compacts the card's file in a thread of its own, when the response is on its way.
    fn compact(&self) {
        if self.0.compacting.swap(true, Ordering::Relaxed) {
            return;
        }
        let card = self.clone();
        let compaction = move || {
            card.with(VirtualCard::compact);
            card.0.compacting.store(false, Ordering::Relaxed);
        };
        // Without a thread the next command tries again.
        if thread::Builder::new().spawn(compaction).is_err() {
            self.0.compacting.store(false, Ordering::Relaxed);
        }
    }

    /// Waits for a compaction that has begun, and lets none begin any more: the program is ending,
    /// and leaves no half-written file behind.
    pub(crate) fn end_compaction(&self) {
        if self.0.compacting.load(Ordering::Relaxed) {
            drop(self.take());
        }
    }

    /// Waits for so long, or until there is no reason to. The card can be looked at and removed
    /// meanwhile.
    fn delay<'a>(&self, card: Guard<'a>, limit: Duration) -> Guard<'a> {
        let is_delayed = |card: &mut Option<VirtualCard>| {
            card.as_ref().is_some_and(|card| count(card) > 0)
                && !self.0.undelayed.load(Ordering::Relaxed)
        };
        let waited = self.0.changed.wait_timeout_while(card, limit, is_delayed);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The number of a card's faults.
fn count(card: &VirtualCard) -> usize {
    card.faults().map_or(0, |faults| faults.script().faults().len())
}
