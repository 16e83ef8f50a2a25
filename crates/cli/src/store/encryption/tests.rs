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
    let start = "vschsm-card-sealed 1 argon2id m=8 t=1 p=1 05050505050505050505050505050505 ";
    assert!(content.starts_with(start.as_bytes()) && is_encrypted(&content));
    assert!(!is_encrypted(IMAGE));
    for length in 6..IMAGE.len() {
        let part = &IMAGE[length - 6..length];
        let encrypted = &content[start.len()..];
        assert!(!encrypted.windows(6).any(|window| window == part), "{part:?}");
    }
    assert_eq!(content.len(), start.len() + 48 + 1 + IMAGE.len() + TAG);
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
        ("vschsm-card-sealed 2 argon2id m=8 t=1 p=1", EncryptionError::NewerFormat(2)),
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
