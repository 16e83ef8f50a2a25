//! A slot that several threads reach: its reader, and who looks after the card meanwhile.

use super::Slot;
use crate::failure::Failure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A card that its reader asks, and that others may look at, change or take away between two
/// commands. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

struct Inner {
    label: Label,
    slot: Mutex<Option<Slot>>,
}

/// What can be read of a card while it works.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) serial: String,
    pub(crate) firmware: String,
    /// The file that keeps the card, symbolic links resolved; none if it is in memory only.
    pub(crate) file: Option<PathBuf>,
}

/// Why a card gives no answer.
#[derive(Debug)]
pub(crate) enum Silence {
    /// It has been taken away.
    Removed,
    /// It cannot go on.
    Failed(Failure),
}

impl Shared {
    pub(crate) fn new(slot: Slot) -> Self {
        let card = slot.card();
        let label = Label {
            serial: String::from_utf8_lossy(card.state().device().serial()).into_owned(),
            firmware: card.profile().name().into(),
            file: slot.file().map(Path::to_path_buf),
        };
        Self(Arc::new(Inner { label, slot: Mutex::new(Some(slot)) }))
    }

    /// What the card was when it came.
    pub(crate) fn label(&self) -> &Label {
        &self.0.label
    }

    /// Whether the card has been taken away, or could not go on. One that works is there.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.slot.try_lock().is_ok_and(|slot| slot.is_none())
    }

    /// Whether this is the same slot.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Slot>> {
        self.0.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the card when it has done what it is doing; none if it is gone.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        self.lock().as_mut().map(work)
    }

    /// Takes the card away when it has done what it is doing: who still has it here asks nobody.
    /// Its file is free when it is dropped.
    pub(crate) fn take(&self) -> Option<Slot> {
        self.lock().take()
    }

    /// The card's answer to reset; empty if it is gone.
    pub(crate) fn atr(&self) -> Vec<u8> {
        self.with(|slot| slot.atr().to_vec()).unwrap_or_default()
    }

    /// Power on, power off or reset; `event` says which.
    pub(crate) fn reset(&self, event: &str) {
        self.with(|slot| slot.reset(event));
    }

    /// Answers one command APDU. A card that cannot is gone from here on.
    pub(crate) fn transmit(&self, apdu: &[u8]) -> Result<Vec<u8>, Silence> {
        let mut slot = self.lock();
        let Some(card) = slot.as_mut() else { return Err(Silence::Removed) };
        let defect = || Failure::Failed("a defect in vschsm has ended the card".into());
        let silence = match catch_unwind(AssertUnwindSafe(|| card.transmit(apdu))) {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) if card.is_replaced(&error) => Silence::Removed,
            Ok(Err(error)) => Silence::Failed(error.into()),
            Err(_) => Silence::Failed(defect()),
        };
        *slot = None;
        Err(silence)
    }
}
