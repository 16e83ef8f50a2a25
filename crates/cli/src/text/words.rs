//! Numbers of the card's interface in words.

/// A day of a CV certificate, one decimal digit a byte: YYMMDD.
pub(crate) fn date([y1, y2, m1, m2, d1, d2]: [u8; 6]) -> String {
    format!("20{y1}{y2}-{m1}{m2}-{d1}{d2}")
}

/// The ciphers of a protocol of chip authentication, by its object identifier.
///
/// Source: TR-03110 part 3, A.1.1.2.
pub(crate) fn protocol(identifier: &[u8]) -> Option<&'static str> {
    match identifier {
        [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03, 0x02, 0x01] => Some("3DES"),
        [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03, 0x02, 0x02] => Some("AES-128"),
        _ => None,
    }
}

/// What a status word says; nothing for `9000`, whose number everybody knows, and for strangers.
pub(crate) fn status(status: u16) -> Option<&'static str> {
    let words = match status {
        0x6282 => "end of file",
        0x9001 => "the key has authenticated",
        0x6300 => "authentication failed",
        0x6400 => "nothing done",
        0x6700 => "wrong length",
        0x6881 => "logical channel not supported",
        0x6882 => "secure messaging not supported",
        0x6900 | 0x6986 => "command not allowed",
        0x6982 => "not authenticated",
        0x6983 => "PIN blocked",
        0x6984 => "not usable: a transport PIN, or no use left",
        0x6985 => "conditions not satisfied",
        0x6987 => "secure messaging object missing",
        0x6988 => "secure messaging object wrong",
        0x6A80 => "wrong data",
        0x6A81 => "not supported by key or firmware",
        0x6A82 => "file not found",
        0x6A84 => "not enough memory",
        0x6A86 => "wrong P1 or P2",
        0x6A88 => "reference not found",
        0x6A89 => "not empty",
        0x6D00 => "unknown instruction",
        0x6E00 => "unknown class",
        0x6F00 => "failure inside the card",
        _ => return None,
    };
    Some(words)
}

/// `1 byte`, `2 bytes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = match (number, noun.ends_with('y') && !noun.ends_with("ey")) {
        (1, _) => return format!("1 {noun}"),
        (_, true) => format!("{}ies", noun.trim_end_matches('y')),
        (_, false) => format!("{noun}s"),
    };
    format!("{number} {plural}")
}
