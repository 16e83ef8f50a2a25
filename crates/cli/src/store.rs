//! Where a card is stored: its image in a file, encrypted or not, and at any moment the old one or
//! the new one, whole.

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
