//! Hexadecimal digits, as users write and read them.

use std::error::Error;
use std::fmt;

/// Why a text is not bytes in hexadecimal. It shows no more than the character that is wrong, as
/// the text may hold a PIN or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HexError {
    /// There are no digits.
    Empty,
    /// This character is not a hexadecimal digit.
    NotADigit(char),
    /// So many digits are an odd number.
    Odd(usize),
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no hexadecimal digits"),
            Self::NotADigit(wrong) => write!(f, "{wrong:?} is not a hexadecimal digit"),
            Self::Odd(length) => write!(f, "an odd number of hexadecimal digits, {length}"),
        }
    }
}

impl Error for HexError {}

/// Its sentence, for parsers of options.
impl From<HexError> for String {
    fn from(error: HexError) -> Self {
        error.to_string()
    }
}

/// Parses pairs of digits, with spaces and colons anywhere.
///
/// # Errors
/// If there are no digits, an odd number of them, or another character.
pub fn parse(text: &str) -> Result<Vec<u8>, HexError> {
    let digits: String =
        text.chars().filter(|character| !character.is_whitespace() && *character != ':').collect();
    if digits.is_empty() {
        return Err(HexError::Empty);
    }
    if let Some(wrong) = digits.chars().find(|character| !character.is_ascii_hexdigit()) {
        return Err(HexError::NotADigit(wrong));
    }
    base16ct::mixed::decode_vec(&digits).map_err(|_| HexError::Odd(digits.len()))
}

/// `bytes` in upper-case digits.
#[must_use]
pub fn upper(bytes: &[u8]) -> String {
    base16ct::upper::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_colons_separate_digits_and_case_does_not_matter() {
        assert_eq!(parse(" 00:a4 04 0C\t"), Ok(vec![0x00, 0xA4, 0x04, 0x0C]));
        assert_eq!(upper(&[0x00, 0xA4]), "00A4");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_rest() {
        assert_eq!(parse("00x4"), Err(HexError::NotADigit('x')));
        assert_eq!(parse("00A"), Err(HexError::Odd(3)));
        assert_eq!(parse(" : "), Err(HexError::Empty));
    }
}
