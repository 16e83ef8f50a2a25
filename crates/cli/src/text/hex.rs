//! Hexadecimal digits, as users write and read them.

/// Parses pairs of digits, with spaces and colons anywhere.
///
/// The error is one sentence that shows no more than the wrong character, as the text may hold a
/// PIN or a key.
pub(crate) fn parse(text: &str) -> Result<Vec<u8>, String> {
    let digits: String =
        text.chars().filter(|character| !character.is_whitespace() && *character != ':').collect();
    if digits.is_empty() {
        return Err("expected an APDU or a file in hexadecimal digits".into());
    }
    if let Some(wrong) = digits.chars().find(|character| !character.is_ascii_hexdigit()) {
        return Err(format!("{wrong:?} is not a hexadecimal digit"));
    }
    let odd = || format!("an odd number of hexadecimal digits, {}", digits.len());
    base16ct::mixed::decode_vec(&digits).map_err(|_| odd())
}

/// `bytes` in upper-case digits.
pub(crate) fn upper(bytes: &[u8]) -> String {
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
        assert_eq!(parse("00x4"), Err("'x' is not a hexadecimal digit".into()));
        assert_eq!(parse("00A"), Err("an odd number of hexadecimal digits, 3".into()));
        assert!(parse(" : ").is_err());
    }
}
