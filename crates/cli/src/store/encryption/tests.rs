#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic is how a test fails")]

use super::*;
use std::collections::BTreeSet;

const PASSPHRASE: &str = "correct horse";
const IMAGE: &[u8] = b"vschsm-card 5 0123\n{\"user-pin\": \"363438323139\"}\n";

fn cipher() -> FileCipher {
    FileCipher::with(PASSPHRASE, Cost::LEAST, [5; 16], Seed::from("a test"))
}

fn reopened(content: &[u8], passphrase: &str) -> Result<Vec<u8>, EncryptionError> {
    decrypt(content, passphrase, Seed::from("another")).map(|(_, image)| image.to_vec())
}

#[test]
fn an_encrypted_card_opens_with_its_passphrase_and_with_no_other() {
    let content = cipher().encrypt(IMAGE);
    assert_eq!(reopened(&content, PASSPHRASE), Ok(IMAGE.to_vec()));
    for other in ["", "correct hors", "correct horse ", "Correct horse", "battery staple"] {
        assert_eq!(reopened(&content, other), Err(EncryptionError::NotAuthentic), "{other}");
    }
}

#[test]
fn a_file_that_was_opened_is_encrypted_for_the_same_passphrase() {
    let (mut cipher, _) =
        decrypt(&cipher().encrypt(b"old"), PASSPHRASE, Seed::from("another")).unwrap();
    let content = cipher.encrypt(IMAGE);
    assert_eq!(reopened(&content, PASSPHRASE), Ok(IMAGE.to_vec()));
    assert_eq!(cipher.decrypt(&content).unwrap().as_slice(), IMAGE);
}

#[test]
fn a_file_begins_with_a_line_that_says_what_it_is_and_shows_nothing_of_the_image() {
    let content = cipher().encrypt(IMAGE);
    let start = "vschsm-card-sealed 2 argon2id m=8 t=1 p=1 05050505050505050505050505050505 ";
    assert!(content.starts_with(start.as_bytes()) && is_encrypted(&content));
    assert!(!is_encrypted(IMAGE));
    for length in 6..IMAGE.len() {
        let part = &IMAGE[length - 6..length];
        let encrypted = &content[start.len()..];
        assert!(!encrypted.windows(6).any(|window| window == part), "{part:?}");
    }
    let length = (IMAGE.len() + TAG).to_string();
    assert_eq!(content.len(), start.len() + 48 + 1 + length.len() + 1 + IMAGE.len() + TAG);
}

#[test]
fn every_bit_of_a_file_is_authenticated() {
    let content = cipher().encrypt(IMAGE);
    for index in 0..content.len() {
        for bit in 0..8 {
            let mut changed = content.clone();
            changed[index] ^= 1 << bit;
            assert!(reopened(&changed, PASSPHRASE).is_err(), "bit {bit} of byte {index}");
        }
    }
}

#[test]
fn a_file_that_is_cut_short_or_goes_on_is_refused() {
    let content = cipher().encrypt(IMAGE);
    for length in 0..content.len() {
        assert!(reopened(&content[..length], PASSPHRASE).is_err(), "{length} bytes");
    }
    assert_eq!(
        reopened(&[&content[..], b"\n"].concat(), PASSPHRASE),
        Err(EncryptionError::NotAuthentic)
    );
}

#[test]
fn another_first_line_is_refused_before_the_passphrase_is_tried() {
    let nonce = "07".repeat(24);
    let salt = "05".repeat(16);
    for (start, error) in [
        ("vschsm-card-sealed 3 argon2id m=8 t=1 p=1", EncryptionError::NewerFormat(3)),
        ("vschsm-card-sealed 2 argon2id m=8 t=1 p=1", EncryptionError::MalformedHeader),
        ("vschsm-card-sealed 0 argon2id m=8 t=1 p=1", EncryptionError::MalformedHeader),
        ("vschsm-card-sealed 01 argon2id m=8 t=1 p=1", EncryptionError::MalformedHeader),
        ("vschsm-card-sealed 1 argon2i m=8 t=1 p=1", EncryptionError::MalformedHeader),
        ("vschsm-card-sealed 1 argon2id m=7 t=1 p=1", EncryptionError::MalformedHeader),
        ("vschsm-card-sealed 1 argon2id m=08 t=1 p=1", EncryptionError::MalformedHeader),
        ("vschsm-card-sealed 1 argon2id m=8 t=0 p=1", EncryptionError::MalformedHeader),
        ("vschsm-card-sealed 1 argon2id m=8 t=1 p=2", EncryptionError::MalformedHeader),
        // Nobody's memory is filled before anything is authenticated.
        ("vschsm-card-sealed 1 argon2id m=4294967295 t=1 p=1", EncryptionError::MalformedHeader),
        ("vschsm-card-sealed 1 argon2id m=8 t=4294967295 p=1", EncryptionError::MalformedHeader),
        ("vschsm-card-sealed-else 1 argon2id m=8 t=1 p=1", EncryptionError::MalformedHeader),
    ] {
        let content = format!("{start} {salt} {nonce}\n0123456789ABCDEF0123456789ABCDEF");
        assert_eq!(reopened(content.as_bytes(), PASSPHRASE), Err(error), "{start}");
    }
    let lower = format!("vschsm-card-sealed 1 argon2id m=8 t=1 p=1 {} {nonce}\n", "ab".repeat(16));
    assert_eq!(reopened(lower.as_bytes(), PASSPHRASE), Err(EncryptionError::MalformedHeader));
}

#[test]
fn no_two_saves_have_a_nonce_in_common() {
    let header = |content: Vec<u8>| FileHeader::take(&content).unwrap().0.nonce;
    let mut nonces = BTreeSet::new();
    let mut ciphers = [
        FileCipher::with(PASSPHRASE, Cost::LEAST, [5; 16], Seed::random().unwrap()),
        FileCipher::with(PASSPHRASE, Cost::LEAST, [5; 16], Seed::random().unwrap()),
    ];
    for _ in 0..1000 {
        nonces.extend(ciphers.each_mut().map(|cipher| header(cipher.encrypt(IMAGE))));
    }
    assert_eq!(nonces.len(), 2000);
}

#[test]
fn a_file_under_the_same_passphrase_and_another_salt_is_another() {
    let other = FileCipher::with(PASSPHRASE, Cost::LEAST, [6; 16], Seed::from("another"));
    assert_eq!(other.decrypt(&cipher().encrypt(IMAGE)), Err(EncryptionError::NotAuthentic));
}

/// Made with argon2-cffi and PyNaCl: what is written now opens for ever.
#[test]
fn a_file_of_another_implementation_opens() {
    let (salt, nonce) = ("05".repeat(16), "07".repeat(24));
    let line = format!("vschsm-card-sealed 1 argon2id m=8 t=1 p=1 {salt} {nonce}\n");
    let encrypted = "146041AB8975400CB6B6EB15E8ADD5030EAC951BDA20BFD7673148F4538E5D55\
                  40A42E66746518EE77EFDE5DEF7FF4003984164CB2A98A70695C0879163E8C6C";
    let encrypted = hex::parse(encrypted).unwrap();
    let content = [line.as_bytes(), &encrypted].concat();
    assert_eq!(reopened(&content, PASSPHRASE), Ok(IMAGE.to_vec()));
}

#[test]
fn debug_output_holds_no_key() {
    assert_eq!(format!("{:?}", cipher()), "FileCipher(Cost { memory: 8, passes: 1 })");
}

/// The content of a file with this image and these records, and where each of them ends.
fn with_records(cipher: &mut FileCipher, records: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
    let mut content = cipher.encrypt(IMAGE);
    let mut end = EncryptedEnd::of(&content).unwrap();
    let mut ends = vec![content.len()];
    for record in records {
        let (line, next) = cipher.encrypt_record(end, record);
        content.extend(line);
        ends.push(content.len());
        end = next;
        assert_eq!(EncryptedEnd::of(&content), Some(end));
    }
    (content, ends)
}

const RECORDS: [&[u8]; 3] = [b"change 13 {\"streams\":1}\n", b"change 2 {}\n", b"363438323139"];

#[test]
fn a_file_with_records_is_that_of_its_last_whole_record_wherever_it_is_cut() {
    let (content, ends) = with_records(&mut cipher(), &RECORDS);
    let plain = |count: usize| [IMAGE, &RECORDS[..count].concat()].concat();
    assert_eq!(reopened(&content, PASSPHRASE), Ok(plain(3)));
    for length in 0..ends[0] {
        assert!(reopened(&content[..length], PASSPHRASE).is_err(), "{length} bytes");
    }
    for length in ends[0]..content.len() {
        let count = ends.iter().rposition(|end| *end <= length).unwrap();
        let cut = &content[..length];
        assert_eq!(reopened(cut, PASSPHRASE), Ok(plain(count)), "{length} bytes");
        assert_eq!(EncryptedEnd::of(cut).is_some(), length == ends[count], "{length} bytes");
        let mut not_stored = content[..ends[count + 1]].to_vec();
        not_stored[length..].fill(0x00);
        assert_eq!(reopened(&not_stored, PASSPHRASE), Ok(plain(count)), "zeros from {length} on");
        assert_eq!(EncryptedEnd::of(&not_stored), None, "zeros from {length} on");
    }
}

#[test]
fn records_show_nothing_and_every_bit_of_them_is_authenticated() {
    let (content, ends) = with_records(&mut cipher(), &RECORDS);
    let is_shown = |part: &[u8]| content.windows(part.len()).any(|window| window == part);
    assert!(!RECORDS.iter().any(|record| is_shown(&record[record.len() - 8..])));
    for index in ends[0]..content.len() - 1 {
        for bit in 0..8 {
            let mut changed = content.clone();
            changed[index] ^= 1 << bit;
            // A byte of zero in the last record is one that was not stored: as if it were cut.
            let is_cut = changed[index] == 0x00 && index >= ends[2];
            let opened = reopened(&changed, PASSPHRASE);
            assert_eq!(opened.is_ok(), is_cut, "bit {bit} of byte {index}");
        }
    }
}

#[test]
fn records_that_were_left_out_moved_or_taken_from_another_file_are_refused() {
    let mut cipher = cipher();
    let (content, ends) = with_records(&mut cipher, &RECORDS);
    let (other, other_ends) = with_records(&mut cipher, &RECORDS);
    let image = &content[..ends[0]];
    let record = |number: usize| &content[ends[number]..ends[number + 1]];
    for (what, records) in [
        ("left out", [record(0), record(2)]),
        ("moved", [record(1), record(0)]),
        ("twice", [record(0), record(0)]),
        ("of an image with the same content", [&other[other_ends[0]..other_ends[1]], b""]),
        ("an empty line", [record(0), b"\n"]),
        ("not encrypted", [record(0), RECORDS[1]]),
    ] {
        let content = [image, records[0], records[1]].concat();
        let refused = reopened(&content, PASSPHRASE);
        assert_eq!(refused, Err(EncryptionError::NotAuthentic), "{what}");
    }
}
