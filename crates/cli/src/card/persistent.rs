//! A card that responds only when what the command has changed is saved.
//!
//! This is the only place that saves a card after a command, and that withholds the response if
//! saving fails. Then the card is unsaved: it is ahead of its file by a command without a response.
//! The command is not undone, since that would give back a PIN try that it has spent. The card
//! executes no more commands until it is saved, which [`crate::readers::unsaved`] retries. If the
//! program ends before, the file has the card of the last response.

use super::layer::Layer;
use crate::store::Store;
use crate::store::disk::DiskError;
use crate::text::failure::{Failure, TransmitError};
use std::mem;
use vschsm_card::Card;
use vschsm_card::state::{Pin, SetTriesError};

/// A card and its store.
pub(crate) struct Persistent {
    card: Card,
    store: Box<dyn Store>,
    /// The card has changed since it was saved last.
    is_unsaved: bool,
    /// Whether the card's file is watched, and a card that replaces it is loaded.
    is_watched: bool,
}

impl Layer for Persistent {
    fn atr(&self) -> &[u8] {
        self.card.atr()
    }

    fn reset(&mut self, _: &str) {
        self.card.reset();
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.save().map_err(|error| self.transmit_error(error))?;
        let outcome = self.card.transmit(apdu);
        if outcome.changed {
            self.save_change().map_err(|error| self.transmit_error(error))?;
        }
        Ok(outcome.response)
    }
}

impl Persistent {
    pub(crate) fn new(card: Card, store: Box<dyn Store>) -> Self {
        Self { card, store, is_unsaved: false, is_watched: false }
    }

    /// The same where the card's file is watched, and a card that replaces it takes this one's
    /// place.
    pub(crate) fn watched(self) -> Self {
        Self { is_watched: true, ..self }
    }

    /// What an error of a save means for the client.
    fn transmit_error(&self, error: DiskError) -> TransmitError {
        if self.is_watched && error.is_replaced() {
            TransmitError::Removed
        } else if error.is_final() {
            TransmitError::Failed(error.into())
        } else {
            TransmitError::Unsaved(error.into())
        }
    }

    /// The card itself, which cannot be changed here.
    pub(crate) fn card(&self) -> &Card {
        &self.card
    }

    /// The card's store.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Replaces the card's store, and returns the previous one.
    pub(crate) fn exchange_store(&mut self, store: Box<dyn Store>) -> Box<dyn Store> {
        mem::replace(&mut self.store, store)
    }

    /// Whether the card has changed and could not be saved: it must not execute commands.
    pub(crate) fn is_unsaved(&self) -> bool {
        self.is_unsaved
    }

    /// Saves what is not saved yet.
    pub(crate) fn save(&mut self) -> Result<(), DiskError> {
        if self.is_unsaved {
            self.store.save(&self.card)?;
            self.is_unsaved = false;
        }
        Ok(())
    }

    /// Saves what the last command has changed.
    fn save_change(&mut self) -> Result<(), DiskError> {
        if mem::replace(&mut self.is_unsaved, true) {
            self.store.save(&self.card)?;
        } else {
            self.store.save_change(&self.card)?;
        }
        self.is_unsaved = false;
        Ok(())
    }

    /// Whether it is time to compact the store, which a client need not wait for.
    pub(crate) fn is_outgrown(&self) -> bool {
        !self.is_unsaved && self.store.is_outgrown()
    }

    /// Saves the card as a new image if there are many records of changes.
    pub(crate) fn compact(&mut self) {
        if self.is_outgrown() {
            self.store.compact(&self.card);
        }
    }

    /// Replaces the card by another one, which is saved before it executes commands.
    pub(crate) fn replace(&mut self, card: Card) -> Result<(), Failure> {
        self.store.save(&card)?;
        self.card = card;
        self.is_unsaved = false;
        Ok(())
    }

    /// Sets retry counters; they are saved before they have an effect.
    pub(crate) fn set_tries(&mut self, user: Option<u8>, code: Option<u8>) -> Result<(), Failure> {
        let pins = self.card.state().pins();
        let before = [pins.user(), pins.so_pin()].map(|pin| pin.map(Pin::tries));
        let refused = |why: SetTriesError| Failure::Usage(why.to_string());
        self.card.set_tries(user, code).map_err(refused)?;
        let was_unsaved = self.is_unsaved;
        self.save_change().map_err(|error| {
            let [user, code] = before;
            // It cannot fail with values that were there.
            self.card.set_tries(user, code).ok();
            self.is_unsaved = was_unsaved;
            error.into()
        })
    }
}
