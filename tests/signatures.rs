//! How ECDSA signatures are written: always in as many bytes by JCOP 3 where the curve has more
//! than 512 bits, else in DER.

use p521::ecdsa::signature::hazmat::PrehashVerifier;
use p521::ecdsa::{Signature, VerifyingKey};
use sha2::{Digest, Sha512};
use std::collections::BTreeSet;
use vschsm_protocol::crypto::public_key::PublicKey;
use vschsm_protocol::tlv;
use vschsm_testing::firmwares;
use vschsm_testing::test_card::TestCard;

/// The public point of key 1: `04`, x, y.
fn public_point(card: &mut TestCard) -> Vec<u8> {
    let (_, key) = card.card().state().keys().next().unwrap();
    match key.public_key() {
        Some(PublicKey::Ec { point, .. }) => point,
        other => panic!("{other:?}"),
    }
}

/// The contents of the two INTEGERs of a SEQUENCE, which is nothing else.
fn integers(signature: &[u8]) -> [&[u8]; 2] {
    let content = tlv::at(signature, &[0x30]).expect("a SEQUENCE");
    let numbers = tlv::parse(content).expect("its content");
    assert_eq!(tlv::encode(0x30, content), signature, "something follows");
    assert!(numbers.iter().all(|number| number.tag == 0x02));
    let numbers: Vec<_> = numbers.iter().map(|number| number.value).collect();
    numbers.try_into().expect("two INTEGERs")
}

/// Whether DER would write the number so: a leading zero only where it would be negative without.
fn is_minimal(integer: &[u8]) -> bool {
    match integer {
        [0x00, second, ..] => *second >= 0x80,
        [first, ..] => *first < 0x80,
        [] => false,
    }
}

/// r ‖ s, 66 bytes each.
fn wide(integers: [&[u8]; 2]) -> Vec<u8> {
    let wide = integers.iter().flat_map(|integer| {
        let mut wide = [0; 66];
        wide[66 - integer.len()..].copy_from_slice(integer);
        wide
    });
    wide.collect()
}

/// Signatures with SHA-512 of as many messages by a key on secp521r1, each of which verifies.
fn signatures(firmware: &str, count: u32) -> Vec<Vec<u8>> {
    let mut card = TestCard::initialised(firmware);
    card.generate_ec(1, "secp521r1", &[]);
    let key = VerifyingKey::from_sec1_bytes(&public_point(&mut card)).unwrap();
    let signed = (0..count).map(|number| {
        let message = number.to_be_bytes();
        let signature = card.sign(1, 0x75, &message).expect_ok();
        let raw = Signature::from_slice(&wide(integers(&signature))).unwrap();
        key.verify_prehash(&Sha512::digest(message), &raw).unwrap();
        signature
    });
    signed.collect()
}

#[test]
fn a_thousand_signatures_on_secp521r1_have_139_bytes_on_3_4_and_verify() {
    let mut strict = 0;
    for signature in signatures("3.4", 1000) {
        assert_eq!(signature.len(), 139);
        assert_eq!(&signature[..5], [0x30, 0x81, 0x88, 0x02, 0x42]);
        let integers = integers(&signature);
        assert_eq!(integers.map(<[u8]>::len), [66, 66]);
        strict += usize::from(integers.iter().all(|integer| is_minimal(integer)));
    }
    // Of numbers of 521 bits three in four need all 66 bytes in DER, of pairs nine in sixteen.
    assert!((500..625).contains(&strict), "{strict} of 1000 are DER");
}

#[test]
fn signatures_on_secp521r1_are_der_on_4_1_and_of_several_lengths() {
    let signatures = signatures("4.1", 200);
    let lengths: BTreeSet<_> = signatures.iter().map(Vec::len).collect();
    assert!(lengths.len() >= 3 && lengths.last() == Some(&139), "{lengths:?}");
    for signature in signatures {
        assert!(integers(&signature).iter().all(|integer| is_minimal(integer)));
    }
}

#[test]
fn jcop_3_alone_writes_signatures_in_one_length_and_on_the_largest_curve_alone() {
    for firmware in firmwares() {
        let curves: &[_] = match firmware {
            "1.2" | "2.0" | "2.1" | "2.5" | "2.6" | "2.7" => &["secp256r1", "brainpoolP320r1"],
            _ => &["secp256r1", "brainpoolP512r1", "secp521r1"],
        };
        for curve in curves {
            let mut card = TestCard::initialised(firmware);
            card.generate_ec(1, curve, &[]);
            let signatures: Vec<_> = (0..24_u8)
                .map(|number| card.sign(1, 0x70, &[number + 1; 32]).expect_ok())
                .collect();
            let is_fixed = *curve == "secp521r1" && firmware.starts_with('3');
            let all_der = signatures
                .iter()
                .all(|signature| integers(signature).iter().all(|integer| is_minimal(integer)));
            assert_eq!(all_der, !is_fixed, "{curve} on {firmware}");
            let lengths: BTreeSet<_> = signatures.iter().map(Vec::len).collect();
            assert_eq!(lengths.len() == 1, is_fixed, "{curve} on {firmware}: {lengths:?}");
        }
    }
}

#[test]
fn requests_have_both_numbers_of_one_length_on_every_firmware() {
    for firmware in ["3.0", "3.4", "3.6", "4.0", "4.1"] {
        let mut card = TestCard::initialised(firmware);
        let request = card.generate_ec(1, "secp521r1", &[]);
        let signature = tlv::at(&request, &[0x67, 0x7F21, 0x5F37]).expect("a signature");
        assert_eq!(signature.len(), 132, "{firmware}");
    }
}
