//! A card's image under a passphrase, as it stands in a file.
//!
//! The first line is text: `vschsm-card-sealed`, the format's version, how the key follows from the
//! passphrase, the salt and the nonce; what comes after it is the image, encrypted:
//!
//! ```text
//! vschsm-card-sealed 1 argon2id m=65536 t=3 p=1 SALT NONCE
//! ```
//!
//! The key is what Argon2id (RFC 9106, version 13) makes of passphrase and salt, in `m` KiB of
//! memory and `t` passes. The cipher is XChaCha20-Poly1305, and the first line with its line feed
//! is authenticated too, so that nothing in the file can be changed. The key is made once, when the
//! card is opened; each save has a random nonce of 24 bytes, and so many do not meet.

#[cfg(test)]
mod tests;

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

/// How every encrypted card begins.
pub(crate) const MAGIC: &str = "vschsm-card-sealed";

/// The version that is written.
const VERSION: u32 = 1;

/// The length of what authenticates, in bytes.
const TAG: usize = 16;

/// A card's image in the clear.
pub(crate) type Image = Zeroizing<Vec<u8>>;

/// What it takes to try a passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    /// In KiB.
    memory: u32,
    passes: u32,
}

impl Cost {
    /// The second choice of RFC 9106, section 4, but in one lane: a fifth of a second.
    const USUAL: Self = Self { memory: 64 << 10, passes: 3 };

    /// What tests can wait for many times.
    #[cfg(test)]
    pub(crate) const LEAST: Self = Self { memory: 8, passes: 1 };

    /// More is not believed of any file, however it came to say so: nobody's memory is to be filled
    /// before anything is authenticated.
    const MOST: Self = Self { memory: 256 << 10, passes: 16 };
}

/// What a card's file is encrypted with from the moment when it is opened.
pub(crate) struct Seal {
    cost: Cost,
    salt: [u8; 16],
    cipher: XChaCha20Poly1305,
    nonces: ChaCha20Rng,
}

/// The first line, but for what is the same in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 24],
}

/// Why an encrypted card does not open: the rest of a sentence that begins with the file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// A file of a newer program.
    Newer(u32),
    /// The first line is not what it should be.
    Malformed,
    /// Another passphrase, or a file that is not as it was written.
    Refused,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer(version) => write!(
                f,
                "is encrypted in format {version}, and this program knows format {VERSION}: use a \
                 newer vschsm"
            ),
            Self::Malformed => f.write_str(
                "is damaged, cut short or edited: its first line is not that of an encrypted card",
            ),
            Self::Refused => f.write_str(
                "does not open: the passphrase is wrong, or the file is damaged, cut short or \
                 edited",
            ),
        }
    }
}

/// Whether this is a card under a passphrase.
pub(crate) fn is_sealed(content: &[u8]) -> bool {
    content.starts_with(MAGIC.as_bytes())
}

/// The image in an encrypted card, and what encrypts it again; `entropy` is fresh randomness.
pub(crate) fn open(
    content: &[u8],
    passphrase: &str,
    entropy: Seed,
) -> Result<(Seal, Image), Error> {
    let (header, _) = Header::take(content)?;
    let seal = Seal::with(passphrase, header.cost, header.salt, entropy);
    let image = seal.open(content)?;
    Ok((seal, image))
}

impl Seal {
    /// What encrypts a card under a new passphrase.
    pub(crate) fn new(passphrase: &str) -> Result<Self, Failure> {
        let salt = <[u8; 32]>::from(Seed::random()?);
        let salt = salt.first_chunk().copied().unwrap_or_default();
        Ok(Self::with(passphrase, Cost::USUAL, salt, Seed::random()?))
    }

    /// The same of a known salt; `entropy` is fresh randomness.
    pub(crate) fn with(passphrase: &str, cost: Cost, salt: [u8; 16], entropy: Seed) -> Self {
        let key = key(passphrase, cost, &salt);
        let cipher = XChaCha20Poly1305::new((&*key).into());
        Self { cost, salt, cipher, nonces: ChaCha20Rng::from_seed(entropy.into()) }
    }

    /// The content of a file that holds this image.
    pub(crate) fn seal(&mut self, image: &[u8]) -> Vec<u8> {
        let mut nonce = [0; 24];
        self.nonces.fill_bytes(&mut nonce);
        let header = Header { cost: self.cost, salt: self.salt, nonce }.to_string();
        // All of it at once: what grows leaves copies behind.
        let mut sealed = Vec::with_capacity(image.len() + TAG);
        sealed.extend_from_slice(image);
        self.cipher
            .encrypt_in_place(&XNonce::from(nonce), header.as_bytes(), &mut sealed)
            .expect("an image is shorter than the cipher's 256 GiB");
        [header.as_bytes(), &sealed].concat()
    }

    /// The image in the content of a file that was sealed under the same passphrase and salt.
    pub(crate) fn open(&self, content: &[u8]) -> Result<Image, Error> {
        let (header, sealed) = Header::take(content)?;
        if (header.cost, header.salt) != (self.cost, self.salt) {
            return Err(Error::Refused);
        }
        let mut image = Image::new(sealed.to_vec());
        self.cipher
            .decrypt_in_place(&header.nonce.into(), header.to_string().as_bytes(), &mut *image)
            .map_err(|_| Error::Refused)?;
        Ok(image)
    }
}

/// Shows no secret.
impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({:?})", self.cost)
    }
}

/// The line with its line feed.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cost: Cost { memory, passes }, salt, nonce } = self;
        let [salt, nonce] = [&salt[..], nonce].map(hex::upper);
        writeln!(f, "{MAGIC} {VERSION} argon2id m={memory} t={passes} p=1 {salt} {nonce}")
    }
}

impl Header {
    /// The header of an encrypted card, and what is encrypted.
    fn take(content: &[u8]) -> Result<(Self, &[u8]), Error> {
        let end = content.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n');
        let (line, sealed) = content.split_at(end.ok_or(Error::Malformed)? + 1);
        let text = str::from_utf8(line).map_err(|_| Error::Malformed)?;
        let header = Self::parse(text)?;
        // It is authenticated as it is written: there is no other way to write it.
        if header.to_string() != text {
            return Err(Error::Malformed);
        }
        Ok((header, sealed))
    }

    fn parse(line: &str) -> Result<Self, Error> {
        let mut words = line.trim_end().split(' ');
        if words.next() != Some(MAGIC) {
            return Err(Error::Malformed);
        }
        match words.next().and_then(|version| version.parse().ok()) {
            Some(VERSION) => {}
            Some(0) | None => return Err(Error::Malformed),
            Some(version) => return Err(Error::Newer(version)),
        }
        let words: Vec<_> = words.collect();
        let ["argon2id", memory, passes, "p=1", salt, nonce] = words.as_slice() else {
            return Err(Error::Malformed);
        };
        let number = |word: &str, name| word.strip_prefix(name)?.parse().ok();
        let header = || {
            let cost = Cost { memory: number(memory, "m=")?, passes: number(passes, "t=")? };
            let salt = hex::parse(salt).ok()?.try_into().ok()?;
            let nonce = hex::parse(nonce).ok()?.try_into().ok()?;
            let possible = (8..=Cost::MOST.memory).contains(&cost.memory)
                && (1..=Cost::MOST.passes).contains(&cost.passes);
            possible.then_some(Self { cost, salt, nonce })
        };
        header().ok_or(Error::Malformed)
    }
}

/// No first line is longer, in bytes.
const LONGEST_LINE: usize = 256;

/// The key that a passphrase and a salt give.
fn key(passphrase: &str, Cost { memory, passes }: Cost, salt: &[u8; 16]) -> Zeroizing<[u8; 32]> {
    let parameters = Params::new(memory, passes, 1, None).expect("the bounds are Argon2's");
    let mut blocks = Zeroizing::new(vec![Block::default(); parameters.block_count()]);
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into_with_memory(passphrase.as_bytes(), salt, &mut *key, &mut *blocks)
        .expect("the salt is long enough, and so are the blocks");
    key
}
