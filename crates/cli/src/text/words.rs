//! Numbers of the card's interface in words.

/// What an algorithm identifier stands for, as P2 of a command and in a key's algorithm list.
///
/// Source: the vendor's identifiers, as in OpenSC `card-sc-hsm.h` and sc-hsm-embedded.
pub(crate) fn algorithm(identifier: u8) -> Option<&'static str> {
    let words = match identifier {
        0x10 => "AES-CBC encryption",
        0x11 => "AES-CBC decryption",
        0x18 => "AES-CMAC",
        0x20 | 0x21 => "raw RSA",
        0x22 => "RSA PKCS#1 decryption",
        0x23 => "RSA-OAEP",
        0x30 => "RSA PKCS#1",
        0x31 => "RSA PKCS#1 SHA-1",
        0x32 => "RSA PKCS#1 SHA-224",
        0x33 => "RSA PKCS#1 SHA-256",
        0x34 => "RSA PKCS#1 SHA-384",
        0x35 => "RSA PKCS#1 SHA-512",
        0x40 => "RSA-PSS",
        0x41 => "RSA-PSS SHA-1",
        0x42 => "RSA-PSS SHA-224",
        0x43 => "RSA-PSS SHA-256",
        0x44 => "RSA-PSS SHA-384",
        0x45 => "RSA-PSS SHA-512",
        0x70 => "ECDSA",
        0x71 => "ECDSA SHA-1",
        0x72 => "ECDSA SHA-224",
        0x73 => "ECDSA SHA-256",
        0x74 => "ECDSA SHA-384",
        0x75 => "ECDSA SHA-512",
        0x80 => "ECDH",
        0x83 => "ECDH with an authenticated key",
        0x84 => "key exchange of a key domain",
        0x92 => "wrap",
        0x93 => "unwrap",
        0x94 => "replace",
        0x98 => "EC key derivation",
        0x99 => "key derivation",
        _ => return None,
    };
    Some(words)
}

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
