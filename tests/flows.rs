//! What takes more than one command and something to compute.

use bp256::BrainpoolP256r1;
use chacha20::ChaCha20Rng;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{DerSignature, Signature, VerifyingKey};
use rand_core::SeedableRng;
use rsa::{BoxedUint, Oaep, Pkcs1v15Encrypt, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use vschsm_card::Card;
use vschsm_card::personalisation::{PersonalisationData, root_certificate};
use vschsm_card::profile::Profile;
use vschsm_protocol::crypto::curve::Curve;
use vschsm_protocol::cvc::Certificate;
use vschsm_testing::test_card::{PIN, SO_PIN, TestCard, tlv};
use vschsm_testing::{firmwares, hex, is_from};

/// The curves with a name that a firmware generates keys on.
fn curves(firmware: &str) -> impl Iterator<Item = &'static Curve> {
    let largest = if is_from(firmware, "3.0") { 521 } else { 320 };
    Curve::named().filter(move |curve| curve.bits() <= largest)
}

/// The first object with `tag` at any depth of a request: its value.
fn object(request: &[u8], tag: &str, length: usize) -> Vec<u8> {
    let tag = hex(tag);
    let place = request.windows(tag.len()).position(|window| window == tag).unwrap();
    request[place + tag.len()..].iter().copied().take(length).collect()
}

fn rsa_public_key(request: &[u8]) -> RsaPublicKey {
    let modulus = object(request, "818180", 128);
    let modulus = BoxedUint::from_be_slice(&modulus, 1024).unwrap();
    RsaPublicKey::new(modulus, BoxedUint::from(65_537_u32)).unwrap()
}

#[test]
fn an_ecdsa_signature_verifies_under_the_key_of_the_request() {
    for firmware in firmwares() {
        let mut card = TestCard::initialised(firmware);
        let request = card.generate_ec(1, "secp256r1", &[]);
        let key = VerifyingKey::from_sec1_bytes(&object(&request, "8641", 65)).unwrap();
        let mut check = |algorithm, input: &[u8], hash: &[u8]| {
            let signature = card.sign(1, algorithm, input).expect_ok();
            let signature = DerSignature::from_bytes(&signature).unwrap();
            key.verify_prehash(hash, &Signature::try_from(signature).unwrap()).unwrap_or_else(
                |error| {
                    panic!("algorithm {algorithm:02X} on {firmware}: {error}");
                },
            );
        };
        check(0x70, &[0x5A; 32], &[0x5A; 32]);
        check(0x73, b"abc", &Sha256::digest(b"abc"));
        if is_from(firmware, "3.0") {
            check(0x74, b"abc", &Sha384::digest(b"abc"));
            check(0x75, b"abc", &Sha512::digest(b"abc"));
        }
    }
}

#[test]
fn an_rsa_signature_verifies_under_the_key_of_the_request() {
    let mut card = TestCard::initialised("3.4");
    let key = rsa_public_key(&card.generate_rsa(1, 1024, &[]));
    let (sha1, sha256) = (Sha1::digest(b"abc"), Sha256::digest(b"abc"));
    let mut sign = |algorithm, input: &[u8]| card.sign(1, algorithm, input).expect_ok();

    key.verify(Pkcs1v15Sign::new::<Sha1>(), &sha1, &sign(0x31, b"abc")).unwrap();
    key.verify(Pkcs1v15Sign::new::<Sha256>(), &sha256, &sign(0x33, b"abc")).unwrap();
    key.verify(Pkcs1v15Sign::new_unprefixed(), b"abc", &sign(0x30, b"abc")).unwrap();
    key.verify(Pss::<Sha1>::new(), &sha1, &sign(0x40, &sha1)).unwrap();
    key.verify(Pss::<Sha256>::new(), &sha256, &sign(0x40, &sha256)).unwrap();
    key.verify(Pss::<Sha256>::new(), &sha256, &sign(0x43, b"abc")).unwrap();
    let padded = [&hex("0001")[..], &[0xFF; 122], &hex("00"), b"abc"].concat();
    key.verify(Pkcs1v15Sign::new_unprefixed(), b"abc", &sign(0x20, &padded)).unwrap();
}

#[test]
fn what_was_encrypted_for_an_rsa_key_is_deciphered() {
    let mut card = TestCard::initialised("3.4");
    let key = rsa_public_key(&card.generate_rsa(1, 1024, &[]));
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut decipher = |algorithm, input: &[u8]| card.decipher(1, algorithm, input).expect_ok();

    let cryptogram = key.encrypt(&mut rng, Pkcs1v15Encrypt, b"secret").unwrap();
    assert_eq!(decipher(0x22, &cryptogram), b"secret");
    let block = decipher(0x21, &cryptogram);
    assert_eq!((block.len(), block.first()), (128, Some(&0x00)));
    assert!(block.ends_with(b"\0secret"));
    let cryptogram = key.encrypt(&mut rng, Oaep::<Sha256>::new(), b"secret").unwrap();
    assert_eq!(decipher(0x23, &cryptogram), b"secret");
    let cryptogram = key.encrypt(&mut rng, Oaep::<Sha1>::new(), b"secret").unwrap();
    assert_eq!(decipher(0x23, &cryptogram), b"secret");
}

#[test]
fn two_cards_agree_on_a_point_on_every_curve() {
    for firmware in firmwares() {
        for curve in curves(firmware) {
            let name = curve.name().unwrap();
            let (mut home, mut away) = (TestCard::initialised(firmware), TestCard::new(firmware));
            away.card().start_stream([9; 32]);
            away.initialise(&[0x00, 0x01], PIN.as_bytes(), 3);
            let point = |request: &[u8]| {
                let length = 1 + 2 * curve.parameters().p.len();
                let tag = if length > 0x7F { "8681" } else { "86" };
                object(request, &format!("{tag}{length:02X}"), length)
            };
            let (home_point, away_point) =
                (point(&home.generate_ec(1, name, &[])), point(&away.generate_ec(1, name, &[])));
            assert_ne!(home_point, away_point);
            let shared = home.decipher(1, 0x80, &away_point).expect_ok();
            assert_eq!(shared, away.decipher(1, 0x80, &home_point).expect_ok());
            assert_eq!(shared.len(), home_point.len(), "{name} on {firmware}");
        }
    }
}

#[test]
fn a_request_is_signed_by_its_own_key_and_by_the_certified_device_key() {
    let mut card = TestCard::initialised("3.4");
    let request = card.generate_ec(1, "secp256r1", &[]);
    // 67 { 7F21 { body, 5F37 inner }, 42 device, 5F37 outer }, lengths in three bytes.
    let content = &request[4..];
    let body_length = usize::from(u16::from_be_bytes([content[8], content[9]]));
    let (body, inner) = content[5..].split_at(5 + body_length);
    let (inner, rest) = inner[3..].split_at(64);
    let (authority, outer) = rest.split_at(18);
    let own = VerifyingKey::from_sec1_bytes(&object(&request, "8641", 65)).unwrap();
    own.verify_prehash(&Sha256::digest(body), &Signature::from_slice(inner).unwrap()).unwrap();

    assert_eq!(authority[2..], *b"ZZVS000000100000");
    let certificates = card.read(0x2F02).expect_ok();
    let point = object(&certificates, "8641", 65);
    let device = ecdsa::VerifyingKey::<BrainpoolP256r1>::from_sec1_bytes(&point).unwrap();
    let signed = Sha256::digest(&content[..content.len() - 67]);
    let outer = ecdsa::Signature::from_slice(&outer[3..]).unwrap();
    device.verify_prehash(&signed, &outer).unwrap();
}

/// Who needs the low one of two equivalent values has to see to it: of 24 signatures that a card of
/// 4.1 made for regalia, 11 had the high one.
#[test]
fn an_ecdsa_signature_has_a_high_s_about_as_often_as_a_low_one() {
    let mut card = TestCard::initialised("4.1");
    card.generate_ec(1, "secp256r1", &[]);
    let is_high = |number: u8| {
        let signature = card.sign(1, 0x73, &[number]).expect_ok();
        let signature = Signature::try_from(DerSignature::from_bytes(&signature).unwrap()).unwrap();
        signature.normalize_s() != signature
    };
    let high = (0..24).map(is_high).filter(|high| *high).count();
    assert!((6..=18).contains(&high), "{high} of 24");
}

/// The vendor's provider for Java asks for a biometric template before it verifies the PIN, and
/// takes five responses. Before 3.0 a card gives another one, which OpenSC takes.
#[test]
fn a_key_is_made_and_signs_in_the_order_of_the_vendors_provider() {
    for firmware in firmwares() {
        let mut card = TestCard::initialised(firmware);
        card.reset();
        let template = card.hex("00200085").status;
        let known = matches!(template, 0x6A88 | 0x9000 | 0x63C0..=0x63CF | 0x6983 | 0x6984);
        assert_eq!(known, is_from(firmware, "3.0"), "{template:04X} on {firmware}");
        assert!(known || template == 0x6A86, "{template:04X} on {firmware}");
        assert_eq!(card.hex("00200081").status, 0x63C3);

        card.verify(PIN).expect_ok();
        let request = card.generate_ec(1, "secp256r1", &[]);
        let signature = card.sign(1, 0x73, b"abc").expect_ok();

        let key = VerifyingKey::from_sec1_bytes(&object(&request, "8641", 65)).unwrap();
        let signature = Signature::try_from(DerSignature::from_bytes(&signature).unwrap()).unwrap();
        key.verify_prehash(&Sha256::digest(b"abc"), &signature).unwrap();
    }
}

#[test]
fn the_certificates_lead_to_the_published_root() {
    let certificates = TestCard::new("3.4").read(0x2F02).expect_ok();
    let (device, rest) = Certificate::take(&certificates).unwrap();
    let (issuer, rest) = Certificate::take(rest).unwrap();
    let root = root_certificate();
    let (root, _) = Certificate::take(&root).unwrap();
    assert!(rest.is_empty());
    assert_eq!(device.holder(), b"ZZVS000000100000");
    assert_eq!((device.authority(), issuer.holder()), (issuer.holder(), &b"ZZDIVS0100001"[..]));
    assert_eq!((issuer.authority(), root.holder()), (root.holder(), &b"ZZSRCAVS100001"[..]));
}

#[test]
fn the_same_seed_and_the_same_commands_give_the_same_bytes() {
    let run = || {
        let mut card = TestCard::initialised("3.4");
        let responses = [
            card.hex("0084000020").expect_ok(),
            card.generate_ec(1, "brainpoolP256r1", &[]),
            card.generate_rsa(2, 1024, &[]),
            card.sign(1, 0x73, b"abc").expect_ok(),
            card.sign(2, 0x43, b"abc").expect_ok(),
        ];
        (responses, card.card().image())
    };
    assert_eq!(run(), run());
}

#[test]
fn what_is_drawn_for_one_purpose_changes_nothing_of_another() {
    let keys = |signs: bool, size: u16| {
        let mut card = TestCard::initialised("3.4");
        card.generate_rsa(1, size, &[]);
        if signs {
            card.sign(1, 0x43, b"abc").expect_ok();
            card.hex("0084000008").expect_ok();
        }
        card.generate_ec(2, "secp256r1", &[]);
        let keys = card.card().state().keys().map(|(_, key)| key.public_key());
        keys.collect::<Vec<_>>()
    };
    assert_eq!(keys(true, 1024), keys(false, 1024));
    assert_eq!(keys(false, 1536)[1], keys(false, 1024)[1]);
    // A key that is made again is another one.
    let mut card = TestCard::initialised("3.4");
    let first = card.generate_ec(1, "secp256r1", &[]);
    assert_ne!(card.generate_ec(1, "secp256r1", &[]), first);
}

#[test]
fn a_stored_card_never_sees_the_same_random_stream_twice() {
    let mut card = TestCard::new("3.4");
    let mut seen = Vec::new();
    for _ in 0..4 {
        card = card.restarted();
        card.card().start_stream([3; 32]);
        seen.push(card.hex("0084000020").expect_ok());
    }
    let mut other = TestCard::new("2.6");
    other.card().start_stream([4; 32]);
    seen.push(other.hex("0084000020").expect_ok());
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[test]
fn cards_without_an_ordered_serial_number_differ() {
    let serial = |seed| {
        let profile = Profile::built_in("3.4").unwrap();
        let card = Card::new(&PersonalisationData::default(), profile, [seed; 32]).unwrap();
        card.state().device().serial().to_vec()
    };
    assert_ne!(serial(1), serial(2));
    assert_eq!(serial(1), serial(1));
}

#[test]
fn a_reset_leaves_what_a_power_cycle_leaves() {
    for firmware in firmwares() {
        let prepared = || {
            let mut card = TestCard::initialised(firmware);
            card.generate_ec(1, "secp256r1", &[]);
            card.write(0xCD01, b"protected").expect_ok();
            card.write(0x2F10, b"buffer").expect_ok();
            card
        };
        let (mut reset, mut cycled) = (prepared(), prepared().restarted());
        reset.reset();
        assert_eq!(reset.card().image(), cycled.card().image());
        for apdu in ["00200081", "00B1CD010454020000", "00B12F100454020000", "00B100000454020000"] {
            let response = reset.hex(apdu);
            assert_eq!(response, cycled.hex(apdu), "{apdu} on {firmware}");
            assert!(response.data.is_empty(), "{apdu} on {firmware}");
        }
        assert_eq!(reset.sign(1, 0x73, b"abc").status, 0x6982);
    }
}

#[test]
fn keys_files_and_pins_are_there_after_a_restart() {
    let mut card = TestCard::initialised("3.4");
    card.generate_ec(1, "brainpoolP384r1", &tlv(0x91, &[0x73]));
    card.generate_rsa(2, 1024, &tlv(0x90, &2_u32.to_be_bytes()));
    card.write(0xCF01, b"content").expect_ok();
    card.sign(2, 0x33, b"abc").expect_ok();
    assert_eq!(card.verify("000000").status, 0x63C2);

    let mut card = card.restarted();
    assert_eq!(card.hex("00200081").status, 0x63C2);
    card.verify(PIN).expect_ok();
    card.sign(1, 0x73, b"abc").expect_ok();
    assert_eq!(card.sign(1, 0x70, &[0x5A; 32]).status, 0x6A81);
    card.sign(2, 0x33, b"abc").expect_ok();
    assert_eq!(card.sign(2, 0x33, b"abc").status, 0x6984);
    assert_eq!(card.read(0xCF01).expect_ok(), b"content");
}

#[test]
fn a_pins_tries_come_back_only_by_a_right_pin_or_initialisation() {
    let mut card = TestCard::initialised("3.4");
    card.reset();
    assert_eq!(card.verify("000000").status, 0x63C2);
    for apdu in [
        "00A4040009E82B0601040181C31F", // SELECT
        "00240081 0C 303030303030 313233343536",
        "002C0181 08 0000000000000000",
        "80500000 19 80020001 8106363438323139 8208 0000000000000000 910103",
        "80500000 03 800200",
        "00200088 08 3537363231383830",
    ] {
        card.hex(apdu);
        let tries = card.card().state().pins().user().map(vschsm_card::state::Pin::tries);
        assert!(tries <= Some(2), "{apdu} gave tries back");
    }
    assert_eq!(SO_PIN.to_vec(), hex("3537363231383830"));
    card.hex("002C0181 08 3537363231383830").expect_ok();
    assert_eq!(card.hex("00200081").status, 0x63C3);
}

#[test]
fn debug_output_holds_no_secret() {
    let mut card = TestCard::with_dkek("3.4", *b"a share of 32 bytes for a DKEK..");
    card.generate_ec(1, "secp256r1", &[]);
    card.write(0x2F10, b"648219").expect_ok();
    card.write(0xCD01, b"protected").expect_ok();
    let scalar = String::from_utf8(card.card().image()).unwrap();
    let scalar = scalar.split("\"scalar\": \"").nth(1).unwrap()[..64].to_owned();
    let debug = format!("{:?}", card.card());
    for secret in [&b"648219"[..], b"57621880", b"protected", b"a share of 32", &hex(&scalar)] {
        assert!(!debug.contains(&format!("{secret:?}")), "{secret:?} in {debug}");
        let inner = format!("{secret:?}");
        assert!(!debug.contains(inner.trim_matches(['[', ']'])), "{secret:?} in {debug}");
    }
}
