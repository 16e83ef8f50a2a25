//! The version of images, the type of their fields, and errors.

use crate::hex::Hex;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use zeroize::Zeroizing;

/// How every image begins.
pub const MAGIC: &str = "vschsm-card";

/// The version that is written.
///
/// 2 has AES keys, curves without a name and key domains, and is 1 otherwise; 3 has key domains for
/// key exchange, 4 the public keys that authenticate the user, 5 keys with quotas and what the card
/// manager keeps, 6 keys that share a use counter, or that another one is to wrap, and 7 tells the
/// length of the image, behind which records of changes may follow.
pub(super) const VERSION: u32 = 7;

/// Some are secrets, so all of them are wiped.
pub(super) type HexBytes = Hex<Zeroizing<Vec<u8>>>;

/// Why bytes are not a card: the rest of a sentence that begins with the file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageError {
    /// Not a card image.
    Foreign,
    /// An image of a newer format, with its version.
    Newer(u32),
    /// An image that is incomplete, or was changed after it was written.
    Damaged,
    /// The checksum is right, but the content is not valid; the reason.
    Invalid(String),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("is not a vschsm card image"),
            Self::Newer(version) => write!(
                f,
                "is a card image of format {version}, and this program knows formats up to \
                 {VERSION}: use a newer vschsm"
            ),
            Self::Damaged => f.write_str(
                "is damaged, cut short or edited: its content does not match its checksum",
            ),
            Self::Invalid(reason) => write!(f, "is not a valid card: {reason}"),
        }
    }
}

impl core::error::Error for ImageError {}

pub(super) fn invalid(reason: impl ToString) -> ImageError {
    ImageError::Invalid(reason.to_string())
}

pub(super) fn bytes(bytes: &[u8]) -> HexBytes {
    Hex(Zeroizing::new(bytes.to_vec()))
}

/// The number of random streams that a card has begun, unless it cannot begin another.
pub(super) fn streams(streams: u64) -> Result<u64, ImageError> {
    if streams == u64::MAX {
        return Err(invalid("its counter of random streams has overflowed"));
    }
    Ok(streams)
}
