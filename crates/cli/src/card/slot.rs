//! A card with its layers, which are, from the outside in: its trace, its faults if it has any, and
//! what saves it before it responds.

use super::equipment::{image, load};
use super::faulty::Faulty;
use super::layer::{Injected, Layer, NoResponse};
use super::persistent::Persistent;
use super::traced::Traced;
use crate::faults::{Faults, Script};
use crate::store::image_file::Kept;
use crate::text::failure::Failure;
use crate::trace::Trace;
use std::path::Path;
use vschsm_card::Card;

/// A card that can be asked.
pub(crate) struct Slot(Traced<Way>);

/// The way between the trace and the card.
enum Way {
    /// Nothing is in between.
    Plain(Persistent),
    Faulty(Faulty),
}

impl Way {
    /// The way to a card with these faults.
    fn new(card: Persistent, script: Script) -> Self {
        if script == Script::default() {
            Self::Plain(card)
        } else {
            Self::Faulty(Faulty::new(card, script.into()))
        }
    }

    fn layer(&self) -> &dyn Layer {
        match self {
            Self::Plain(card) => card,
            Self::Faulty(card) => card,
        }
    }

    fn layer_mut(&mut self) -> &mut dyn Layer {
        match self {
            Self::Plain(card) => card,
            Self::Faulty(card) => card,
        }
    }
}

impl Layer for Way {
    fn atr(&self) -> &[u8] {
        self.layer().atr()
    }

    fn reset(&mut self, event: &str) {
        self.layer_mut().reset(event);
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse> {
        self.layer_mut().transmit(apdu)
    }

    fn injected(&self) -> Option<&Injected> {
        self.layer().injected()
    }
}

impl Layer for Slot {
    fn atr(&self) -> &[u8] {
        self.0.atr()
    }

    fn reset(&mut self, event: &str) {
        self.0.reset(event);
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse> {
        self.0.transmit(apdu)
    }

    fn injected(&self) -> Option<&Injected> {
        self.0.injected()
    }
}

impl Slot {
    /// A card with what goes wrong with it, and its trace, if it has one.
    pub(crate) fn new(card: Persistent, faults: Script, trace: Option<Trace>) -> Self {
        Self(Traced::new(Way::new(card, faults), trace))
    }

    fn persistent(&self) -> &Persistent {
        match &self.0.card {
            Way::Plain(card) => card,
            Way::Faulty(card) => card.card(),
        }
    }

    fn persistent_mut(&mut self) -> &mut Persistent {
        match &mut self.0.card {
            Way::Plain(card) => card,
            Way::Faulty(card) => card.card_mut(),
        }
    }

    /// The card, to be looked at.
    pub(crate) fn card(&self) -> &Card {
        self.persistent().card()
    }

    /// Whether the card has changed and could not be saved: it is not to be asked.
    pub(crate) fn is_unsaved(&self) -> bool {
        self.persistent().is_ahead()
    }

    /// Saves what could not be saved when the card was asked.
    pub(crate) fn save(&mut self) -> Result<(), Failure> {
        Ok(self.persistent_mut().save()?)
    }

    /// Makes it another card, which is on disk before it can be asked.
    pub(crate) fn replace(&mut self, card: Card) -> Result<(), Failure> {
        self.persistent_mut().replace(card)
    }

    /// Sets retry counters; they are on disk before they count.
    pub(crate) fn set_tries(&mut self, user: Option<u8>, code: Option<u8>) -> Result<(), Failure> {
        self.persistent_mut().set_tries(user, code)
    }

    fn kept(&self) -> Option<&Kept> {
        self.persistent().store().file()
    }

    /// Whether the card is kept under a passphrase.
    pub(crate) fn is_sealed(&self) -> bool {
        self.kept().is_some_and(Kept::is_sealed)
    }

    /// The file that keeps the card, symbolic links resolved.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.kept().map(Kept::path)
    }

    /// What that file was named by, absolute; it may stand for another file by now.
    pub(crate) fn name(&self) -> Option<&Path> {
        self.kept().map(Kept::name)
    }

    /// Whether the card is the one that is in its file, if it has one.
    pub(crate) fn is_in_file(&self) -> Result<bool, Failure> {
        let Some(file) = self.kept() else { return Ok(true) };
        let Some(content) = file.image()? else { return Ok(false) };
        // The file has what could be saved of it.
        if self.is_unsaved() {
            return Ok(true);
        }
        let own = image(self.card());
        // An older format, or one that somebody has edited, may be of the same card.
        Ok(content == own || load(file.path(), &content).is_ok_and(|card| image(&card) == own))
    }

    /// What goes wrong, and how often it has; none if nothing does.
    pub(crate) fn faults(&self) -> Option<&Faults> {
        match &self.0.card {
            Way::Plain(_) => None,
            Way::Faulty(card) => Some(card.faults()),
        }
    }

    /// The same card, with which this goes wrong from here on, and nothing else.
    pub(crate) fn with_faults(self, script: Script) -> Self {
        let Self(traced) = self;
        Self(traced.map(|way| match way {
            Way::Plain(card) => Way::new(card, script),
            Way::Faulty(card) => Way::new(card.into_card(), script),
        }))
    }

    /// The card has been out of its reader, and comes again.
    pub(crate) fn arrive(&mut self) {
        if let Way::Faulty(card) = &mut self.0.card {
            card.arrive();
        }
    }
}
