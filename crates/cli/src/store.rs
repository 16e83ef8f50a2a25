//! Where a card is kept: its image in a file, encrypted or not, old or new and never between.

pub(crate) mod disk;
pub(crate) mod encryption;
pub(crate) mod image_file;
pub(crate) mod passphrase;
