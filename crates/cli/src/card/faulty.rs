//! A card with faults injected between it and its reader.
//!
//! Which faults there are, which commands they match and what they make of a response is in
//! [`crate::faults`]; here a command reaches the card or not, and the card's disk is full or not.

use super::layer::{Injected, Layer};
use super::persistent::Persistent;
use crate::faults::{Delivery, FaultAction, Faults};
use crate::store::Store;
use crate::store::disk::DiskError;
use crate::text::failure::TransmitError;
use std::path::PathBuf;
use vschsm_card::Card;

/// A card and its faults.
pub(crate) struct Faulty {
    card: Persistent,
    faults: Faults,
    injected: Injected,
}

/// The store of a card while its disk is full.
struct FullDisk {
    /// The card's file, if it has one.
    path: Option<PathBuf>,
}

impl Store for FullDisk {
    fn save(&mut self, _: &Card) -> Result<(), DiskError> {
        Err(DiskError::full(self.path.as_deref()))
    }
}

impl Layer for Faulty {
    fn atr(&self) -> &[u8] {
        self.faults.atr().unwrap_or_else(|| self.card.atr())
    }

    fn reset(&mut self, event: &str) {
        self.card.reset(event);
        self.faults.reset();
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.injected = Injected::default();
        let action = self.faults.action_for(apdu);
        let own = action.reaches_the_card().then(|| self.execute(apdu, &action));
        // A full disk has no effect if nothing had to be saved.
        let is_unsaved = matches!(own, Some(Err(_)));
        self.injected = Injected { description: action.describe(is_unsaved), delay: action.delay };
        let Delivery { delay, response } = self.faults.deliver(action, own.transpose()?);
        self.injected.delay = delay;
        response
    }

    fn injected(&self) -> Option<&Injected> {
        Some(&self.injected)
    }
}

impl Faulty {
    pub(crate) fn new(card: Persistent, faults: Faults) -> Self {
        Self { card, faults, injected: Injected::default() }
    }

    /// The card's own response.
    fn execute(&mut self, apdu: &[u8], action: &FaultAction) -> Result<Vec<u8>, TransmitError> {
        if !action.fills_the_disk() {
            return self.card.transmit(apdu);
        }
        let path = self.card.store().file().map(|file| file.path().to_path_buf());
        let store = self.card.exchange_store(Box::new(FullDisk { path }));
        let response = self.card.transmit(apdu);
        self.card.exchange_store(store);
        response
    }

    /// The card, without its faults.
    pub(crate) fn card(&self) -> &Persistent {
        &self.card
    }

    /// The same, mutable.
    pub(crate) fn card_mut(&mut self) -> &mut Persistent {
        &mut self.card
    }

    /// The faults, and how often each was injected.
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The card was removed from its reader, and is inserted again.
    pub(crate) fn arrive(&mut self) {
        self.faults.arrive();
    }

    /// The card without its faults.
    pub(crate) fn into_card(self) -> Persistent {
        self.card
    }
}
