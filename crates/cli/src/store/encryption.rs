//! The file of an encrypted card: the image and its records, encrypted with a key from a
//! passphrase.
//!
//! The first line is text: `vschsm-card-sealed`, the format's version, the parameters of the key
//! derivation, the salt, the nonce, and the length in bytes of the encrypted image, which follows:
//!
//! ```text
//! vschsm-card-sealed 2 argon2id m=65536 t=3 p=1 SALT NONCE LENGTH
//! ```
//!
//! In version 1 there is no length, and the image is the rest of the file. Behind that of version 2
//! there may be records: see [`EncryptedEnd`].
//!
//! The key is derived by Argon2id (RFC 9106, version 13) from passphrase and salt, in `m` KiB of
//! memory and `t` passes. The cipher is XChaCha20-Poly1305, and the first line with its line feed
//! is authenticated too, so that nothing in the file can be changed. The key is derived once, when
//! the card is opened; each image and each record has a random nonce of 24 bytes, too long to be
//! used twice by chance.

mod records;
#[cfg(test)]
mod tests;

pub(crate) use records::EncryptedEnd;
use records::Records;

use crate::process::seed::Seed;
use crate::text::failure::Failure;
use crate::text::hex;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20::ChaCha20Rng;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand_core::{Rng, SeedableRng};
use std::fmt;
use zeroize::Zeroizing;

/// The start of every encrypted card's file.
pub(crate) const MAGIC: &str = "vschsm-card-sealed";

/// The version of the format that is written.
const VERSION: u32 = 2;

/// The version before there were records.
const WITHOUT_RECORDS: u32 = 1;

/// The length of the authentication tag in bytes.
const TAG: usize = 16;

/// A card's image, decrypted.
pub(crate) type CardImage = Zeroizing<Vec<u8>>;

/// The cost of trying a passphrase: parameters of Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// In KiB.
    memory: u32,
    passes: u32,
}

impl Cost {
    /// The second choice of RFC 9106, section 4, but in one lane: a fifth of a second.
    const USUAL: Self = Self { memory: 64 << 10, passes: 3 };

    /// For tests, which derive many keys.
    #[cfg(test)]
    pub(crate) const LEAST: Self = Self { memory: 8, passes: 1 };

    /// The maximum that is accepted from a file, whose cost is not authenticated when it is used:
    /// it must not fill the memory.
    const MOST: Self = Self { memory: 256 << 10, passes: 16 };
}

/// The cipher of a card's file, with its key, while the file is open.
pub(crate) struct FileCipher {
    cost: Cost,
    salt: [u8; 16],
    cipher: XChaCha20Poly1305,
    nonces: ChaCha20Rng,
}

/// The fields of the first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileHeader {
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 24],
    /// The length of the encrypted image in bytes; in version 1 it is the rest of the file.
    length: Option<usize>,
}

/// Why an encrypted card cannot be decrypted: the rest of a sentence that begins with the file's
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EncryptionError {
    /// A file of a newer program.
    NewerFormat(u32),
    /// The first line is malformed.
    MalformedHeader,
    /// The passphrase is wrong, or the file was changed.
    NotAuthentic,
}

impl std::error::Error for EncryptionError {}

impl fmt::Display for EncryptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewerFormat(version) => write!(
                f,
                "is encrypted in format {version}, and this program knows format {VERSION}: use a \
                 newer vschsm"
            ),
            Self::MalformedHeader => f.write_str(
                "is damaged, cut short or edited: its first line is not that of an encrypted card",
            ),
            Self::NotAuthentic => f.write_str(
                "does not open: the passphrase is wrong, or the file is damaged, cut short or \
                 edited",
            ),
        }
    }
}

/// Whether this is the file of an encrypted card.
pub(crate) fn is_encrypted(content: &[u8]) -> bool {
    content.starts_with(MAGIC.as_bytes())
}

/// The image in an encrypted card's file, and the cipher that encrypts it again; `entropy` is fresh
/// randomness.
pub(crate) fn decrypt(
    content: &[u8],
    passphrase: &str,
    entropy: Seed,
) -> Result<(FileCipher, CardImage), EncryptionError> {
    let (header, _) = FileHeader::take(content)?;
    let cipher = FileCipher::with(passphrase, header.cost, header.salt, entropy);
    let image = cipher.decrypt(content)?;
    Ok((cipher, image))
}

impl FileCipher {
    /// A cipher with a new passphrase and salt.
    pub(crate) fn new(passphrase: &str) -> Result<Self, Failure> {
        let salt = <[u8; 32]>::from(Seed::random()?);
        let salt = salt.first_chunk().copied().unwrap_or_default();
        Ok(Self::with(passphrase, Cost::USUAL, salt, Seed::random()?))
    }

    /// A cipher with a known salt; `entropy` is fresh randomness.
    pub(crate) fn with(passphrase: &str, cost: Cost, salt: [u8; 16], entropy: Seed) -> Self {
        let key = key(passphrase, cost, &salt);
        let cipher = XChaCha20Poly1305::new((&*key).into());
        Self { cost, salt, cipher, nonces: ChaCha20Rng::from_seed(entropy.into()) }
    }

    /// The content of a file with this image, and records that may follow it.
    pub(crate) fn encrypt(&mut self, image: &[u8]) -> Vec<u8> {
        let (nonce, length) = (self.nonce(), Some(image.len() + TAG));
        let header = FileHeader { cost: self.cost, salt: self.salt, nonce, length }.to_string();
        let encrypted = self.encrypt_part(nonce, header.as_bytes(), image);
        [header.as_bytes(), &encrypted].concat()
    }

    /// The image in the content of a file with the same passphrase and salt, and the records behind
    /// it.
    pub(crate) fn decrypt(&self, content: &[u8]) -> Result<CardImage, EncryptionError> {
        let (header, rest) = FileHeader::take(content)?;
        if (header.cost, header.salt) != (self.cost, self.salt) {
            return Err(EncryptionError::NotAuthentic);
        }
        let (encrypted, records) = header.split(rest)?;
        let image = self.decrypt_part(header.nonce, header.to_string().as_bytes(), encrypted)?;
        let mut end = EncryptedEnd::new(header.nonce, encrypted);
        // With its final capacity, as a vector that grows leaves copies behind.
        let mut decrypted = CardImage::new(Vec::with_capacity(content.len()));
        decrypted.extend_from_slice(&image);
        for record in Records::parse(records)?.whole {
            decrypted.extend_from_slice(&record.decrypt(self, &mut end)?);
        }
        Ok(decrypted)
    }

    fn nonce(&mut self) -> [u8; 24] {
        let mut nonce = [0; 24];
        self.nonces.fill_bytes(&mut nonce);
        nonce
    }

    fn encrypt_part(&self, nonce: [u8; 24], authenticated: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut encrypted = Vec::with_capacity(plain.len() + TAG);
        encrypted.extend_from_slice(plain);
        self.cipher
            .encrypt_in_place(&XNonce::from(nonce), authenticated, &mut encrypted)
            .expect("an image is shorter than the cipher's 256 GiB");
        encrypted
    }

    fn decrypt_part(
        &self,
        nonce: [u8; 24],
        authenticated: &[u8],
        encrypted: &[u8],
    ) -> Result<CardImage, EncryptionError> {
        let mut plain = CardImage::new(encrypted.to_vec());
        self.cipher
            .decrypt_in_place(&nonce.into(), authenticated, &mut *plain)
            .map_err(|_| EncryptionError::NotAuthentic)?;
        Ok(plain)
    }
}

/// Without the key.
impl fmt::Debug for FileCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileCipher({:?})", self.cost)
    }
}

/// The line with its line feed.
impl fmt::Display for FileHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cost: Cost { memory, passes }, salt, nonce, length } = self;
        let [salt, nonce] = [&salt[..], nonce].map(hex::upper);
        let version = if length.is_some() { VERSION } else { WITHOUT_RECORDS };
        write!(f, "{MAGIC} {version} argon2id m={memory} t={passes} p=1 {salt} {nonce}")?;
        match length {
            Some(length) => writeln!(f, " {length}"),
            None => writeln!(f),
        }
    }
}

impl FileHeader {
    /// The header of an encrypted card's file, and the rest.
    fn take(content: &[u8]) -> Result<(Self, &[u8]), EncryptionError> {
        let end = content.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n');
        let end = end.ok_or(EncryptionError::MalformedHeader)?;
        let (line, encrypted) = content.split_at(end + 1);
        let text = str::from_utf8(line).map_err(|_| EncryptionError::MalformedHeader)?;
        let header = Self::parse(text)?;
        // It is authenticated as it is written: there is only one way to write it.
        if header.to_string() != text {
            return Err(EncryptionError::MalformedHeader);
        }
        Ok((header, encrypted))
    }

    /// The encrypted image, and the records, in what follows the header.
    fn split<'a>(&self, rest: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), EncryptionError> {
        let parts = rest.split_at_checked(self.length.unwrap_or(rest.len()));
        parts.ok_or(EncryptionError::NotAuthentic)
    }

    fn parse(line: &str) -> Result<Self, EncryptionError> {
        let mut words = line.trim_end().split(' ');
        if words.next() != Some(MAGIC) {
            return Err(EncryptionError::MalformedHeader);
        }
        let version = match words.next().and_then(|version| version.parse().ok()) {
            Some(version @ (WITHOUT_RECORDS | VERSION)) => version,
            Some(0) | None => return Err(EncryptionError::MalformedHeader),
            Some(version) => return Err(EncryptionError::NewerFormat(version)),
        };
        let words: Vec<_> = words.collect();
        let ["argon2id", memory, passes, "p=1", salt, nonce, length @ ..] = words.as_slice() else {
            return Err(EncryptionError::MalformedHeader);
        };
        let length = match (version, length) {
            (WITHOUT_RECORDS, []) => None,
            (VERSION, [length]) => {
                Some(length.parse().map_err(|_| EncryptionError::MalformedHeader)?)
            }
            _ => return Err(EncryptionError::MalformedHeader),
        };
        let number = |word: &str, name| word.strip_prefix(name)?.parse().ok();
        let header = || {
            let cost = Cost { memory: number(memory, "m=")?, passes: number(passes, "t=")? };
            let salt = hex::parse(salt).ok()?.try_into().ok()?;
            let nonce = hex::parse(nonce).ok()?.try_into().ok()?;
            let possible = (8..=Cost::MOST.memory).contains(&cost.memory)
                && (1..=Cost::MOST.passes).contains(&cost.passes);
            possible.then_some(Self { cost, salt, nonce, length })
        };
        header().ok_or(EncryptionError::MalformedHeader)
    }
}

/// The longest first line in bytes.
const LONGEST_LINE: usize = 256;

/// Derives the key from a passphrase and a salt.
fn key(passphrase: &str, Cost { memory, passes }: Cost, salt: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    let parameters = Params::new(memory, passes, 1, None).expect("the bounds are Argon2's");
    let mut blocks = Zeroizing::new(vec![Block::default(); parameters.block_count()]);
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into_with_memory(passphrase.as_bytes(), salt, &mut *key, &mut *blocks)
        .expect("the salt is long enough, and so are the blocks");
    key
}
