//! A saved card as lines: an image, and behind it a record of each change since.

use super::format::{ImageError, MAGIC, VERSION};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// How every record begins.
const RECORD: &str = "change";

/// From this version on, an image tells its length and records may follow it.
const WITH_RECORDS: u32 = 7;

/// The end of a saved card, which its next record continues.
///
/// A record is a line of text: `change`, the length of its JSON in bytes, a checksum and the JSON.
/// The checksum is the SHA-256 of the one before it, that of the image or of another record, and of
/// the line without checksum and line feed. So a record can only follow the one that it was written
/// behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageEnd {
    checksum: [u8; 32],
    /// The length of the image's JSON, in bytes.
    image: usize,
    /// The length of all records so far, in bytes.
    records: usize,
}

/// A saved card, taken apart.
pub(super) struct Saved<'a> {
    /// The JSON of the image.
    pub(super) image: &'a [u8],
    /// The JSON of each change since.
    pub(super) changes: Vec<&'a [u8]>,
    end: Option<ImageEnd>,
}

impl ImageEnd {
    /// The end of a card as it was saved: an image, and records.
    ///
    /// `None` where no record can follow: behind an image of an older format, behind a record that
    /// was not stored completely, and behind what is no card.
    #[must_use]
    pub fn of(saved: &[u8]) -> Option<Self> {
        Saved::parse(saved).ok()?.end
    }

    /// How many times as long as the image its records are; an image counts as at least 64 KiB, so
    /// that a card with little on it is not saved anew all the time.
    #[must_use]
    pub fn growth(&self) -> usize {
        self.records / self.image.max(64 << 10)
    }

    /// The record of a change, which is appended, and the end from then on.
    pub(crate) fn record(self, change: &[u8]) -> (Zeroizing<Vec<u8>>, Self) {
        let before = format!("{RECORD} {} ", change.len());
        let checksum = checksum(&[&self.checksum, before.as_bytes(), change]);
        let digits = base16ct::lower::encode_string(&checksum);
        let line = [before.as_bytes(), digits.as_bytes(), b" ", change, b"\n"].concat();
        let records = self.records + line.len();
        (Zeroizing::new(line), Self { checksum, records, ..self })
    }
}

impl<'a> Saved<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (line, rest) = bytes.split_at(end);
        let line = str::from_utf8(line).map_err(|_| ImageError::Foreign)?;
        let mut words = line.split(' ');
        if words.next() != Some(MAGIC) {
            return Err(ImageError::Foreign);
        }
        let version = words.next().and_then(|word| word.parse().ok()).ok_or(ImageError::Damaged)?;
        let rest = rest.strip_prefix(b"\n").ok_or(ImageError::Damaged);
        match version {
            0 => Err(ImageError::Damaged),
            1..WITH_RECORDS => {
                let image = rest?.strip_suffix(b"\n").ok_or(ImageError::Damaged)?;
                let (expected, _) = header(version, image);
                check(line, &expected)?;
                Ok(Self { image, changes: Vec::new(), end: None })
            }
            WITH_RECORDS..=VERSION => {
                let length = words.next().and_then(|word| word.parse().ok());
                let parts = rest?.split_at_checked(length.ok_or(ImageError::Damaged)?);
                let (image, rest) = parts.ok_or(ImageError::Damaged)?;
                let rest = rest.strip_prefix(b"\n").ok_or(ImageError::Damaged)?;
                let (expected, end) = header(version, image);
                check(line, &expected)?;
                let (changes, end) = records(rest, end)?;
                Ok(Self { image, changes, end })
            }
            _ => Err(ImageError::Newer(version)),
        }
    }
}

/// The JSON in these records, and their end unless the last one was not stored completely.
///
/// Such a record has no line feed, or bytes that were never written, which are zero: a power cut
/// leaves that, and the command of that record has had no response. Behind it there is nothing.
fn records(
    mut rest: &[u8],
    mut end: ImageEnd,
) -> Result<(Vec<&[u8]>, Option<ImageEnd>), ImageError> {
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
            return Ok((changes, None));
        };
        let (line, after) = rest.split_at(length + 1);
        if after.is_empty() && line.contains(&0x00) {
            return Ok((changes, None));
        }
        let change = line.splitn(4, |byte| *byte == b' ').nth(3).ok_or(ImageError::Damaged)?;
        let change = change.strip_suffix(b"\n").unwrap_or(change);
        let (expected, next) = end.record(change);
        if expected.as_slice() != line {
            return Err(ImageError::Damaged);
        }
        changes.push(change);
        (rest, end) = (after, next);
    }
    Ok((changes, Some(end)))
}

/// An image with its header.
pub(super) fn with_header(image: &[u8]) -> Vec<u8> {
    let (header, _) = header(VERSION, image);
    [header.as_bytes(), b"\n", image, b"\n"].concat()
}

/// The first line of an image without its line feed, and the end of the image.
fn header(version: u32, image: &[u8]) -> (String, ImageEnd) {
    let before = match version {
        WITH_RECORDS.. => format!("{MAGIC} {version} {} ", image.len()),
        _ => format!("{MAGIC} {version} "),
    };
    let covered = if version < 3 { "" } else { before.as_str() };
    let checksum = checksum(&[covered.as_bytes(), image]);
    let header = before + &base16ct::lower::encode_string(&checksum);
    (header, ImageEnd { checksum, image: image.len(), records: 0 })
}

fn check(line: &str, expected: &str) -> Result<(), ImageError> {
    if line == expected { Ok(()) } else { Err(ImageError::Damaged) }
}

fn checksum(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}
