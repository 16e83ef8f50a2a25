//! A card's file as the rest of the program knows it: an image comes out of it and goes into it,
//! and whether it lies there under a passphrase is nobody else's business.

use crate::process::seed::Seed;
use crate::store::Store;
use crate::store::disk::{self, CardFile, Durability};
use crate::store::encryption::{self, Image, Seal};
use crate::store::passphrase::Source;
use crate::text::failure::Failure;
use std::path::Path;
use vschsm_card::Card;

/// What keeps a card.
#[derive(Debug)]
pub(crate) struct Kept {
    file: CardFile,
    /// None for a card that lies readable in its file.
    seal: Option<Seal>,
}

impl Kept {
    /// Opens and locks a card's file and reads its image.
    pub(crate) fn open(
        path: &Path,
        durability: Durability,
        passphrase: &Source,
    ) -> Result<(Self, Image), Failure> {
        let (file, content) = CardFile::open(path, durability)?;
        let (seal, image) = unsealed(path, content, passphrase)?;
        Ok((Self { file, seal }, image))
    }

    /// Makes a new file with an image, encrypted if there is a seal.
    pub(crate) fn create(
        path: &Path,
        image: &[u8],
        mut seal: Option<Seal>,
        durability: Durability,
    ) -> Result<Self, disk::Error> {
        let file = match &mut seal {
            Some(seal) => CardFile::create(path, &seal.seal(image), durability),
            None => CardFile::create(path, image, durability),
        };
        Ok(Self { file: file?, seal })
    }

    /// Replaces the card in a file by one with another image, whatever passphrase it is under.
    pub(crate) fn replace(
        path: &Path,
        image: &[u8],
        seal: Option<Seal>,
        durability: Durability,
    ) -> Result<Self, Failure> {
        let (file, content) = CardFile::open(path, durability)?;
        if !encryption::is_sealed(&content)
            && !content.starts_with(vschsm_card::image::MAGIC.as_bytes())
        {
            let path = path.display();
            return Err(Failure::Failed(format!("{path} is no card, and is not replaced")));
        }
        let mut kept = Self { file, seal };
        kept.save(image)?;
        Ok(kept)
    }

    /// The same file, of whose saves so much is waited for from here on.
    pub(crate) fn with(self, durability: Durability) -> Self {
        Self { file: self.file.with(durability), ..self }
    }

    /// The same file, in which the next image is encrypted, or is not.
    pub(crate) fn under(self, seal: Option<Seal>) -> Self {
        Self { seal, ..self }
    }

    /// Replaces the image. If that fails, the file has the old one or the new one, whole, and a
    /// later attempt may succeed.
    pub(crate) fn save(&mut self, image: &[u8]) -> Result<(), disk::Error> {
        match &mut self.seal {
            Some(seal) => self.file.save(&seal.seal(image)),
            None => self.file.save(image),
        }
    }

    /// Finds out why a save would fail, as far as that is known before.
    pub(crate) fn rehearse(&self) -> Result<(), disk::Error> {
        self.file.rehearse()
    }

    /// The image that the file has now; none if it is not what its name stands for any more, or
    /// what is in it is under another passphrase, or was.
    pub(crate) fn image(&self) -> Result<Option<Image>, disk::Error> {
        let Some(content) = self.file.content()? else { return Ok(None) };
        Ok(match &self.seal {
            Some(seal) => seal.open(&content).ok(),
            None => Some(content.into()),
        })
    }

    /// Whether the card is under a passphrase.
    pub(crate) fn is_sealed(&self) -> bool {
        self.seal.is_some()
    }

    /// Whether others than its owner may read the file, and with it every key on the card.
    pub(crate) fn others_may_read(&self) -> Result<bool, disk::Error> {
        self.file.others_may_read()
    }

    /// What the file was opened by, absolute; what it stands for may have changed since.
    pub(crate) fn name(&self) -> &Path {
        self.file.name()
    }

    /// Where the file is, symbolic links resolved.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// A file that is open already.
    #[cfg(test)]
    pub(crate) fn of(file: CardFile, seal: Option<Seal>) -> Self {
        Self { file, seal }
    }
}

impl Store for Kept {
    fn keep(&mut self, card: &Card) -> Result<(), disk::Error> {
        self.save(&Image::from(card.image()))
    }

    fn file(&self) -> Option<&Kept> {
        Some(self)
    }
}

/// Reads a card's image, whether it is in use or not.
pub(crate) fn read(path: &Path, passphrase: &Source) -> Result<Image, Failure> {
    unsealed(path, disk::read(path)?, passphrase).map(|(_, image)| image)
}

/// The image in what was read from `path`, and what encrypts it, if it is under a passphrase.
pub(crate) fn unsealed(
    path: &Path,
    content: Vec<u8>,
    passphrase: &Source,
) -> Result<(Option<Seal>, Image), Failure> {
    if !encryption::is_sealed(&content) {
        return Ok((None, content.into()));
    }
    let passphrase = passphrase.of_card(path)?;
    let opened = encryption::open(&content, &passphrase, Seed::random()?);
    let (seal, image) =
        opened.map_err(|error| Failure::Failed(format!("{} {error}", path.display())))?;
    Ok((Some(seal), image))
}
