//! Keys with quotas, our extension: each use counts, and who holds the refill key refills.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rsa::{BoxedUint, Pkcs1v15Encrypt, RsaPublicKey};
use std::path::Path;
use vschsm_card::Card;
use vschsm_host::command::{self, content, raw_signature, refill_token};
use vschsm_protocol::tlv::{self, encode};
use vschsm_testing::group::{certificates, verify_peer};
use vschsm_testing::mutation::mutated;
use vschsm_testing::test_card::{TestCard, changed_image, domain};
use vschsm_testing::{digits, firmwares, hex, is_from};
use vschsm_vectors::{CardState, PlayError, Vector};

const FIRMWARE: &str = "3.4+quota";

/// Algorithm lists of EC keys: with ECDSA, ECDH, export and derivation.
const ALL_OF_EC: [u8; 4] = [0x73, 0x80, 0x92, 0x98];

/// Who refills quotas: a card whose key 1 signs refill tokens.
struct Authority {
    card: TestCard,
    /// The authenticated request of the key.
    request: Vec<u8>,
}

impl Authority {
    fn new(number: u8) -> Self {
        let mut card = TestCard::with_serial("3.4", &format!("ZZVS000020{number}"), [number; 32]);
        card.initialise_with(&[]);
        let request = card.generate_ec(1, "secp256r1", &[]);
        Self { card, request }
    }

    /// Tags 90 and B4 of a key with so many uses that it refills.
    fn quota(&self, uses: u32) -> Vec<u8> {
        [encode(0x90, &uses.to_be_bytes()), encode(0xB4, content(&self.request))].concat()
    }

    /// REFILL QUOTA of key `id` with a refill token that it signs.
    fn refill(&mut self, id: u8, token: &[u8]) -> Vec<u8> {
        let signature = self.card.sign(1, 0x73, token).expect_ok();
        command::refill(id, token, &raw_signature(&signature))
    }
}

/// What SELECT says of a key with a quota of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Quota {
    uses: u32,
    identifier: Vec<u8>,
    refills: u32,
}

fn quota(card: &mut TestCard, id: u8) -> Quota {
    let fci = card.transmit(&command::select_key(id)).expect_ok();
    let number =
        |path: &[u16]| u32::from_be_bytes(tlv::at(&fci, path).unwrap().try_into().unwrap());
    Quota {
        uses: number(&[0x6F, 0xA5, 0x90]),
        identifier: tlv::at(&fci, &[0x6F, 0xA5, 0xB4, 0x80]).unwrap().to_vec(),
        refills: number(&[0x6F, 0xA5, 0xB4, 0x81]),
    }
}

/// The name of a card, as refill tokens have it.
fn device(card: &mut TestCard) -> Vec<u8> {
    tlv::at(&certificates(card), &[0x7F21, 0x7F4E, 0x5F20]).unwrap().to_vec()
}

/// The refill token that gives a key so many uses.
fn token(card: &mut TestCard, id: u8, uses: u32) -> Vec<u8> {
    let Quota { identifier, refills, .. } = quota(card, id);
    refill_token(&device(card), id, &identifier, refills, uses)
}

/// A card, logged in, that has verified the certificates of the authority.
fn card(authority: &mut Authority) -> TestCard {
    let mut card = TestCard::with_dkek(FIRMWARE, [0x44; 32]);
    verify_peer(&mut card, &certificates(&mut authority.card));
    card
}

/// The same with a key 1 for ECDSA and the like.
fn with_key(authority: &mut Authority, uses: u32) -> TestCard {
    let mut card = card(authority);
    let limits = [authority.quota(uses), encode(0x91, &ALL_OF_EC)].concat();
    card.generate_ec(1, "secp256r1", &limits);
    card
}

fn sign(card: &mut TestCard, id: u8) -> u16 {
    card.sign(id, 0x73, b"x").status
}

#[test]
fn a_quota_of_five_gives_five_decryptions_and_a_refill_as_many_as_it_says() {
    let mut authority = Authority::new(1);
    let mut card = card(&mut authority);
    let request = card.generate_rsa(1, 1024, &authority.quota(5));
    let modulus = tlv::at(&request, &[0x67, 0x7F21, 0x7F4E, 0x7F49, 0x81]).unwrap();
    let modulus = BoxedUint::from_be_slice(modulus, 1024).unwrap();
    let public = RsaPublicKey::new(modulus, BoxedUint::from(65_537_u32)).unwrap();
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let cryptogram = public.encrypt(&mut rng, Pkcs1v15Encrypt, b"secret").unwrap();
    let decrypts = |card: &mut TestCard| {
        let response = card.decipher(1, 0x22, &cryptogram);
        if response.status == 0x9000 {
            assert_eq!(response.data, b"secret");
        }
        response.status
    };

    // What never gets as far as the key does not count.
    assert_eq!(card.decipher(1, 0x22, &[0x01; 127]).status, 0x6A80);
    for left in (0..5).rev() {
        assert_eq!(decrypts(&mut card), 0x9000);
        assert_eq!(quota(&mut card, 1).uses, left);
    }
    assert_eq!(decrypts(&mut card), 0x6984);
    // Nor is the count forgotten.
    let mut card = card.restarted().logged_in();
    assert_eq!(decrypts(&mut card), 0x6984);

    let refill = authority.refill(1, &token(&mut card, 1, 2));
    card.reset();
    assert_eq!(card.transmit(&refill).status, 0x9000, "without login");
    let mut card = card.restarted().logged_in();
    assert_eq!([0; 3].map(|_| decrypts(&mut card)), [0x9000, 0x9000, 0x6984]);
    assert_eq!(card.transmit(&refill).status, 0x6985, "a second time");
    assert_eq!(decrypts(&mut card), 0x6984);
}

#[test]
fn every_kind_of_use_counts() {
    let mut authority = Authority::new(1);
    let mut card = with_key(&mut authority, 9);
    let point = [&[0x04], &domain("secp256r1").g[1..]].concat();
    card.decipher(1, 0x80, &point).expect_ok();
    card.sign(1, 0x73, b"x").expect_ok();
    card.transmit(&[0x80, 0x76, 1, 2, 2, 0x98, 1]).expect_ok();
    assert_eq!(quota(&mut card, 1).uses, 6);

    let limits = [authority.quota(4), encode(0x91, &[0x10, 0x11, 0x18, 0x99])].concat();
    card.generate_aes(3, 128, &limits);
    for (algorithm, left) in [(0x10, 3), (0x11, 2), (0x18, 1), (0x99, 0)] {
        card.cipher(3, algorithm, &[0x55; 16]).expect_ok();
        assert_eq!(quota(&mut card, 3).uses, left, "{algorithm:02X}");
    }
    assert_eq!(card.cipher(3, 0x99, &[0x55; 16]).status, 0x6984);
}

#[test]
fn a_refill_token_is_good_for_one_refill_and_in_its_turn() {
    let mut authority = Authority::new(1);
    let mut card = with_key(&mut authority, 1);
    let (device, first) = (device(&mut card), quota(&mut card, 1));
    let mut refill = |card: &mut TestCard, refills, uses| {
        let token = refill_token(&device, 1, &first.identifier, refills, uses);
        card.transmit(&authority.refill(1, &token)).status
    };
    for refills in [1, 2, u32::MAX] {
        assert_eq!(refill(&mut card, refills, 5), 0x6985, "{refills} is to come");
    }
    assert_eq!(quota(&mut card, 1), first);
    for (refills, uses) in [(0, 5), (1, 6), (2, 1), (3, u32::MAX)] {
        assert_eq!(refill(&mut card, refills, uses), 0x9000);
        let now = quota(&mut card, 1);
        assert_eq!((now.uses, now.refills), (uses, refills + 1));
        for stale in 0..=refills {
            assert_eq!(refill(&mut card, stale, 7), 0x6985, "{stale} is over");
        }
        assert_eq!(quota(&mut card, 1), now);
    }
}

#[test]
fn only_the_refill_key_refills() {
    let (mut authority, mut stranger) = (Authority::new(1), Authority::new(2));
    let mut card = with_key(&mut authority, 1);
    let before = quota(&mut card, 1);
    let wanted = token(&mut card, 1, 5);
    verify_peer(&mut card, &certificates(&mut stranger.card));
    assert_eq!(card.transmit(&stranger.refill(1, &wanted)).status, 0x6300);
    // The card's own keys, the one to be refilled among them.
    card.generate_ec(2, "secp256r1", &[]);
    for id in [1, 2] {
        let signature = card.sign(id, 0x73, &wanted).expect_ok();
        let refill = command::refill(1, &wanted, &raw_signature(&signature));
        assert_eq!(card.transmit(&refill).status, 0x6300, "key {id}");
    }
    // Another key of the authority's card.
    authority.card.generate_ec(2, "secp256r1", &[]);
    let signature = authority.card.sign(2, 0x73, &wanted).expect_ok();
    let refill = command::refill(1, &wanted, &raw_signature(&signature));
    assert_eq!(card.transmit(&refill).status, 0x6300);
    assert_eq!(quota(&mut card, 1), Quota { uses: 0, ..before });
}

#[test]
fn a_refill_token_for_another_key_or_card_refills_nothing() {
    let mut authority = Authority::new(1);
    let mut card = with_key(&mut authority, 1);
    card.generate_ec(2, "secp256r1", &authority.quota(1));
    let [one, two] = [1, 2].map(|id| token(&mut card, id, 5));
    let (for_one, for_two) = (authority.refill(1, &one), authority.refill(2, &two));
    // Sent to the wrong key, and signed for the right identifier with the wrong number.
    let crossed = [authority.refill(1, &two), authority.refill(2, &one)];
    let identifier = quota(&mut card, 1).identifier;
    let misplaced = refill_token(&device(&mut card), 2, &identifier, 0, 5);
    let misplaced = [authority.refill(1, &misplaced), authority.refill(2, &misplaced)];
    let elsewhere = refill_token(b"ZZVS000000900000", 1, &identifier, 0, 5);
    let elsewhere = authority.refill(1, &elsewhere);
    for refill in crossed.iter().chain(&misplaced).chain([&elsewhere]) {
        assert_eq!(card.transmit(refill).status, 0x6985, "{}", digits(refill));
    }

    // Another key in the same place, be it of the same kind and with the same refill key.
    let limits = [authority.quota(1), encode(0x91, &ALL_OF_EC)].concat();
    card.generate_ec(1, "secp256r1", &limits);
    assert_ne!(quota(&mut card, 1).identifier, identifier);
    assert_eq!(card.transmit(&for_one).status, 0x6985);
    card.transmit(&for_two).expect_ok();
    assert_eq!((quota(&mut card, 1).uses, quota(&mut card, 2).uses), (1, 5));
}

#[test]
fn every_bit_of_a_refill_counts_and_the_signature_may_be_in_der() {
    let mut authority = Authority::new(1);
    let mut card = with_key(&mut authority, 1);
    let before = card.card().image();
    let wanted = token(&mut card, 1, 5);
    let signature = authority.card.sign(1, 0x73, &wanted).expect_ok();
    let raw = raw_signature(&signature);
    let data = [&wanted[..], &encode(0x5F37, &raw)].concat();
    for bit in 0..data.len() * 8 {
        let mut damaged = data.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let status = card.send(0x80, 0x3E, 1, 0, &damaged).status;
        assert!(matches!(status, 0x6300 | 0x6A80), "bit {bit}: {status:04X}");
    }
    for cut in 0..data.len() {
        let status = card.send(0x80, 0x3E, 1, 0, &data[..cut]).status;
        assert_eq!(status, 0x6A80, "cut at {cut}");
    }
    assert_eq!(card.card().image(), before);

    assert_eq!(signature[0], 0x30, "DER");
    card.transmit(&command::refill(1, &wanted, &signature)).expect_ok();
    assert_eq!(quota(&mut card, 1).uses, 5);
}

#[test]
fn no_damaged_command_refills_or_changes_anything() {
    let mut authority = Authority::new(1);
    let mut card = with_key(&mut authority, 1);
    let good = authority.refill(1, &token(&mut card, 1, 5));
    let before = card.card().image();
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    for _ in 0..2000 {
        let damaged = mutated(&good, &mut rng);
        // A byte more is an Le, and another class may be as good.
        let same = damaged.starts_with(&good) || damaged.get(1..) == good.get(1..);
        if damaged.get(1) == Some(&0x3E) && !same {
            let status = card.transmit(&damaged).status;
            assert_ne!(status, 0x9000, "{}", digits(&damaged));
            assert_eq!(card.card().image(), before, "{}", digits(&damaged));
        }
    }
    for parameters in 0..=u16::MAX {
        let [p1, p2] = parameters.to_be_bytes();
        assert_ne!(card.transmit(&[0x80, 0x3E, p1, p2]).status, 0x9000);
    }
    card.transmit(&good).expect_ok();
}

#[test]
fn a_key_with_a_quota_leaves_no_copy_that_is_not_counted() {
    let mut authority = Authority::new(1);
    let mut card = TestCard::with_dkek(FIRMWARE, [0x44; 32]);
    verify_peer(&mut card, &certificates(&mut authority.card));
    let limits = [authority.quota(5), encode(0x91, &ALL_OF_EC)].concat();
    card.generate_ec(1, "secp256r1", &limits);
    assert_eq!(card.wrap_key(1).status, 0x6985);

    // A derived key, and one derived from that, draw on the quota of the first.
    card.transmit(&[0x80, 0x76, 1, 2, 2, 0x98, 1]).expect_ok();
    card.transmit(&[0x80, 0x76, 2, 3, 2, 0x98, 1]).expect_ok();
    assert_eq!([card.wrap_key(2).status, card.wrap_key(3).status], [0x6985; 2]);
    let mut card = card.restarted().logged_in();
    assert_eq!([2, 3, 1].map(|id| sign(&mut card, id)), [0x9000; 3]);
    assert_eq!([1, 2, 3].map(|id| sign(&mut card, id)), [0x6984; 3]);
    assert_eq!(card.transmit(&[0x80, 0x76, 2, 4, 2, 0x98, 1]).status, 0x6984);

    let wanted = token(&mut card, 1, 2);
    card.transmit(&authority.refill(1, &wanted)).expect_ok();
    assert_eq!([3, 2, 1].map(|id| sign(&mut card, id)), [0x9000, 0x9000, 0x6984]);
}

#[test]
fn a_key_whose_master_is_gone_has_no_uses() {
    let mut authority = Authority::new(1);
    for replacement in ["deleted", "another key", "the derived key"] {
        let mut card = with_key(&mut authority, 9);
        card.transmit(&[0x80, 0x76, 1, 2, 2, 0x98, 1]).expect_ok();
        assert_eq!(sign(&mut card, 2), 0x9000);
        let limits = [authority.quota(9), encode(0x91, &ALL_OF_EC)].concat();
        match replacement {
            "deleted" => drop(card.hex("00E4020002CC01").expect_ok()),
            "another key" => drop(card.generate_ec(1, "secp256r1", &limits)),
            _ => drop(card.transmit(&[0x80, 0x76, 1, 1, 2, 0x98, 1]).expect_ok()),
        }
        assert_eq!(sign(&mut card, 2), 0x6984, "{replacement}");
        assert_eq!(card.wrap_key(2).status, 0x6985, "{replacement}");
    }
}

#[test]
fn only_a_key_of_a_card_that_certificates_vouch_for_refills() {
    let mut authority = Authority::new(1);
    let mut card = TestCard::initialised(FIRMWARE);
    let template = |limits: &[u8]| command::ec_template(&domain("secp256r1"), limits);
    let quota = authority.quota(5);
    assert_eq!(card.send(0x00, 0x46, 1, 0, &template(&quota)).status, 0x6A88, "nobody knows it");
    verify_peer(&mut card, &certificates(&mut authority.card));
    let uses = encode(0x90, &5_u32.to_be_bytes());
    let rsa = authority.card.generate_rsa(3, 1024, &[]);
    for (limits, status) in [
        ([&quota[..quota.len() - 1], &[quota[quota.len() - 1] ^ 1]].concat(), 0x6985),
        (quota[uses.len()..].to_vec(), 0x6A80),
        ([uses.clone(), encode(0xB4, content(&rsa))].concat(), 0x6A80),
        ([uses.clone(), encode(0xB4, &authority.request)].concat(), 0x6A80),
        ([encode(0x90, &[0; 4]), quota[uses.len()..].to_vec()].concat(), 0x6A80),
    ] {
        let response = card.send(0x00, 0x46, 1, 0, &template(&limits)).status;
        assert_eq!(response, status, "{}", digits(&limits));
        assert_eq!(card.card().state().keys().count(), 0);
    }
    card.send(0x00, 0x46, 1, 0, &template(&quota)).expect_ok();
}

#[test]
fn no_genuine_firmware_has_quotas() {
    let mut authority = Authority::new(1);
    let quota = authority.quota(5);
    for firmware in firmwares().filter(|firmware| is_from(firmware, "2.0")) {
        let [with, without] = [&quota[..], &quota[..6]].map(|limits| {
            let mut card = TestCard::initialised(firmware);
            verify_peer(&mut card, &certificates(&mut authority.card));
            card.generate_ec(1, "secp256r1", limits);
            assert_eq!(card.transmit(&command::refill(1, &[0xB4, 0], &[])).status, 0x6D00);
            card.card().image()
        });
        assert!(with == without, "{firmware}: tag B4 is passed over");
    }
}

#[test]
fn apart_from_quotas_the_extension_answers_as_its_firmware() {
    let mut played = 0;
    for (name, text) in vschsm_vectors::BUILT_IN {
        let vector = Vector::parse(text).unwrap();
        let is_own = vector.firmwares.contains(&FIRMWARE);
        if is_own || !vector.firmwares.contains(&"3.4") {
            continue;
        }
        let deliver = || Ok(TestCard::new(FIRMWARE).into());
        match vector.card.for_each_example(deliver, |card| vector.run("3.4", card)) {
            Ok(()) => played += 1,
            Err(PlayError::Failed(what)) => panic!("{name}: {what}"),
            Err(PlayError::Mismatch(found)) => panic!("{name}: {found:?}"),
        }
    }
    assert!(played > 200, "{played}");
}

#[test]
fn an_image_with_quotas_is_the_same_when_it_was_loaded_and_holds_only_what_can_be() {
    let mut authority = Authority::new(1);
    let mut card = with_key(&mut authority, 9);
    card.transmit(&[0x80, 0x76, 1, 2, 2, 0x98, 1]).expect_ok();
    let image = card.card().image();
    assert_eq!(Card::load(&image, [0; 32]).unwrap().image(), image);
    for (part, replacement) in [
        ("\"identifier\": \"", "\"identifier\": \"00"),
        ("\"master\": 1", "\"master\": 0"),
        ("\"refills\": 0", "\"refills\": -1"),
        ("\"refills\"", "\"refill\""),
        ("\"refill-key\": {\n          \"holder\"", "\"refill-key\": {\n          \"name\""),
        ("\"public-key\": \"06", "\"public-key\": \"07"),
    ] {
        let image = changed_image(card.card(), |content| {
            assert!(content.contains(part), "{part} in {content}");
            content.replacen(part, replacement, 1)
        });
        assert!(Card::load(&image, [0; 32]).is_err(), "{part} -> {replacement}");
    }
}

#[test]
fn a_quota_that_was_refilled_as_often_as_can_be_counted_is_refilled_no_more() {
    let mut authority = Authority::new(1);
    let mut card = with_key(&mut authority, 1);
    let image = changed_image(card.card(), |content| {
        content.replacen("\"refills\": 0", "\"refills\": 4294967294", 1)
    });
    let mut card = TestCard::from(Card::load(&image, [0; 32]).unwrap());
    for status in [0x9000, 0x6985] {
        let wanted = token(&mut card, 1, 5);
        assert_eq!(card.transmit(&authority.refill(1, &wanted)).status, status);
    }
    assert_eq!(quota(&mut card, 1).refills, u32::MAX);
}

/// The example, as a vector has it: a line with the header, and the data on those that follow.
#[test]
fn the_example_that_is_written_down_refills() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, example) = readme.split_once("\n    > 803E0100").unwrap();
    let (data, _) = example.split_once("\n    < 9000").unwrap();
    let refill = hex(&format!("803E0100{data}"));

    let mut card = TestCard::new(FIRMWARE);
    let state = "initialised, peer verified, key 1 secp256r1 uses 1 refill peer";
    CardState::parse(state)
        .unwrap()
        .prepare(card.card())
        .unwrap_or_else(|error| panic!("{error:?}"));
    let identifier = digits(&quota(&mut card, 1).identifier);
    let image =
        changed_image(card.card(), |content| content.replacen(&identifier, "0001020304050607", 1));
    let mut card = TestCard::from(Card::load(&image, [0; 32]).unwrap());
    let wanted = token(&mut card, 1, 5);
    assert!(refill[5..].starts_with(&wanted), "{}", digits(&wanted));
    card.transmit(&refill).expect_ok();
    let expected = Quota { uses: 5, identifier: hex("0001020304050607"), refills: 1 };
    assert_eq!(quota(&mut card, 1), expected);
    assert_eq!(card.transmit(&refill).status, 0x6985);
}
