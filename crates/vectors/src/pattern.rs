//! Responses as vectors write them.

/// Whether `response` is what `pattern` says: digits, `..` for any byte, `*` for any run of bytes.
pub(crate) fn matches(pattern: &str, response: &[u8]) -> bool {
    match (pattern.split_at_checked(1), response) {
        (None, response) => response.is_empty(),
        (Some(("*", rest)), _) => {
            (0..=response.len()).any(|skip| matches(rest, response.get(skip..).unwrap_or_default()))
        }
        (_, []) => false,
        (_, [first, after @ ..]) => {
            let (byte, rest) = pattern.split_at_checked(2).unwrap_or((pattern, ""));
            (byte == ".." || u8::from_str_radix(byte, 16) == Ok(*first)) && matches(rest, after)
        }
    }
}

/// Whether `text` is a pattern: pairs of digits or dots, and asterisks.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.split('*').all(|run| {
        run.is_ascii()
            && run.len().is_multiple_of(2)
            && run
                .as_bytes()
                .chunks(2)
                .all(|pair| pair == b".." || pair.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_stand_for_a_byte_and_an_asterisk_for_any_number() {
        let response = [0x30, 0x01, 0xAA, 0x90, 0x00];
        for pattern in ["3001AA9000", "30..AA9000", "30*9000", "*", "*30*01AA90*00*"] {
            assert!(is_pattern(pattern) && matches(pattern, &response), "{pattern}");
        }
        for pattern in ["", "3001AA", "30....9000..", "*6A80", "31*"] {
            assert!(is_pattern(pattern) && !matches(pattern, &response), "{pattern}");
        }
        for text in ["3", ".", "3.", "30 01", "6Axx", "3*0", "63Cé"] {
            assert!(!is_pattern(text), "{text}");
        }
    }
}
