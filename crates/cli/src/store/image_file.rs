//! A card's file as the rest of the program knows it: images are read and saved, and changes of
//! them, whether the file is encrypted or not.

use crate::process::seed::Seed;
use crate::store::Store;
use crate::store::disk::{self, CardFile, DiskError, Durability};
use crate::store::encryption::{self, CardImage, EncryptedEnd, FileCipher};
use crate::store::passphrase::PassphraseSource;
use crate::text::failure::Failure;
use std::borrow::Cow;
use std::path::Path;
use vschsm_card::Card;
use vschsm_card::image::ImageEnd;

/// How many times as long as the image the records may be before a command waits for a new image.
const LATEST_COMPACTION: usize = 4;

/// The file that a card is saved in.
#[derive(Debug)]
pub(crate) struct ImageFile {
    file: CardFile,
    /// Absent if the file is not encrypted.
    cipher: Option<FileCipher>,
    /// Absent if the next save must be of a whole image.
    end: Option<FileEnd>,
    /// How many times as long as the image the records may be; more after a compaction has failed.
    patience: usize,
}

/// The end of a card's file, where its next record goes.
#[derive(Clone, Copy, Debug)]
struct FileEnd {
    /// The length of the file in bytes.
    length: u64,
    image: ImageEnd,
    /// Absent if the file is not encrypted.
    encrypted: Option<EncryptedEnd>,
}

impl FileEnd {
    /// The end of a file with this content, which is this image, and records, decrypted. `None` if
    /// no record can follow.
    fn of(content: &[u8], image: &[u8]) -> Option<Self> {
        let encrypted = match encryption::is_encrypted(content) {
            true => Some(EncryptedEnd::of(content)?),
            false => None,
        };
        Some(Self { length: content.len() as u64, image: ImageEnd::of(image)?, encrypted })
    }
}

impl ImageFile {
    fn new(file: CardFile, cipher: Option<FileCipher>, end: Option<FileEnd>) -> Self {
        Self { file, cipher, end, patience: 1 }
    }

    /// Opens and locks a card's file and reads its image.
    pub(crate) fn open(
        path: &Path,
        durability: Durability,
        passphrase: &PassphraseSource,
    ) -> Result<(Self, CardImage), Failure> {
        let (file, content) = CardFile::open(path, durability)?;
        let content = CardImage::from(content);
        let (cipher, image) = decrypt(path, &content, passphrase)?;
        let end = FileEnd::of(&content, &image);
        Ok((Self::new(file, cipher, end), image))
    }

    /// Makes a new file with an image, encrypted if there is a cipher.
    pub(crate) fn create(
        path: &Path,
        image: &[u8],
        mut cipher: Option<FileCipher>,
        durability: Durability,
    ) -> Result<Self, DiskError> {
        let content = content(cipher.as_mut(), image);
        let file = CardFile::create(path, &content, durability)?;
        Ok(Self::new(file, cipher, FileEnd::of(&content, image)))
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
        let mut file = Self::new(file, cipher, None);
        file.save_image(image)?;
        Ok(file)
    }

    /// The same file, whose saves wait for this from here on.
    pub(crate) fn with(self, durability: Durability) -> Self {
        Self { file: self.file.with(durability), ..self }
    }

    /// The same file, whose next image is encrypted with this cipher, or not encrypted.
    pub(crate) fn encrypted_with(self, cipher: Option<FileCipher>) -> Self {
        Self { cipher, end: None, ..self }
    }

    /// Replaces the image. If that fails, the file has the old one or the new one, whole, and a
    /// later attempt may succeed.
    pub(crate) fn save_image(&mut self, image: &[u8]) -> Result<(), DiskError> {
        self.end = None;
        let content = content(self.cipher.as_mut(), image);
        self.file.save(&content)?;
        self.end = FileEnd::of(&content, image);
        Ok(())
    }

    /// Appends a record; whether one can be appended.
    fn append(&mut self, card: &Card) -> Result<bool, DiskError> {
        let Some(FileEnd { length, image, encrypted }) = self.end.take() else { return Ok(false) };
        let Some((record, image)) = card.record(image) else { return Ok(false) };
        let (record, encrypted) = match (&mut self.cipher, encrypted) {
            (Some(cipher), Some(end)) => {
                let (record, end) = cipher.encrypt_record(end, &record);
                (record.into(), Some(end))
            }
            _ => (record, None),
        };
        let end = length + record.len() as u64;
        if end > disk::LONGEST {
            return Ok(false);
        }
        self.file.append(length, &record)?;
        self.end = Some(FileEnd { length: end, image, encrypted });
        Ok(true)
    }

    /// Whether this is what the file had after the last save: an image, and records.
    pub(crate) fn has_saved(&self, image: &[u8]) -> bool {
        self.end.is_some_and(|end| ImageEnd::of(image) == Some(end.image))
    }

    fn growth(&self) -> usize {
        self.end.map_or(0, |end| end.image.growth())
    }

    /// Finds out whether a save would fail, as far as that can be known before.
    pub(crate) fn check_saving(&self) -> Result<(), DiskError> {
        self.file.check_saving()
    }

    /// Whether records can be saved, as far as that can be known before, even if images cannot.
    pub(crate) fn can_save_changes(&self) -> bool {
        self.end.is_some() && self.file.is_writable()
    }

    /// The image that the file has now, and its records; `None` if its path leads to another file,
    /// or the image is encrypted with another passphrase.
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

    /// A file that is open already, with this content, which is this image, decrypted.
    #[cfg(test)]
    pub(crate) fn of(
        file: CardFile,
        cipher: Option<FileCipher>,
        content: &[u8],
        image: &[u8],
    ) -> Self {
        Self::new(file, cipher, FileEnd::of(content, image))
    }
}

impl Store for ImageFile {
    fn save(&mut self, card: &Card) -> Result<(), DiskError> {
        self.save_image(&CardImage::from(card.image()))
    }

    fn save_change(&mut self, card: &Card) -> Result<(), DiskError> {
        if !self.append(card)? {
            return self.save(card);
        }
        // Nobody has compacted it meanwhile.
        if self.growth() >= LATEST_COMPACTION * self.patience {
            self.compact(card);
        }
        Ok(())
    }

    fn is_outgrown(&self) -> bool {
        self.growth() >= self.patience
    }

    fn compact(&mut self, card: &Card) {
        let (end, number) = (self.end, self.file.number());
        if self.save(card).is_err() {
            self.patience *= 2;
            // Records may follow what the file has, unless that was replaced before the failure.
            self.end = end.filter(|_| self.file.number() == number);
        }
    }

    fn file(&self) -> Option<&ImageFile> {
        Some(self)
    }
}

/// The content of a file with this image, and records that may follow it.
fn content<'a>(cipher: Option<&mut FileCipher>, image: &'a [u8]) -> Cow<'a, [u8]> {
    match cipher {
        Some(cipher) => cipher.encrypt(image).into(),
        None => image.into(),
    }
}

/// Reads a card's image and its records, whether it is in use or not.
pub(crate) fn read(path: &Path, passphrase: &PassphraseSource) -> Result<CardImage, Failure> {
    let content = CardImage::from(disk::read(path)?);
    decrypt(path, &content, passphrase).map(|(_, image)| image)
}

/// The image and its records in what was read from `path`, and its cipher, if it is encrypted.
pub(crate) fn decrypt(
    path: &Path,
    content: &[u8],
    passphrase: &PassphraseSource,
) -> Result<(Option<FileCipher>, CardImage), Failure> {
    if !encryption::is_encrypted(content) {
        return Ok((None, content.to_vec().into()));
    }
    let passphrase = passphrase.of_card(path)?;
    let opened = encryption::decrypt(content, &passphrase, Seed::random()?);
    let (cipher, image) =
        opened.map_err(|error| Failure::Failed(format!("{} {error}", path.display())))?;
    Ok((Some(cipher), image))
}
