//! Secrets, looked for in whatever the program writes, in every way that it might write them.

use crate::vschsm::{digits, hex};

/// So much of a secret is a leak, in bytes.
const PART: usize = 8;

/// What must not be found.
pub(crate) struct Wanted(Vec<(String, Vec<u8>)>);

impl Wanted {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// The PINs, keys and key-encryption keys in a card's image.
    pub(crate) fn of_image(image: &str) -> Self {
        let mut wanted = Self::new();
        let lines = image.lines().map(str::trim);
        let mut digits = |name: &str, value: &str| {
            let value = value.trim_matches(['"', ',', ' ', '}', '{']);
            wanted.add(&format!("{name} {}", wanted.len()), &hex(value));
        };
        for line in lines {
            let Some((name, value)) = line.split_once(": ") else { continue };
            let name = name.trim_matches('"');
            if ["device-key", "value", "p", "q", "scalar", "key", "sum-of-shares"].contains(&name)
                && value.starts_with('"')
            {
                digits(name, value);
            }
        }
        wanted
    }

    pub(crate) fn add(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= 6, "{name} is too short to be looked for");
        self.0.push((name.into(), secret.to_vec()));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What is found in an output: the name of each secret, and how it is written.
    pub(crate) fn found_in(&self, output: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(output);
        let digits = without_separators(&text).to_lowercase();
        // As Rust prints bytes: with a comma, of which the last may be missing.
        let list: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let mut found = Vec::new();
        for (name, secret) in &self.0 {
            for part in secret.windows(PART.min(secret.len())) {
                let mut note = |how| found.push(format!("{name} {how}"));
                if output.windows(part.len()).any(|bytes| bytes == part) {
                    note("as it is");
                }
                if digits.contains(&lower(part)) {
                    note("in hexadecimal");
                }
                if list.contains(&decimals(part)) {
                    note("as a list of numbers");
                }
            }
            let written = base64(secret);
            if written.iter().any(|written| text.contains(written)) {
                found.push(format!("{name} in base64"));
            }
            if secret.len() >= PART && text.contains(&decimal(secret)) {
                found.push(format!("{name} as a number"));
            }
        }
        found.dedup();
        found
    }
}

/// Digits stay together whatever was between them.
fn without_separators(text: &str) -> String {
    let text = text.replace("0x", "").replace("0X", "").replace("\\x", "");
    text.chars().filter(|c| !c.is_whitespace() && !":,-_.".contains(*c)).collect()
}

fn lower(bytes: &[u8]) -> String {
    digits(bytes).to_lowercase()
}

fn decimals(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
}

/// A big-endian number in decimal digits.
fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0_u32];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 10;
            carry /= 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().map(u32::to_string).collect()
}

/// What of the bytes does not depend on what stands before and after them, by where in a group of
/// three they begin, in both alphabets.
fn base64(bytes: &[u8]) -> Vec<String> {
    let alphabet = |last: &str| {
        let letters = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(last.chars());
        letters.collect::<Vec<_>>()
    };
    let written = |alphabet: &[char], offset: usize| -> String {
        let all = [vec![0; offset], bytes.to_vec()].concat();
        let letters = all.chunks_exact(3).flat_map(|group| {
            let number =
                group.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
            [18, 12, 6, 0].map(|shift| alphabet[number >> shift & 0x3F])
        });
        letters.skip(if offset == 0 { 0 } else { offset + 1 }).collect()
    };
    let alphabets = [alphabet("+/"), alphabet("-_")];
    (0..3).flat_map(|offset| alphabets.each_ref().map(|letters| written(letters, offset))).collect()
}

/// A search that finds nothing proves nothing, unless it finds what is there.
#[test]
fn a_secret_is_found_however_it_is_written() {
    let secret = hex("F1E2D3C4B5A6978801122334455667789AABBCCD");
    let mut wanted = Wanted::new();
    wanted.add("key", &secret);
    wanted.add("PIN", b"Pa55w0rd");
    for (output, how) in [
        ("key F1E2D3C4B5A6978801122334455667789AABBCCD.", "key in hexadecimal"),
        ("key f1e2d3c4b5a6978801122334…", "key in hexadecimal"),
        ("F1 E2 D3 C4 B5 A6 97 88 01", "key in hexadecimal"),
        ("0xf1, 0xe2, 0xd3, 0xc4, 0xb5, 0xa6, 0x97, 0x88", "key in hexadecimal"),
        ("[F1, E2, D3, C4, B5, A6, 97, 88]", "key in hexadecimal"),
        ("f1:e2:d3:c4:b5:\na6:97:88", "key in hexadecimal"),
        ("01122334455667789A", "key in hexadecimal"),
        ("[241, 226, 211, 196, 181, 166, 151, 136, 1]", "key as a list of numbers"),
        ("8eLTxLWml4gBEiM0RVZneJqrvM0=", "key in base64"),
        ("eHjx4tPEtaaXiAESIzRFVmd4mqu8zQ==", "key in base64"),
        ("ePHi08S1ppeIARIjNEVWZ3iaq7zN", "key in base64"),
        ("1380925191812544026020954242988887296518564592845", "key as a number"),
        ("PIN Pa55w0rd!", "PIN as it is"),
        ("50 61 35 35 77 30 72 64", "PIN in hexadecimal"),
        ("80,97,53,53,119,48,114,100", "PIN as a list of numbers"),
        ("UGE1NXcwcmQ=", "PIN in base64"),
    ] {
        let found = wanted.found_in(output.as_bytes());
        assert!(found.iter().any(|found| found == how), "{output}: {found:?}");
    }
    let innocent = "F1E2D3C4 then B5A69788, Pa55w0r, 80 97 53 53, 8eLT";
    assert_eq!(wanted.found_in(innocent.replace(" then ", " / ").as_bytes()), [""; 0]);
}
