//! Names and texts for numbers of the card's interface.

/// A date of a CV certificate: YYMMDD, one decimal digit a byte.
pub(crate) fn date([y1, y2, m1, m2, d1, d2]: [u8; 6]) -> String {
    format!("20{y1}{y2}-{m1}{m2}-{d1}{d2}")
}

/// The cipher of a chip authentication protocol, by its object identifier.
///
/// Source: TR-03110 part 3, A.1.1.2.
pub(crate) fn protocol(identifier: &[u8]) -> Option<&'static str> {
    match identifier {
        [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03, 0x02, 0x01] => Some("3DES"),
        [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03, 0x02, 0x02] => Some("AES-128"),
        _ => None,
    }
}

/// The name of a status word, if it is known and not `9000`.
///
/// Source: ISO 7816-4, table "Specific interindustry warning and error conditions"; `6300` after an
/// authentication: GlobalPlatform; `9001`: the vendor.
pub(crate) fn status(status: u16) -> Option<&'static str> {
    let name = match status {
        0x6282 => "end of file reached before reading Ne bytes",
        0x9001 => "the key has authenticated",
        0x6300 => "authentication failed",
        0x6400 => "execution error",
        0x6700 => "wrong length",
        0x6881 => "logical channel not supported",
        0x6882 => "secure messaging not supported",
        0x6900 => "command not allowed",
        0x6982 => "security status not satisfied",
        0x6983 => "authentication method blocked",
        0x6984 => "reference data not usable",
        0x6985 => "conditions of use not satisfied",
        0x6986 => "command not allowed, no current EF",
        0x6987 => "expected secure messaging data objects missing",
        0x6988 => "incorrect secure messaging data objects",
        0x6A80 => "incorrect parameters in the command data field",
        0x6A81 => "function not supported",
        0x6A82 => "file or application not found",
        0x6A84 => "not enough memory space",
        0x6A86 => "incorrect parameters P1-P2",
        0x6A88 => "referenced data or reference data not found",
        0x6A89 => "file already exists",
        0x6D00 => "instruction code not supported or invalid",
        0x6E00 => "class not supported",
        0x6F00 => "no precise diagnosis",
        _ => return None,
    };
    Some(name)
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
