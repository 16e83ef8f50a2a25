//! A card's file as the rest of the program knows it: images are read and saved, whether the file
//! is encrypted or not.

use crate::process::seed::Seed;
use crate::store::Store;
use crate::store::disk::{self, CardFile, DiskError, Durability};
use crate::store::encryption::{self, CardImage, FileCipher};
use crate::store::passphrase::PassphraseSource;
use crate::text::failure::Failure;
use std::path::Path;
use vschsm_card::Card;

/// The file that a card is saved in.
#[derive(Debug)]
pub(crate) struct ImageFile {
    file: CardFile,
    /// Absent if the file is not encrypted.
    cipher: Option<FileCipher>,
}

impl ImageFile {
    /// Opens and locks a card's file and reads its image.
    pub(crate) fn open(
        path: &Path,
        durability: Durability,
        passphrase: &PassphraseSource,
    ) -> Result<(Self, CardImage), Failure> {
        let (file, content) = CardFile::open(path, durability)?;
        let (cipher, image) = decrypt(path, content, passphrase)?;
        Ok((Self { file, cipher }, image))
    }

    /// Makes a new file with an image, encrypted if there is a cipher.
    pub(crate) fn create(
        path: &Path,
        image: &[u8],
        mut cipher: Option<FileCipher>,
        durability: Durability,
    ) -> Result<Self, DiskError> {
        let file = match &mut cipher {
            Some(cipher) => CardFile::create(path, &cipher.encrypt(image), durability),
            None => CardFile::create(path, image, durability),
        };
        Ok(Self { file: file?, cipher })
    }

    /// Replaces the card in a file by one with another image, whether it is encrypted or not.
    pub(crate) fn replace(
        path: &Path,
        image: &[u8],
        cipher: Option<FileCipher>,
        durability: Durability,
    ) -> Result<Self, Failure> {
        let (file, content) = CardFile::open(path, durability)?;
        if !encryption::is_encrypted(&content)
            && !content.starts_with(vschsm_card::image::MAGIC.as_bytes())
        {
            let path = path.display();
            return Err(Failure::Failed(format!("{path} is not a card, and is not replaced")));
        }
        let mut file = Self { file, cipher };
        file.save_image(image)?;
        Ok(file)
    }

    /// The same file, whose saves wait for this from here on.
    pub(crate) fn with(self, durability: Durability) -> Self {
        Self { file: self.file.with(durability), ..self }
    }

    /// The same file, whose next image is encrypted with this cipher, or not encrypted.
    pub(crate) fn encrypted_with(self, cipher: Option<FileCipher>) -> Self {
        Self { cipher, ..self }
    }

    /// Replaces the image. If that fails, the file has the old one or the new one, whole, and a
    /// later attempt may succeed.
    pub(crate) fn save_image(&mut self, image: &[u8]) -> Result<(), DiskError> {
        match &mut self.cipher {
            Some(cipher) => self.file.save(&cipher.encrypt(image)),
            None => self.file.save(image),
        }
    }

    /// Finds out whether a save would fail, as far as that can be known before.
    pub(crate) fn check_saving(&self) -> Result<(), DiskError> {
        self.file.check_saving()
    }

    /// The image that the file has now; `None` if its path leads to another file, or the image is
    /// encrypted with another passphrase.
    pub(crate) fn image(&self) -> Result<Option<CardImage>, DiskError> {
        let Some(content) = self.file.content()? else { return Ok(None) };
        Ok(match &self.cipher {
            Some(cipher) => cipher.decrypt(&content).ok(),
            None => Some(content.into()),
        })
    }

    /// Whether the file is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }

    /// Whether other users than its owner may read the file, and with it every key on the card.
    pub(crate) fn others_may_read(&self) -> Result<bool, DiskError> {
        self.file.others_may_read()
    }

    /// The absolute path by which the file was opened; it may lead to another file by now.
    pub(crate) fn name(&self) -> &Path {
        self.file.name()
    }

    /// Where the file is, symbolic links resolved.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// A file that is open already.
    #[cfg(test)]
    pub(crate) fn of(file: CardFile, cipher: Option<FileCipher>) -> Self {
        Self { file, cipher }
    }
}

impl Store for ImageFile {
    fn save(&mut self, card: &Card) -> Result<(), DiskError> {
        self.save_image(&CardImage::from(card.image()))
    }

    fn file(&self) -> Option<&ImageFile> {
        Some(self)
    }
}

/// Reads a card's image, whether it is in use or not.
pub(crate) fn read(path: &Path, passphrase: &PassphraseSource) -> Result<CardImage, Failure> {
    decrypt(path, disk::read(path)?, passphrase).map(|(_, image)| image)
}

/// The image in what was read from `path`, and its cipher, if it is encrypted.
pub(crate) fn decrypt(
    path: &Path,
    content: Vec<u8>,
    passphrase: &PassphraseSource,
) -> Result<(Option<FileCipher>, CardImage), Failure> {
    if !encryption::is_encrypted(&content) {
        return Ok((None, content.into()));
    }
    let passphrase = passphrase.of_card(path)?;
    let opened = encryption::decrypt(&content, &passphrase, Seed::random()?);
    let (cipher, image) =
        opened.map_err(|error| Failure::Failed(format!("{} {error}", path.display())))?;
    Ok((Some(cipher), image))
}
