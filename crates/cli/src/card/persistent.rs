//! A card that responds only when what the command has changed is saved.
//!
//! This is the only place that saves a card after a command, and that withholds the response if
//! saving fails. Then the card is ahead of its file by a command that nobody has seen
//! answered, and stays so: the command is not undone, since a PIN try that it has spent would be
//! back. Nobody may ask the card until it is saved; who tries that again, and when, is in
//! [`crate::readers::unsaved`]. If the program ends before, the file has the card of the last
//! response.

use super::layer::{Layer, NoResponse};
use crate::store::{Store, disk};
use crate::text::failure::Failure;
use std::mem;
use vschsm_card::Card;
use vschsm_card::state::{Pin, SetTriesError};

/// A card and what keeps it.
pub(crate) struct Persistent {
    card: Card,
    store: Box<dyn Store>,
    /// The card has changed since it was saved last.
    is_ahead: bool,
    /// Whether somebody waits for the card's file to be replaced.
    is_watched: bool,
}

impl Layer for Persistent {
    fn atr(&self) -> &[u8] {
        self.card.atr()
    }

    fn reset(&mut self, _: &str) {
        self.card.reset();
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse> {
        self.save().map_err(|error| self.no_response(error))?;
        let outcome = self.card.transmit(apdu);
        if outcome.changed {
            self.is_ahead = true;
            self.save().map_err(|error| self.no_response(error))?;
        }
        Ok(outcome.response)
    }
}

impl Persistent {
    pub(crate) fn new(card: Card, store: Box<dyn Store>) -> Self {
        Self { card, store, is_ahead: false, is_watched: false }
    }

    /// The same where somebody waits for the card's file to be replaced, and puts the new card in
    /// the place of this one.
    pub(crate) fn watched(self) -> Self {
        Self { is_watched: true, ..self }
    }

    /// What it means that the card was not saved.
    fn no_response(&self, error: disk::Error) -> NoResponse {
        if self.is_watched && error.is_replaced() {
            NoResponse::Removed
        } else if error.is_final() {
            NoResponse::Failed(error.into())
        } else {
            NoResponse::Unsaved(error.into())
        }
    }

    /// The card, to be looked at.
    pub(crate) fn card(&self) -> &Card {
        &self.card
    }

    /// What keeps the card.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Replaces what keeps the card, and returns what has kept it until now.
    pub(crate) fn exchange_store(&mut self, store: Box<dyn Store>) -> Box<dyn Store> {
        mem::replace(&mut self.store, store)
    }

    /// Whether the card has changed and could not be saved: it is not to be asked.
    pub(crate) fn is_ahead(&self) -> bool {
        self.is_ahead
    }

    /// Saves what is not saved yet.
    pub(crate) fn save(&mut self) -> Result<(), disk::Error> {
        if self.is_ahead {
            self.store.keep(&self.card)?;
            self.is_ahead = false;
        }
        Ok(())
    }

    /// Makes it another card, which is saved before it can be asked.
    pub(crate) fn replace(&mut self, card: Card) -> Result<(), Failure> {
        self.store.keep(&card)?;
        self.card = card;
        self.is_ahead = false;
        Ok(())
    }

    /// Sets retry counters; they are saved before they count.
    pub(crate) fn set_tries(&mut self, user: Option<u8>, code: Option<u8>) -> Result<(), Failure> {
        let pins = self.card.state().pins();
        let before = [pins.user(), pins.so_pin()].map(|pin| pin.map(Pin::tries));
        let refused = |why: SetTriesError| Failure::Usage(why.to_string());
        self.card.set_tries(user, code).map_err(refused)?;
        let was_ahead = mem::replace(&mut self.is_ahead, true);
        self.save().map_err(|error| {
            let [user, code] = before;
            // They were possible a moment ago.
            self.card.set_tries(user, code).ok();
            self.is_ahead = was_ahead;
            error.into()
        })
    }
}
