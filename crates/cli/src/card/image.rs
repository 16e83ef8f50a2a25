//! A card's image: the content of its file, decrypted.

use crate::process::seed::Seed;
use crate::store::encryption::CardImage;
use crate::store::image_file;
use crate::store::passphrase::PassphraseSource;
use crate::text::failure::Failure;
use std::path::Path;
use vschsm_card::Card;

/// The card in the file `path`, opened read-only: the file may be in use.
pub(crate) fn open_read_only(path: &Path, passphrase: &PassphraseSource) -> Result<Card, Failure> {
    load(path, &image_file::read(path, passphrase)?)
}

/// The card with this image, which was read from `origin`.
pub(crate) fn load(origin: &Path, image: &[u8]) -> Result<Card, Failure> {
    let card = Card::load(image, Seed::random()?.into());
    card.map_err(|error| Failure::Failed(format!("{} {error}", origin.display())))
}

/// The image of a card, wiped when it is dropped: it has every key in it.
pub(crate) fn of(card: &Card) -> CardImage {
    card.image().into()
}
