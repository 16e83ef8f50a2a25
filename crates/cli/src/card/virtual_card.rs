//! A card with its layers, from the outside in: its trace, its faults if it has any, and the layer
//! that saves it before it responds.

use super::faulty::Faulty;
use super::image;
use super::layer::{Injected, Layer};
use super::persistent::Persistent;
use super::traced::Traced;
use crate::faults::{Faults, Script};
use crate::store::image_file::ImageFile;
use crate::text::failure::{Failure, TransmitError};
use crate::trace::Trace;
use std::path::Path;
use vschsm_card::Card;
use vschsm_host::{Transport, TransportError};

/// A virtual card: the card with its file, faults and trace.
pub(crate) struct VirtualCard(Traced<Inner>);

/// What is within the trace.
enum Inner {
    /// A card without faults.
    Plain(Persistent),
    Faulty(Faulty),
}

impl Inner {
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

impl Layer for Inner {
    fn atr(&self) -> &[u8] {
        self.layer().atr()
    }

    fn reset(&mut self, event: &str) {
        self.layer_mut().reset(event);
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.layer_mut().transmit(apdu)
    }

    fn injected(&self) -> Option<&Injected> {
        self.layer().injected()
    }
}

impl Layer for VirtualCard {
    fn atr(&self) -> &[u8] {
        self.0.atr()
    }

    fn reset(&mut self, event: &str) {
        self.0.reset(event);
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.0.transmit(apdu)
    }

    fn injected(&self) -> Option<&Injected> {
        self.0.injected()
    }
}

/// Errors are one sentence.
impl Transport for VirtualCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        Layer::transmit(self, command)
            .map_err(|why| TransportError::failed(Failure::from(why).to_string()))
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        Layer::reset(self, "RESET");
        Ok(())
    }
}

impl VirtualCard {
    /// A card with its faults, and its trace, if it has one.
    pub(crate) fn new(card: Persistent, faults: Script, trace: Option<Trace>) -> Self {
        Self(Traced::new(Inner::new(card, faults), trace))
    }

    fn persistent(&self) -> &Persistent {
        match &self.0.card {
            Inner::Plain(card) => card,
            Inner::Faulty(card) => card.card(),
        }
    }

    fn persistent_mut(&mut self) -> &mut Persistent {
        match &mut self.0.card {
            Inner::Plain(card) => card,
            Inner::Faulty(card) => card.card_mut(),
        }
    }

    /// The card itself, which cannot be changed here.
    pub(crate) fn card(&self) -> &Card {
        self.persistent().card()
    }

    /// Whether the card has changed and could not be saved: it must not execute commands.
    pub(crate) fn is_unsaved(&self) -> bool {
        self.persistent().is_unsaved()
    }

    /// Saves what could not be saved after a command.
    pub(crate) fn save(&mut self) -> Result<(), Failure> {
        Ok(self.persistent_mut().save()?)
    }

    /// Whether it is time to compact the card's file, which a client need not wait for.
    pub(crate) fn is_outgrown(&self) -> bool {
        self.persistent().is_outgrown()
    }

    /// Saves the card as a new image if there are many records of changes in its file.
    pub(crate) fn compact(&mut self) {
        self.persistent_mut().compact();
    }

    /// Replaces the card by another one, which is saved before it executes commands.
    pub(crate) fn replace(&mut self, card: Card) -> Result<(), Failure> {
        self.persistent_mut().replace(card)
    }

    /// Sets retry counters; they are saved before they have an effect.
    pub(crate) fn set_tries(&mut self, user: Option<u8>, code: Option<u8>) -> Result<(), Failure> {
        self.persistent_mut().set_tries(user, code)
    }

    fn image_file(&self) -> Option<&ImageFile> {
        self.persistent().store().file()
    }

    /// Whether the card's file is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.image_file().is_some_and(ImageFile::is_encrypted)
    }

    /// The card's file, symbolic links resolved.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.image_file().map(ImageFile::path)
    }

    /// The absolute path by which the file was opened; it may lead to another file by now.
    pub(crate) fn name(&self) -> Option<&Path> {
        self.image_file().map(ImageFile::name)
    }

    /// Whether the card is the one in its file, if it has one.
    pub(crate) fn is_in_file(&self) -> Result<bool, Failure> {
        let Some(file) = self.image_file() else { return Ok(true) };
        let Some(content) = file.image()? else { return Ok(false) };
        // The file has what could be saved.
        if self.is_unsaved() {
            return Ok(true);
        }
        if file.has_saved(&content) {
            return Ok(true);
        }
        let own = image::of(self.card());
        // An image in an older format, or one that was edited, may be of the same card.
        let is_same = |card| image::of(&card) == own;
        Ok(content == own || image::load(file.path(), &content).is_ok_and(is_same))
    }

    /// The faults of the card, and how often each was injected, if it has any.
    pub(crate) fn faults(&self) -> Option<&Faults> {
        match &self.0.card {
            Inner::Plain(_) => None,
            Inner::Faulty(card) => Some(card.faults()),
        }
    }

    /// The same card with these faults from here on, and no others.
    pub(crate) fn with_faults(self, script: Script) -> Self {
        let Self(traced) = self;
        Self(traced.map(|way| match way {
            Inner::Plain(card) => Inner::new(card, script),
            Inner::Faulty(card) => Inner::new(card.into_card(), script),
        }))
    }

    /// The card was removed from its reader, and is inserted again.
    pub(crate) fn arrive(&mut self) {
        if let Inner::Faulty(card) = &mut self.0.card {
            card.arrive();
        }
    }
}
