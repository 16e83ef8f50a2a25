//! BER-TLV as the card's commands and CV certificates use it: tags of one or two bytes, definite
//! lengths up to 65,535. Source: ISO 7816-4 section 5.2.2.
//!
//! ```
//! use vschsm_protocol::tlv;
//!
//! let name = tlv::encode(0x5F20, b"ZZVS0000001");
//! let certificate = tlv::encode(0x7F21, &tlv::encode(0x7F4E, &name));
//! assert_eq!(tlv::at(&certificate, &[0x7F21, 0x7F4E, 0x5F20]), Some(&b"ZZVS0000001"[..]));
//! assert_eq!(tlv::parse(b"\x53\x02\x01"), Err(tlv::TlvError::Truncated));
//! ```

use crate::apdu::Status;
use alloc::vec::Vec;
use core::fmt;

/// Why bytes are not a sequence of data objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlvError {
    /// The bytes end inside an object.
    Truncated,
    /// A tag of three bytes or more, an indefinite length, or one of three bytes or more.
    Unsupported,
}

impl fmt::Display for TlvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "a data object is cut short",
            Self::Unsupported => "a data object has a tag or length of more than two bytes",
        })
    }
}

impl core::error::Error for TlvError {}

/// Malformed TLV in command data is `6A80` unless a command says otherwise.
impl From<TlvError> for Status {
    #[inline]
    fn from(_: TlvError) -> Self {
        Self::WRONG_DATA
    }
}

/// One data object of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    /// One or two bytes, as a number.
    pub tag: u16,
    /// Up to 65,535 bytes.
    pub value: &'a [u8],
    /// Tag, length and value, as they stand in the sequence.
    pub encoded: &'a [u8],
}

/// Splits `bytes` into its data objects.
///
/// # Errors
/// If they are not whole objects, one after the other.
#[inline]
pub fn parse(bytes: &[u8]) -> Result<Vec<Object<'_>>, TlvError> {
    let mut objects = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (object, after) = take(rest)?;
        objects.push(object);
        rest = after;
    }
    Ok(objects)
}

/// The value of the first object with `tag`.
#[inline]
#[must_use]
pub fn find<'a>(objects: &[Object<'a>], tag: u16) -> Option<&'a [u8]> {
    objects.iter().find(|object| object.tag == tag).map(|object| object.value)
}

/// The value that lies under these tags: of the first object with the first one, in that of the
/// first with the second, and so on.
#[must_use]
pub fn at<'a>(bytes: &'a [u8], path: &[u16]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, tag| find(&parse(bytes).ok()?, *tag))
}

/// Splits `bytes` into the first object and the rest.
///
/// # Errors
/// If they do not begin with a whole object.
pub fn take(bytes: &[u8]) -> Result<(Object<'_>, &[u8]), TlvError> {
    let (tag, rest) = match bytes {
        [first, second, rest @ ..] if first & 0x1F == 0x1F => {
            if second & 0x80 != 0 {
                return Err(TlvError::Unsupported);
            }
            (u16::from_be_bytes([*first, *second]), rest)
        }
        [first, rest @ ..] if first & 0x1F != 0x1F => (u16::from(*first), rest),
        _ => return Err(TlvError::Truncated),
    };
    let (len, rest) = match rest {
        [len @ ..=0x7F, rest @ ..] => (usize::from(*len), rest),
        [0x81, len, rest @ ..] => (usize::from(*len), rest),
        [0x82, hi, lo, rest @ ..] => (usize::from(u16::from_be_bytes([*hi, *lo])), rest),
        [] | [0x81 | 0x82, ..] => return Err(TlvError::Truncated),
        _ => return Err(TlvError::Unsupported),
    };
    let (value, after) = rest.split_at_checked(len).ok_or(TlvError::Truncated)?;
    let encoded = bytes.get(..bytes.len() - after.len()).ok_or(TlvError::Truncated)?;
    Ok((Object { tag, value, encoded }, after))
}

/// One data object, its length in as few bytes as it needs.
///
/// Whatever is longer than 65,535 bytes is an object as well, though none that [`parse`] takes: a
/// host may be told to send it, and the card has to say what it thinks of it.
#[must_use]
pub fn encode(tag: u16, value: &[u8]) -> Vec<u8> {
    let [tag_high, tag_low] = tag.to_be_bytes();
    let length = value.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let digits = length.get(zeros..).unwrap_or_default();
    let mut bytes = Vec::with_capacity(3 + length.len() + value.len());
    if tag_high != 0 {
        bytes.push(tag_high);
    }
    bytes.push(tag_low);
    match digits {
        [] => bytes.push(0),
        [0x00..=0x7F] => {}
        _ => bytes.push(0x80 | u8::try_from(digits.len()).unwrap_or(8)),
    }
    bytes.extend(digits);
    bytes.extend(value);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;
    use alloc::vec;

    #[test]
    fn every_truncation_is_reported() {
        let object = [0x7F, 0x49, 0x82, 0x00, 0x02, 0xBE, 0xEF];
        for cut in 1..object.len() {
            let truncated = object.get(..cut).unwrap_or_default();
            assert_eq!(take(truncated), Err(TlvError::Truncated), "cut at {cut}");
        }
    }

    #[test]
    fn an_error_says_what_is_wrong() {
        let [truncated, unsupported] =
            [TlvError::Truncated, TlvError::Unsupported].map(|error| error.to_string());
        assert_eq!(truncated, "a data object is cut short");
        assert_eq!(unsupported, "a data object has a tag or length of more than two bytes");
    }

    #[test]
    fn what_is_encoded_parses_back_at_every_form_of_length() {
        for len in [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF] {
            let value = vec![0x5A; len];
            for tag in [0x53, 0x7F49] {
                let encoded = encode(tag, &value);
                let object = Object { tag, value: &value, encoded: &encoded };
                assert_eq!(parse(&encoded), Ok(vec![object]), "tag {tag:X}, {len} bytes");
            }
        }
    }

    #[test]
    fn what_is_too_long_for_the_card_is_encoded_and_refused() {
        let object = encode(0x53, &vec![0x5A; 0x1_0000]);
        assert!(object.starts_with(&[0x53, 0x83, 0x01, 0x00, 0x00, 0x5A]));
        assert_eq!((object.len(), take(&object)), (0x1_0005, Err(TlvError::Unsupported)));
    }

    #[test]
    fn every_first_byte_tells_how_long_a_tag_is() {
        for first in 0..=0xFF {
            let (bytes, tag) = match first & 0x1F {
                0x1F => (vec![first, 0x01, 0x01, 0x5A], u16::from_be_bytes([first, 0x01])),
                _ => (vec![first, 0x01, 0x5A], first.into()),
            };
            let object = Object { tag, value: &[0x5A], encoded: &bytes };
            assert_eq!(parse(&bytes), Ok(vec![object]));
        }
    }

    #[test]
    fn long_tags_and_indefinite_lengths_are_refused() {
        assert_eq!(take(&[0x7F, 0x81, 0x01, 0x00]), Err(TlvError::Unsupported));
        assert_eq!(take(&[0x30, 0x80, 0x00, 0x00]), Err(TlvError::Unsupported));
        assert_eq!(take(&[0x30, 0x83, 0x00, 0x00, 0x00]), Err(TlvError::Unsupported));
    }
}
