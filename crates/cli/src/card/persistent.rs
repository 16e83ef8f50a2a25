//! A card that responds only when what the command has changed is saved.
//!
//! This is the one place where a card is saved because it was asked, and where a save that fails
//! becomes no response. Then the card is ahead of its file by a command that nobody has seen
//! answered, and stays so: the command is not undone, since a PIN try that it has spent would be
//! back. Nobody may ask the card until it is saved; who tries that again, and when, is in
//! [`crate::readers::unsaved`]. If the program ends before, the file has the card of the last
//! response.

use crate::card::slot::image;
use crate::faults::Disk;
use crate::store::disk;
use crate::store::image_file::Kept;
use crate::text::failure::Failure;
use card::Card;
use card::state::{NoSuchTries, Pin};

/// A card and the file that keeps it, if one does.
pub(super) struct Persistent {
    pub(super) card: Card,
    pub(super) file: Option<Kept>,
    /// The card has changed since it was saved last.
    is_ahead: bool,
}

impl Persistent {
    pub(super) fn new(card: Card, file: Option<Kept>) -> Self {
        Self { card, file, is_ahead: false }
    }

    /// Whether the card has changed and could not be saved: it is not to be asked.
    pub(super) fn is_ahead(&self) -> bool {
        self.is_ahead
    }

    /// The response to a command, what it has changed being saved; an error is no response.
    pub(super) fn transmit(&mut self, apdu: &[u8], room: Disk) -> Result<Vec<u8>, disk::Error> {
        self.save()?;
        let outcome = self.card.transmit(apdu);
        if outcome.changed {
            self.is_ahead = true;
            if room == Disk::Full {
                return Err(disk::Error::full(self.file.as_ref().map(Kept::path)));
            }
            self.save()?;
        }
        Ok(outcome.response)
    }

    /// Saves what is not saved yet.
    pub(super) fn save(&mut self) -> Result<(), disk::Error> {
        if self.is_ahead {
            if let Some(file) = &mut self.file {
                file.save(&image(&self.card))?;
            }
            self.is_ahead = false;
        }
        Ok(())
    }

    /// Makes it another card, which is saved before it can be asked.
    pub(super) fn replace(&mut self, card: Card) -> Result<(), Failure> {
        if let Some(file) = &mut self.file {
            file.save(&image(&card))?;
        }
        self.card = card;
        self.is_ahead = false;
        Ok(())
    }

    /// Sets retry counters; they are saved before they count.
    pub(super) fn set_tries(&mut self, user: Option<u8>, code: Option<u8>) -> Result<(), Failure> {
        let pins = self.card.state().pins();
        let before = [pins.user(), pins.initialisation_code()].map(|pin| pin.map(Pin::tries));
        let refused = |why: NoSuchTries| Failure::Usage(why.to_string());
        self.card.set_tries(user, code).map_err(refused)?;
        let was_ahead = std::mem::replace(&mut self.is_ahead, true);
        self.save().map_err(|error| {
            let [user, code] = before;
            // They were possible a moment ago.
            self.card.set_tries(user, code).ok();
            self.is_ahead = was_ahead;
            error.into()
        })
    }
}
