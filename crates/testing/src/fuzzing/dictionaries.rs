//! Words for the fuzzer: what a card, its files and its readers know by name.

use crate::global_platform_host::{APPLET, CARD_MANAGER, PACKAGE};
use crate::test_card::tlv;
use std::collections::BTreeSet;
use vschsm_card::profile::{BUILT_IN, EXTENSIONS};
use vschsm_protocol::crypto::curve::CurveParameters;
use vschsm_protocol::instruction;
use vschsm_vectors::{PIN, SO_PIN};

/// Object identifiers: algorithms of keys on curves and of RSA, what a certificate is for, key
/// domains, chip authentication with 3DES and AES, AES keys.
const IDENTIFIERS: [&[u8]; 7] = [
    b"\x04\x00\x7F\x00\x07\x02\x02\x02\x02\x03",
    b"\x04\x00\x7F\x00\x07\x02\x02\x02\x01\x02",
    b"\x2B\x06\x01\x04\x01\x81\xC3\x1F\x03\x01\x01",
    b"\x2B\x06\x01\x04\x01\x81\xC3\x1F\x03\x02\x02",
    b"\x04\x00\x7F\x00\x07\x02\x02\x03\x02\x01",
    b"\x04\x00\x7F\x00\x07\x02\x02\x03\x02\x02",
    b"\x60\x86\x48\x01\x65\x03\x04\x01",
];

/// Tags of two bytes; those of one are few enough to be guessed.
const TAGS: [u16; 10] =
    [0x7F21, 0x7F4E, 0x7F49, 0x7F4C, 0x5F20, 0x5F24, 0x5F25, 0x5F29, 0x5F37, 0x7F4B];

/// Files: certificates of the device, label, work buffer, and those that keys have.
const FILES: [u16; 9] = [0x2F02, 0x2F03, 0x2F10, 0xCC01, 0xCD01, 0xCE01, 0xCF01, 0xC401, 0xC901];

/// The dictionaries: file names and texts.
#[must_use]
pub fn dictionaries() -> [(&'static str, String); 4] {
    let firmwares: String = BUILT_IN.iter().chain(EXTENSIONS).map(|(_, text)| *text).collect();
    let image = super::cards::card(super::cards::choice("3.4")).card().image();
    let images = String::from_utf8(image).expect("an image is text");
    let images = images
        + &["issuer-keys", "former", "sequence", "quota", "refills", "uid", "agreed-key"]
            .map(|word| format!("\"{word}\" "))
            .concat();
    [
        ("card.dict", text(of_the_card())),
        ("image.dict", text(words(&images).chain([b": null".to_vec(), b"[]".to_vec()]))),
        ("profile.dict", text(words(&firmwares).chain([b" = []".to_vec(), b" = 0x".to_vec()]))),
        ("pcsc.dict", text(of_readers())),
    ]
}

/// The words that are long enough to be hard to guess, and not secrets.
fn words(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let text = text.lines().filter(|line| !line.starts_with('#'));
    let parts = text.flat_map(|line| {
        line.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'))
    });
    let words: BTreeSet<_> = parts.filter(|word| (3..30).contains(&word.len())).collect();
    words.into_iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>().into_iter()
}

fn of_the_card() -> impl Iterator<Item = Vec<u8>> {
    let commands: BTreeSet<_> = instruction::APPLET.iter().map(|row| row.ins).collect();
    let commands = commands.into_iter().flat_map(|ins| [vec![0x00, ins], vec![0x80, ins]]);
    let manager = instruction::CARD_MANAGER.iter().map(|row| vec![0x80, row.ins]);
    let names = [&APPLET[..], &CARD_MANAGER, &PACKAGE, PIN.as_bytes(), &SO_PIN];
    let names = names.into_iter().map(<[u8]>::to_vec);
    let identifiers = IDENTIFIERS.into_iter().map(|identifier| tlv(0x06, identifier));
    let numbers = TAGS.into_iter().chain(FILES).map(|number| number.to_be_bytes().to_vec());
    let curves = ["secp256r1", "brainpoolP256r1"].into_iter().flat_map(|curve| {
        let CurveParameters { p, a, b, g, n } = crate::test_card::domain(curve);
        [p, a, b, g, n]
    });
    let read = [tlv(0x54, &[0x00, 0x00]), tlv(0x4F, &[]), vec![0x82, 0x01, 0x00], vec![0x81, 0x80]];
    commands.chain(manager).chain(names).chain(identifiers).chain(numbers).chain(curves).chain(read)
}

/// The beginnings of messages with their lengths, and the names of readers.
fn of_readers() -> impl Iterator<Item = Vec<u8>> {
    let sizes: [(u32, u32); 20] = [
        (12, 0x01),
        (8, 0x02),
        (152, 0x04),
        (24, 0x05),
        (12, 0x06),
        (8, 0x07),
        (12, 0x08),
        (32, 0x09),
        (24, 0x0A),
        (8, 0x0B),
        (8, 0x0D),
        (280, 0x0F),
        (280, 0x10),
        (12, 0x11),
        (0, 0x12),
        (0, 0x13),
        (0, 0x14),
        (0, 0x15),
        (0, 0x16),
        (0, 0x17),
    ];
    let heads = sizes.map(|(size, command)| [size.to_ne_bytes(), command.to_ne_bytes()].concat());
    let names = [b"Virtual PCD 00 00\0".to_vec(), b"Virtual PCD 00 01\0".to_vec()];
    heads.into_iter().chain(names)
}

/// A line for each word: all bytes but letters and digits by their numbers.
fn text(words: impl Iterator<Item = Vec<u8>>) -> String {
    let lines = words.map(|word| {
        let escaped = word.iter().map(|byte| match byte {
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(*byte).to_string(),
            byte => format!("\\x{byte:02X}"),
        });
        format!("\"{}\"\n", escaped.collect::<String>())
    });
    lines.collect()
}
