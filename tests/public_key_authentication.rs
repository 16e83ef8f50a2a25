//! Public key authentication: custodians' cards open a card, n of m of them.

use vschsm_host::command::{self, choose_issuer, content};
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::tlv::encode;
use vschsm_testing::custodian::{CustodianCard, renamed};
use vschsm_testing::group::{certificates, verify_peer};
use vschsm_testing::test_card::{PIN, SO_PIN, TestCard, TestResponse, domain};
use vschsm_testing::{firmwares, is_from};

/// Options of INITIALIZE DEVICE.
const RESET_RETRY_COUNTER: u8 = 0x01;
const REPLACE: u8 = 0x08;
const PIN_AND_KEYS: u8 = 0x10;

/// A card that wants so many of so many keys.
fn card(firmware: &str, options: u8, keys: [u8; 2], pin: Option<&str>) -> TestCard {
    let mut card = TestCard::new(firmware);
    initialise(&mut card, options, keys, pin);
    card
}

fn initialise(card: &mut TestCard, options: u8, keys: [u8; 2], pin: Option<&str>) {
    let pin = pin.map(|pin| encode(0x81, pin.as_bytes())).unwrap_or_default();
    let data = [encode(0x80, &[0x00, options]), pin, encode(0x82, &SO_PIN), encode(0x93, &keys)];
    card.send(0x80, 0x50, 0x00, 0x00, &data.concat()).expect_ok();
    card.reset();
}

fn register(card: &mut TestCard, custodian: &mut CustodianCard) -> TestResponse {
    verify_peer(card, &certificates(&mut custodian.card));
    card.send(0x80, 0x54, 0x00, 0x00, content(&custodian.request))
}

/// A card with three custodians, two of which are required.
fn two_of_three(firmware: &str, options: u8, pin: Option<&str>) -> (TestCard, [CustodianCard; 3]) {
    let mut card = card(firmware, options, [3, 2], pin);
    let mut custodians = [1, 2, 3].map(CustodianCard::new);
    for (custodian, missing) in custodians.iter_mut().zip([2, 1, 0]) {
        assert_eq!(register(&mut card, custodian).expect_ok(), [3, missing, 2, 0]);
    }
    card.reset();
    (card, custodians)
}

fn choose(card: &mut TestCard, name: &[u8]) -> u16 {
    card.send(0x00, 0x22, 0x81, 0xA4, &encode(0x83, name)).status
}

fn challenge(card: &mut TestCard) -> Vec<u8> {
    card.hex("0084000008").expect_ok()
}

fn answer(card: &mut TestCard, signature: &[u8]) -> u16 {
    card.send(0x00, 0x82, 0x00, 0x00, signature).status
}

/// The name of the card, as its custodians sign it.
fn device(card: &mut TestCard) -> Vec<u8> {
    let certificates = certificates(card);
    Certificate::take(&certificates).unwrap().0.holder().to_vec()
}

fn authenticate(card: &mut TestCard, custodian: &mut CustodianCard) -> u16 {
    match choose(card, &custodian.name()) {
        0x9000 => {
            let (device, challenge) = (device(card), challenge(card));
            answer(card, &custodian.sign(&device, &challenge))
        }
        status => status,
    }
}

/// 9000 if the user is logged in.
fn user(card: &mut TestCard) -> u16 {
    card.hex("00200081").status
}

fn status(card: &mut TestCard) -> Vec<u8> {
    card.hex("8054000000").expect_ok()
}

#[test]
fn two_of_three_custodians_open_the_card() {
    for firmware in firmwares().filter(|firmware| is_from(firmware, "2.0")) {
        let (mut card, [mut one, mut two, mut three]) =
            two_of_three(firmware, RESET_RETRY_COUNTER, None);
        assert_eq!(user(&mut card), 0x6300, "{firmware}");
        assert_eq!(card.sign(1, 0x73, b"x").status, 0x6982, "{firmware}");

        assert_eq!(authenticate(&mut card, &mut three), 0x9000, "{firmware}");
        assert_eq!(user(&mut card), 0x6300, "{firmware}: one is not enough");
        assert_eq!(status(&mut card), [3, 0, 2, 1], "{firmware}");
        assert_eq!(authenticate(&mut card, &mut one), 0x9000, "{firmware}");
        assert_eq!(user(&mut card), 0x9000, "{firmware}");

        card.generate_ec(1, "secp256r1", &[]);
        card.sign(1, 0x73, b"x").expect_ok();
        assert_eq!(authenticate(&mut card, &mut two), 0x9000, "{firmware}");
        assert_eq!(status(&mut card), [3, 0, 2, 3], "{firmware}");
        card.reset();
        assert_eq!((user(&mut card), status(&mut card)), (0x6300, vec![3, 0, 2, 0]), "{firmware}");
    }
}

#[test]
fn the_keys_are_still_there_after_a_restart() {
    let (card, [mut one, mut two, _]) = two_of_three("3.4", RESET_RETRY_COUNTER, None);
    let mut card = card.restarted();
    assert_eq!(status(&mut card), [3, 0, 2, 0]);
    assert_eq!(authenticate(&mut card, &mut one), 0x9000);
    assert_eq!(authenticate(&mut card, &mut two), 0x9000);
    assert_eq!(user(&mut card), 0x9000);
    initialise(&mut card, RESET_RETRY_COUNTER, [3, 2], None);
    assert_eq!(status(&mut card), [3, 3, 2, 0], "initialisation forgets the keys");
}

#[test]
fn until_all_are_registered_nobody_opens_the_card() {
    let mut card = card("3.4", RESET_RETRY_COUNTER, [2, 1], None);
    let mut custodians = [1, 2].map(CustodianCard::new);
    register(&mut card, &mut custodians[0]).expect_ok();
    assert_eq!(authenticate(&mut card, &mut custodians[0]), 0x9000);
    assert_eq!(user(&mut card), 0x6300);
    register(&mut card, &mut custodians[1]).expect_ok();
    let mut third = CustodianCard::new(3);
    assert_eq!(register(&mut card, &mut third).status, 0x6A84);
    assert_eq!(authenticate(&mut card, &mut custodians[1]), 0x9000);
    assert_eq!(user(&mut card), 0x9000);
}

#[test]
fn wrong_cards_replayed_challenges_and_one_key_twice_are_refused() {
    let (mut card, [mut one, mut two, _]) = two_of_three("3.4", RESET_RETRY_COUNTER, None);
    let device = device(&mut card);

    // The key of another card, and that of a custodian who was not chosen.
    let mut stranger = CustodianCard::new(4);
    assert_eq!(choose(&mut card, &stranger.name()), 0x6A88);
    for wrong in [&mut stranger, &mut two] {
        assert_eq!(choose(&mut card, &one.name()), 0x9000);
        let challenge = challenge(&mut card);
        assert_eq!(answer(&mut card, &wrong.sign(&device, &challenge)), 0x6300);
    }

    // A challenge is good for one attempt, be it wrong or right.
    let first = challenge(&mut card);
    let signature = one.sign(&device, &first);
    assert_eq!(answer(&mut card, &[0x55; 64]), 0x6300);
    assert_eq!(answer(&mut card, &signature), 0x6985);
    challenge(&mut card);
    assert_eq!(answer(&mut card, &signature), 0x6300, "a signature of another challenge");
    // Only eight bytes are one.
    card.hex("0084000010").expect_ok();
    assert_eq!(answer(&mut card, &signature), 0x6985);

    // For another card.
    let wanted = challenge(&mut card);
    assert_eq!(answer(&mut card, &one.sign(b"ZZVS000000900000", &wanted)), 0x6300);

    assert_eq!(authenticate(&mut card, &mut one), 0x9000);
    assert_eq!(authenticate(&mut card, &mut one), 0x6985, "two times the same key");
    let again = challenge(&mut card);
    assert_eq!(answer(&mut card, &one.sign(&device, &again)), 0x6A88, "without being chosen again");
    assert_eq!((user(&mut card), status(&mut card)), (0x6300, vec![3, 0, 2, 1]));
}

#[test]
fn every_bit_of_a_signature_counts_and_it_may_be_in_der() {
    let (mut card, [mut one, mut two, _]) = two_of_three("3.4", RESET_RETRY_COUNTER, None);
    let device = device(&mut card);
    assert_eq!(choose(&mut card, &one.name()), 0x9000);
    for bit in (0..512).step_by(7) {
        let challenge = challenge(&mut card);
        let mut signature = one.sign(&device, &challenge);
        signature[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(answer(&mut card, &signature), 0x6300, "bit {bit}");
    }
    for length in [1, 32, 63, 65, 128] {
        challenge(&mut card);
        assert_eq!(answer(&mut card, &vec![1; length]), 0x6300, "{length} bytes");
    }
    challenge(&mut card);
    assert_eq!(answer(&mut card, &[]), 0x6700);

    let wanted = challenge(&mut card);
    let message = [device.as_slice(), &wanted].concat();
    let der = one.card.sign(1, 0x73, &message).expect_ok();
    assert_eq!(der[0], 0x30);
    assert_eq!(answer(&mut card, &der), 0x9000);
    assert_eq!(authenticate(&mut card, &mut two), 0x9000);
    assert_eq!(user(&mut card), 0x9000);
}

#[test]
fn pin_or_keys_open_the_card_unless_both_are_wanted() {
    let (mut card, [mut one, mut two, _]) = two_of_three("3.4", RESET_RETRY_COUNTER, Some(PIN));
    assert_eq!(user(&mut card), 0x63C3);
    card.verify(PIN).expect_ok();
    assert_eq!(user(&mut card), 0x9000);
    card.reset();
    authenticate(&mut card, &mut one);
    authenticate(&mut card, &mut two);
    assert_eq!(user(&mut card), 0x9000);

    let options = RESET_RETRY_COUNTER | PIN_AND_KEYS;
    for pin_first in [true, false] {
        let (mut card, [mut one, mut two, _]) = two_of_three("3.4", options, Some(PIN));
        if pin_first {
            card.verify(PIN).expect_ok();
            assert_eq!(user(&mut card), 0x63C3, "the PIN alone is not enough");
        }
        assert_eq!(authenticate(&mut card, &mut one), 0x9000);
        assert_eq!(authenticate(&mut card, &mut two), 0x9000);
        if !pin_first {
            assert_eq!(user(&mut card), 0x63C3, "keys alone are not enough");
            card.verify(PIN).expect_ok();
        }
        assert_eq!(user(&mut card), 0x9000);
        // A wrong PIN logs out, and all begins again.
        assert_eq!(card.verify("000000").status, 0x63C2);
        assert_eq!((user(&mut card), status(&mut card)), (0x63C2, vec![3, 0, 2, 0]));
    }
}

#[test]
fn a_key_is_registered_once_and_by_one_name() {
    let mut card = card("3.4", RESET_RETRY_COUNTER, [3, 2], None);
    let (mut one, mut two) = (CustodianCard::new(1), CustodianCard::new(2));
    register(&mut card, &mut one).expect_ok();
    assert_eq!(register(&mut card, &mut one).status, 0x6985, "the same key");

    // Another key of the same name.
    let template = command::ec_template(&domain("secp256k1"), &[]);
    let template = renamed(&template, &one.name());
    let namesake = two.card.send(0x00, 0x46, 2, 0x00, &template).expect_ok();
    verify_peer(&mut card, &certificates(&mut two.card));
    let response = card.send(0x80, 0x54, 0x00, 0x00, content(&namesake));
    assert_eq!(response.status, 0x6985, "the same name");
    assert_eq!(status(&mut card), [3, 2, 2, 0]);
}

#[test]
fn only_a_request_of_a_card_that_certificates_vouch_for_is_registered() {
    let mut card = card("3.4", RESET_RETRY_COUNTER, [1, 1], None);
    let mut custodian = CustodianCard::new(1);
    let request = content(&custodian.request).to_vec();
    assert_eq!(card.send(0x80, 0x54, 0, 0, &request).status, 0x6A88, "nobody knows the card");
    verify_peer(&mut card, &certificates(&mut custodian.card));
    for bit in (0..request.len() * 8).step_by(61) {
        let mut damaged = request.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let status = card.send(0x80, 0x54, 0, 0, &damaged).status;
        assert!(matches!(status, 0x6985 | 0x6A80 | 0x6A88), "bit {bit}: {status:04X}");
    }
    for cut in (0..request.len()).step_by(13) {
        let status = card.send(0x80, 0x54, 0, 0, &request[..cut]).status;
        assert!(
            matches!(status, 0x6A80 | 0x9000) && (cut == 0 || status != 0x9000),
            "cut at {cut}"
        );
    }
    let rsa = custodian.card.generate_rsa(3, 1024, &[]);
    assert_eq!(card.send(0x80, 0x54, 0, 0, content(&rsa)).status, 0x6A80, "an RSA key");
    assert_eq!(status(&mut card), [1, 1, 1, 0]);
    // What is too long for an APDU stands in EF 2F10.
    card.verify(PIN);
    card.send(0x80, 0x54, 0, 0, &request).expect_ok();
    assert_eq!(status(&mut card), [1, 0, 1, 0]);
}

#[test]
fn a_custodian_leaves_if_the_options_let_another_take_the_place() {
    let mut fourth = CustodianCard::new(4);
    for (options, replaced) in [(RESET_RETRY_COUNTER, 0x6985), (REPLACE, 0x9000)] {
        let (mut card, [mut one, mut two, _]) = two_of_three("3.4", options, None);
        assert_eq!(card.hex("8054020000").expect_ok(), one.name());
        authenticate(&mut card, &mut one);
        let known = card.hex("8054020000");
        assert_eq!((known.data, known.status), (one.name(), 0x9001));
        assert_eq!(card.hex("8054020300").status, 0x6A86);
        authenticate(&mut card, &mut two);
        verify_peer(&mut card, &certificates(&mut two.card));
        let twice = card.send(0x80, 0x54, 0x01, 0, content(&two.request)).status;
        assert_eq!(twice, 0x6985, "a custodian takes no second place");

        verify_peer(&mut card, &certificates(&mut fourth.card));
        assert_eq!(card.send(0x80, 0x54, 0x01, 3, content(&fourth.request)).status, 0x6A86);
        let status = card.send(0x80, 0x54, 0x01, 0, content(&fourth.request)).status;
        assert_eq!(status, replaced);
        let expected =
            if replaced == 0x9000 { (fourth.name(), 0x6A88) } else { (one.name(), 0x6985) };
        let known = card.hex("8054020000").data;
        assert_eq!((known, choose(&mut card, &one.name())), expected);
    }
}

#[test]
fn a_card_without_keys_to_register_knows_nothing_of_them() {
    let mut card = TestCard::initialised("3.4");
    let mut custodian = CustodianCard::new(1);
    assert_eq!(card.hex("8054000000").status, 0x6D00);
    assert_eq!(register(&mut card, &mut custodian).status, 0x6D00);
    assert_eq!(choose(&mut card, &custodian.name()), 0x6A88);
    assert_eq!(answer(&mut card, &[1; 64]), 0x6A88);
    assert_eq!(TestCard::initialised("1.2").hex("8054000000").status, 0x6D00);
    let own = certificates(&mut card);
    assert_eq!(card.transmit(&choose_issuer(b"ZZSRCAVS100001")).status, 0x9000);
    assert!(!own.is_empty());
}
