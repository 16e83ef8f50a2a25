//! Records of changes in an encrypted card's file.

use super::{CardImage, EncryptionError, FileCipher, FileHeader, TAG};
use crate::text::hex;

/// How every record begins.
const RECORD: &str = "change";

/// The end of an encrypted card's file, which its next record continues.
///
/// A record is a line of text: `change`, the length of what is encrypted in bytes, the nonce and
/// the encrypted record of the image in hexadecimal. What is before the encrypted record is
/// authenticated with it, and the nonce and tag of the image or record before. So a record can only
/// follow the one that it was written behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EncryptedEnd {
    nonce: [u8; 24],
    tag: [u8; TAG],
}

/// An encrypted record.
pub(super) struct EncryptedRecord {
    nonce: [u8; 24],
    encrypted: Vec<u8>,
}

/// The records of a file.
pub(super) struct Records {
    pub(super) whole: Vec<EncryptedRecord>,
    /// Whether another one follows that was not stored completely: see [`vschsm_card::image`].
    is_cut: bool,
}

impl EncryptedEnd {
    /// The end behind something that was encrypted with that nonce.
    pub(super) fn new(nonce: [u8; 24], encrypted: &[u8]) -> Self {
        Self { nonce, tag: encrypted.last_chunk().copied().unwrap_or_default() }
    }

    /// The end of a file's content; `None` where no record can follow: in version 1, and behind a
    /// record that was not stored completely.
    pub(crate) fn of(content: &[u8]) -> Option<Self> {
        let (header, rest) = FileHeader::take(content).ok()?;
        header.length?;
        let (encrypted, records) = header.split(rest).ok()?;
        let Records { whole, is_cut } = Records::parse(records).ok()?;
        let end = whole.last().map(|last| Self::new(last.nonce, &last.encrypted));
        (!is_cut).then(|| end.unwrap_or_else(|| Self::new(header.nonce, encrypted)))
    }

    /// What is authenticated with a record behind this end.
    fn authenticates(&self, before: &str) -> Vec<u8> {
        [&self.nonce[..], &self.tag, before.as_bytes()].concat()
    }
}

impl FileCipher {
    /// A record of the image as it is appended to the file, and the end from then on.
    pub(crate) fn encrypt_record(
        &mut self,
        end: EncryptedEnd,
        record: &[u8],
    ) -> (Vec<u8>, EncryptedEnd) {
        let nonce = self.nonce();
        let before = before(record.len() + TAG, nonce);
        let encrypted = self.encrypt_part(nonce, &end.authenticates(&before), record);
        let end = EncryptedEnd::new(nonce, &encrypted);
        (EncryptedRecord { nonce, encrypted }.line().into_bytes(), end)
    }
}

impl EncryptedRecord {
    /// The record of the image; it must be the one behind `end`, which moves behind it.
    pub(super) fn decrypt(
        &self,
        cipher: &FileCipher,
        end: &mut EncryptedEnd,
    ) -> Result<CardImage, EncryptionError> {
        let authenticated = end.authenticates(&before(self.encrypted.len(), self.nonce));
        *end = EncryptedEnd::new(self.nonce, &self.encrypted);
        cipher.decrypt_part(self.nonce, &authenticated, &self.encrypted)
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let text = str::from_utf8(line).ok()?;
        let mut words = text.trim_end().split(' ').skip(2);
        let nonce = hex::parse(words.next()?).ok()?.try_into().ok()?;
        let encrypted = hex::parse(words.next()?).ok()?;
        let record = Self { nonce, encrypted };
        // There is only one way to write it.
        (record.line() == text).then_some(record)
    }

    fn line(&self) -> String {
        before(self.encrypted.len(), self.nonce) + &hex::upper(&self.encrypted) + "\n"
    }
}

/// A record up to what is encrypted.
fn before(length: usize, nonce: [u8; 24]) -> String {
    format!("{RECORD} {length} {} ", hex::upper(&nonce))
}

impl Records {
    /// The lines behind an encrypted image.
    pub(super) fn parse(records: &[u8]) -> Result<Self, EncryptionError> {
        let mut whole = Vec::new();
        let mut lines = records.split_inclusive(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            let is_last = lines.peek().is_none();
            if is_last && (!line.ends_with(b"\n") || line.contains(&0x00)) {
                return Ok(Self { whole, is_cut: true });
            }
            whole.push(EncryptedRecord::parse(line).ok_or(EncryptionError::NotAuthentic)?);
        }
        Ok(Self { whole, is_cut: false })
    }
}
