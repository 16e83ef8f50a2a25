//! A slot that several threads reach: its reader, and who looks after the card meanwhile.

use super::Slot;
use crate::failure::Failure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A card that its reader asks, and that others may look at, change or take away between two
/// commands. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Option<Slot>>>);

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
        Self(Arc::new(Mutex::new(Some(slot))))
    }

    /// Whether this is the same slot.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the card when it has done what it is doing; none if it is gone.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        self.lock().as_mut().map(work)
    }

    /// Takes the card away when it has done what it is doing; its file is free when this returns.
    pub(crate) fn discard(&self) {
        drop(self.lock().take());
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
