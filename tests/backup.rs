//! Keys that go from one card to another, and those that do not.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rsa::{BoxedUint, Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest, Sha256};
use std::path::Path;
use vschsm_protocol::crypto::curve::Curve;
use vschsm_testing::mutation::{below, mutated};
use vschsm_testing::off_card::{components, opened};
use vschsm_testing::test_card::{TestCard, domain, tlv};
use vschsm_testing::{firmwares, hex, is_from};
use vschsm_vectors::Vector;

const SHARE: [u8; 32] = [0x44; 32];

/// ECDSA with SHA-256, and permission to wrap.
const SIGN_AND_WRAP: [u8; 4] = [0x91, 0x02, 0x73, 0x92];

/// Two cards with the same DKEK and nothing else in common.
fn pair(firmware: &str) -> (TestCard, TestCard) {
    let (home, mut away) = (TestCard::with_dkek(firmware, SHARE), TestCard::new(firmware));
    away.card().start_stream([9; 32]);
    away.initialise_with(&tlv(0x92, &[1]));
    away.import_share(0, &SHARE).expect_ok();
    (home, away)
}

/// The blob that UNWRAP KEY has in a vector.
fn blob_of(vector: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(vector);
    let vector = Vector::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut commands = vector.commands();
    commands.find(|command| command[1] == 0x74).unwrap()[7..].to_vec()
}

#[test]
fn keys_of_every_kind_do_the_same_on_another_card() {
    for firmware in firmwares() {
        let (mut home, mut away) = pair(firmware);
        let largest = if is_from(firmware, "3.0") { 521 } else { 320 };
        for curve in Curve::named().filter(|curve| curve.bits() <= largest) {
            home.generate_ec(1, curve.name().unwrap(), &[]);
            away.unwrap_key(9, &home.wrap_key(1).expect_ok()).expect_ok();
            let peer = &curve.parameters().g;
            let shared = home.decipher(1, 0x80, peer).expect_ok();
            assert_eq!(away.decipher(9, 0x80, peer).expect_ok(), shared, "{curve} on {firmware}");
        }
        home.generate_rsa(2, 1024, &[]);
        away.unwrap_key(8, &home.wrap_key(2).expect_ok()).expect_ok();
        let signature = home.sign(2, 0x33, b"abc").expect_ok();
        assert_eq!(away.sign(8, 0x33, b"abc").expect_ok(), signature, "{firmware}");
        for bits in [128, 192, 256].into_iter().filter(|_| is_from(firmware, "3.0")) {
            home.generate_aes(3, bits, &[]);
            away.unwrap_key(7, &home.wrap_key(3).expect_ok()).expect_ok();
            let mac = home.cipher(3, 0x18, b"abc").expect_ok();
            assert_eq!(away.cipher(7, 0x18, b"abc").expect_ok(), mac, "{bits} on {firmware}");
        }
    }
}

#[test]
fn large_rsa_keys_go_without_their_primes_and_come_back() {
    let (mut home, mut away) = pair("3.4");
    for (bits, kind, length) in [(2048, 6, 971), (3072, 5, 843), (4096, 5, 1099)] {
        home.generate_rsa(1, bits, &[]);
        let blob = home.wrap_key(1).expect_ok();
        assert_eq!((blob[8], blob.len()), (kind, length));
        away.unwrap_key(1, &blob).expect_ok();
        let signature = home.sign(1, 0x33, b"abc").expect_ok();
        assert_eq!(away.sign(1, 0x33, b"abc").expect_ok(), signature, "{bits}");
    }
}

#[test]
fn a_key_on_a_curve_without_a_name_comes_back() {
    for curve in vschsm_testing::curves::without_a_name() {
        let (mut home, mut away) = pair("3.4");
        let template = vschsm_testing::test_card::ec_template(&curve, &[]);
        home.send(0x00, 0x46, 1, 0x00, &template).expect_ok();
        away.unwrap_key(1, &home.wrap_key(1).expect_ok()).expect_ok();
        let shared = home.decipher(1, 0x80, &curve.g).expect_ok();
        assert_eq!(away.decipher(1, 0x80, &curve.g).expect_ok(), shared, "{}", curve.bits());
    }
}

#[test]
fn an_imported_key_survives_a_restart() {
    let (mut home, mut away) = pair("3.4");
    home.generate_rsa(1, 1024, &[]);
    away.unwrap_key(1, &home.wrap_key(1).expect_ok()).expect_ok();
    let mut away = away.restarted().logged_in();
    let signature = home.sign(1, 0x33, b"abc").expect_ok();
    assert_eq!(away.sign(1, 0x33, b"abc").expect_ok(), signature);
    away.wrap_key(1).expect_ok();
}

#[test]
fn a_wrong_share_opens_nothing() {
    for firmware in firmwares() {
        let mut home = TestCard::with_dkek(firmware, SHARE);
        let mut away = TestCard::with_dkek(firmware, [0x45; 32]);
        home.generate_ec(1, "secp256r1", &[]);
        let blob = home.wrap_key(1).expect_ok();
        let other_dkek = if is_from(firmware, "3.0") { 0x6A88 } else { 0x6A80 };
        assert_eq!(away.unwrap_key(1, &blob).status, other_dkek);
        // Not even for who writes the other check value in front.
        let other = away.send(0x80, 0x52, 0x00, 0x00, &[]).expect_ok();
        let forged = [&other[2..], &blob[8..]].concat();
        assert_eq!(away.unwrap_key(1, &forged).status, 0x6A80);
        assert_eq!(away.sign(1, 0x73, b"abc").status, 0x6A88);
    }
}

/// The story: who backs up a key of Nitrokey's example list finds out on 3.1 that it does not come
/// back. Source: Nitrokey support thread 1783.
#[test]
fn keys_with_an_algorithm_list_leave_3_1_but_do_not_come_back_to_it() {
    for firmware in firmwares().filter(|firmware| is_from(firmware, "2.0")) {
        let (mut home, mut away) = pair(firmware);
        let mut newer = pair("3.4").1;
        home.generate_ec(1, "secp256r1", &SIGN_AND_WRAP);
        home.generate_ec(2, "secp256r1", &[]);
        let (listed, unlisted) = (home.wrap_key(1).expect_ok(), home.wrap_key(2).expect_ok());

        let response = away.unwrap_key(1, &listed);
        let signed = away.sign(1, 0x73, b"abc");
        if firmware == "3.1" {
            assert_eq!((response.status, signed.status), (0x6F00, 0x6A88));
        } else {
            assert_eq!((response.status, signed.status), (0x9000, 0x9000), "{firmware}");
        }
        away.unwrap_key(2, &unlisted).expect_ok();
        away.sign(2, 0x73, b"abc").expect_ok();
        newer.unwrap_key(1, &listed).expect_ok();
        newer.sign(1, 0x73, b"abc").expect_ok();
        assert_eq!(newer.sign(1, 0x70, &[0x5A; 32]).status, 0x6A81, "{firmware}");
    }
}

/// As OpenSC sends it through a reader that carries short commands.
#[test]
fn a_blob_is_imported_from_pieces_in_2f10() {
    let (mut home, mut away) = pair("2.6");
    home.generate_rsa(1, 2048, &[]);
    let blob = home.wrap_key(1).expect_ok();
    assert_eq!(away.hex("00A40000 02 2F10 00").status, 0x6A82);
    away.hex("00D72F10 06 54020000 5300").expect_ok();
    for (piece, offset) in blob.chunks(230).zip((0_u16..).step_by(230)) {
        let data = [tlv(0x54, &offset.to_be_bytes()), tlv(0x53, piece)].concat();
        let length = u8::try_from(data.len()).unwrap();
        away.transmit(&[&[0x00, 0xD7, 0x00, 0x00, length], &data[..]].concat()).expect_ok();
    }
    away.hex("80740793").expect_ok();
    let signature = home.sign(1, 0x33, b"abc").expect_ok();
    assert_eq!(away.sign(7, 0x33, b"abc").expect_ok(), signature);
    assert_eq!(away.hex("80740893").status, 0x6A88);
}

#[test]
fn each_key_domain_has_its_own_keys() {
    let mut card = TestCard::new("3.4");
    card.initialise_with(&tlv(0x97, &[2]));
    for slot in [0, 1] {
        card.send(0x80, 0x52, 0x01, slot, &[1]).expect_ok();
        card.import_share(slot, &[0x44 + slot; 32]).expect_ok();
        card.generate_ec(slot + 1, "secp256r1", &tlv(0x92, &[slot]));
    }
    let blobs = [1, 2].map(|id| card.wrap_key(id).expect_ok());
    assert_ne!(blobs[0][..8], blobs[1][..8]);

    // The first one opens on a card of this DKEK alone, and back here goes into the same domain.
    let mut other = TestCard::with_dkek("3.4", [0x44; 32]);
    other.unwrap_key(1, &blobs[0]).expect_ok();
    assert_eq!(other.unwrap_key(2, &blobs[1]).status, 0x6A88);
    card.unwrap_key(3, &blobs[1]).expect_ok();
    assert_eq!(card.wrap_key(3).expect_ok()[..8], blobs[1][..8]);
    card.hex("80520400 00").expect_ok();
    assert_eq!(card.wrap_key(1).status, 0x6A88);
    card.wrap_key(2).expect_ok();
}

#[test]
fn random_dkeks_differ() {
    let check_value = |seed| {
        let mut card = TestCard::new("3.4");
        card.card().start_stream([seed; 32]);
        card.initialise_with(&tlv(0x92, &[0]));
        card.generate_ec(1, "secp256r1", &[]);
        let blob = card.wrap_key(1).expect_ok();
        card.unwrap_key(2, &blob).expect_ok();
        blob[..8].to_vec()
    };
    assert_ne!(check_value(1), check_value(2));
}

#[test]
fn the_key_of_a_real_card_is_imported_and_signs() {
    let blob = blob_of("unwrap_key/real_rsa_1024.apdu");
    let record = opened(&blob, &SHARE);
    assert!(record.ends_with(&hex("0637896A04A900030100018000000000")));
    let modulus = components(&record, 7).remove(5);
    let modulus = BoxedUint::from_be_slice(&modulus, 1024).unwrap();
    let key = RsaPublicKey::new(modulus, BoxedUint::from(65_537_u32)).unwrap();
    for firmware in firmwares() {
        let mut card = TestCard::with_dkek(firmware, SHARE);
        card.unwrap_key(1, &blob).expect_ok();
        let signature = card.sign(1, 0x33, b"abc").expect_ok();
        key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(b"abc"), &signature).unwrap();
        // The same numbers leave the card, with other random bytes in front.
        let again = opened(&card.wrap_key(1).expect_ok(), &SHARE);
        assert_ne!(again[..8], record[..8]);
        assert_eq!(again[8..], record[8..], "{firmware}");
    }
}

#[test]
fn the_private_number_in_a_blob_is_that_of_the_public_point_in_the_request() {
    let mut card = TestCard::with_dkek("3.4", SHARE);
    let request = card.generate_ec(1, "brainpoolP256r1", &SIGN_AND_WRAP);
    let record = opened(&card.wrap_key(1).expect_ok(), &SHARE);
    let parts = components(&record, 7);
    let curve = domain("brainpoolP256r1");
    assert_eq!(parts[..5], [curve.a, curve.b, curve.p, curve.n, curve.g]);
    assert!(request.windows(65).any(|window| window == parts[6]));
    assert_eq!(record.len() % 16, 0);
}

/// Blobs with any bit wrong, and commands that are half right.
#[test]
fn mutated_blobs_and_domain_commands_make_no_key_and_leave_the_card_usable() {
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let mut card = TestCard::with_dkek("3.4", SHARE);
    card.generate_ec(1, "secp256r1", &SIGN_AND_WRAP);
    let blob = card.wrap_key(1).expect_ok();
    for _ in 0..10_000 {
        let mutated = mutated(&blob, &mut rng);
        let status = match below(&mut rng, 8) {
            0 => card.send(0x80, 0x52, [0, 5][below(&mut rng, 2)], 0, &mutated).status,
            _ if mutated.is_empty() => continue,
            _ => card.unwrap_key(2, &mutated).status,
        };
        // 6985 if 32 bytes are left, which are a share too many.
        let refused = [0x6700, 0x6985, 0x6A80, 0x6A86, 0x6A88].contains(&status);
        assert!(refused, "{status:04X}");
    }
    assert_eq!(card.card().state().keys().count(), 1);
    assert_eq!(card.wrap_key(1).expect_ok().len(), blob.len());
    card.unwrap_key(2, &blob).expect_ok();
}
