//! A card with faults injected between it and its reader.
//!
//! What they are, which commands they strike and what they make of a response is in
//! [`crate::faults`]; here a command is kept from the card or not, and the card finds its disk full
//! or not.

use super::layer::{Injected, Layer, NoResponse};
use super::persistent::Persistent;
use crate::faults::{Delivery, Faults, Strike};
use crate::store::{Store, disk};
use std::path::PathBuf;
use vschsm_card::Card;

/// A card and its faults.
pub(crate) struct Faulty {
    card: Persistent,
    faults: Faults,
    injected: Injected,
}

/// What keeps a card while its disk is full.
struct FullDisk {
    /// The card's file, if it has one.
    path: Option<PathBuf>,
}

impl Store for FullDisk {
    fn keep(&mut self, _: &Card) -> Result<(), disk::Error> {
        Err(disk::Error::full(self.path.as_deref()))
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

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse> {
        self.injected = Injected::default();
        let strike = self.faults.strike(apdu);
        let own = strike.reaches_the_card().then(|| self.ask(apdu, &strike));
        // A disk that nobody had to write on was full in vain.
        let is_unsaved = matches!(own, Some(Err(_)));
        self.injected = Injected { words: strike.words(is_unsaved), delay: strike.delay };
        let Delivery { delay, response } = self.faults.deliver(strike, own.transpose()?);
        self.injected.delay = delay;
        Ok(response?)
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
    fn ask(&mut self, apdu: &[u8], strike: &Strike) -> Result<Vec<u8>, NoResponse> {
        if !strike.fills_the_disk() {
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

    /// The same, to be changed.
    pub(crate) fn card_mut(&mut self) -> &mut Persistent {
        &mut self.card
    }

    /// What is injected, and how often it was.
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The card has been out of its reader, and comes again.
    pub(crate) fn arrive(&mut self) {
        self.faults.arrive();
    }

    /// The card, whose faults end here.
    pub(crate) fn into_card(self) -> Persistent {
        self.card
    }
}
