//! Where a card is stored: its image and records of changes in a file, encrypted or not, and at any
//! moment the old card or the new one, whole.

pub(crate) mod disk;
pub(crate) mod encryption;
pub(crate) mod image_file;
pub(crate) mod passphrase;

use disk::DiskError;
use image_file::ImageFile;
use vschsm_card::Card;

/// Where a card is saved.
pub(crate) trait Store: Send {
    /// Saves the card as it is now, in place of what was saved before. If that fails, the old or
    /// the new one is stored, whole, and a later attempt may succeed.
    fn save(&mut self, card: &Card) -> Result<(), DiskError>;

    /// Saves what the last command has changed; what was before it is saved already. If that fails,
    /// the same holds, and the next attempt must be to save the card.
    fn save_change(&mut self, card: &Card) -> Result<(), DiskError> {
        self.save(card)
    }

    /// Whether the records of changes are longer than the image, so that it is time to save the
    /// card as a new one.
    fn is_outgrown(&self) -> bool {
        false
    }

    /// Saves the card as a new image without records. If that fails, what was saved before is still
    /// there, and records may follow it.
    fn compact(&mut self, _: &Card) {}

    /// The card's file, if it has one.
    fn file(&self) -> Option<&ImageFile> {
        None
    }
}

/// No store: the card is lost with the program.
pub(crate) struct NoStore;

impl Store for NoStore {
    fn save(&mut self, _: &Card) -> Result<(), DiskError> {
        Ok(())
    }
}
