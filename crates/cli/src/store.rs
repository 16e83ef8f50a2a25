//! Where a card is kept: its image in a file, encrypted or not, old or new and never between.

pub(crate) mod disk;
pub(crate) mod encryption;
pub(crate) mod image_file;
pub(crate) mod passphrase;

use image_file::Kept;
use vschsm_card::Card;

/// What keeps a card.
pub(crate) trait Store: Send {
    /// Keeps the card as it is now, in the place of what was kept before. If that fails, that or
    /// this is kept, whole, and a later attempt may succeed.
    fn keep(&mut self, card: &Card) -> Result<(), disk::Error>;

    /// The card's file, if it has one.
    fn file(&self) -> Option<&Kept> {
        None
    }
}

/// Nothing keeps the card: it ends with the program.
pub(crate) struct Memory;

impl Store for Memory {
    fn keep(&mut self, _: &Card) -> Result<(), disk::Error> {
        Ok(())
    }
}
