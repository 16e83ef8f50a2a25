//! Keys of custodians: who may put one in the place of another, and how many one key counts as.

use vschsm_card::Card;
use vschsm_card::state::KeyId;
use vschsm_host::command::content;
use vschsm_host::command::ec_template;
use vschsm_protocol::tlv::{self, encode};
use vschsm_testing::custodian::CustodianCard;
use vschsm_testing::digits;
use vschsm_testing::group::{certificates, verify_peer};
use vschsm_testing::test_card::{PIN, TestCard, TestResponse, changed_image, domain};
use vschsm_vectors::initialize;

/// RESET RETRY COUNTER, and replacement of keys.
const OPTIONS: [u8; 2] = [0x00, 0x09];

/// MANAGE PUBLIC KEY AUTHENTICATION: registration, or replacement of key 0.
const REGISTER: u8 = 0x00;
const REPLACE: u8 = 0x01;

/// A card that wants so many of so many keys; nobody is logged in.
fn card(keys: [u8; 2]) -> TestCard {
    let mut card = TestCard::new("3.4");
    card.transmit(&initialize(OPTIONS, &encode(0x93, &keys))).expect_ok();
    card.reset();
    card
}

fn request(card: &mut TestCard, p1: u8, custodian: &mut CustodianCard) -> TestResponse {
    verify_peer(card, &certificates(&mut custodian.card));
    card.send(0x80, 0x54, p1, 0x00, content(&custodian.request))
}

/// A card with key 1, opened by one key of two; nobody is logged in.
fn with_owner(keys: [u8; 2]) -> (TestCard, CustodianCard) {
    let (mut card, mut owner) = (card(keys), CustodianCard::new(1));
    request(&mut card, REGISTER, &mut owner).expect_ok();
    let mut card = card.logged_in();
    card.generate_ec(1, "secp256r1", &[]);
    card.reset();
    (card, owner)
}

/// Chooses the key of that name, and lets the custodian sign a challenge: the status word.
fn authenticate(card: &mut TestCard, custodian: &mut CustodianCard, name: &[u8]) -> u16 {
    let chosen = card.send(0x00, 0x22, 0x81, 0xA4, &encode(0x83, name)).status;
    if chosen != 0x9000 {
        return chosen;
    }
    let own = certificates(card);
    let device = tlv::at(&own, &[0x7F21, 0x7F4E, 0x5F20]).unwrap();
    let challenge = card.hex("0084000008").expect_ok();
    let signature = custodian.sign(device, &challenge);
    card.send(0x00, 0x82, 0x00, 0x00, &signature).status
}

/// What becomes of whoever has a card of the same maker, a key on it, and no PIN.
fn signs_for(card: &mut TestCard, stranger: &mut CustodianCard, p1: u8) -> [u16; 3] {
    let put = request(card, p1, stranger).status;
    let name = stranger.name();
    [put, authenticate(card, stranger, &name), card.sign(1, 0x73, b"x").status]
}

#[test]
fn a_stranger_does_not_take_the_place_of_a_custodian_and_sign() {
    let (mut card, mut owner) = with_owner([1, 1]);
    let mut stranger = CustodianCard::new(2);
    assert_eq!(signs_for(&mut card, &mut stranger, REPLACE), [0x6982, 0x6A88, 0x6982]);
    let name = owner.name();
    assert_eq!(authenticate(&mut card, &mut owner, &name), 0x9000, "the owner is still there");
    // After login, or with the required keys, another key can be registered.
    assert_eq!(request(&mut card, REPLACE, &mut stranger).status, 0x9000);
    card.reset();
    assert_eq!(signs_for(&mut card, &mut owner, REPLACE), [0x6982, 0x6A88, 0x6982]);
    let mut card = card.logged_in();
    assert_eq!(request(&mut card, REPLACE, &mut owner).status, 0x9000);
}

#[test]
fn a_stranger_does_not_take_the_last_free_place_and_sign() {
    let (mut card, _) = with_owner([2, 1]);
    let mut stranger = CustodianCard::new(2);
    assert_eq!(signs_for(&mut card, &mut stranger, REGISTER), [0x6982, 0x6A88, 0x6982]);
    let mut card = card.logged_in();
    assert_eq!(request(&mut card, REGISTER, &mut stranger).status, 0x9000);
}

#[test]
fn without_keys_that_they_would_open_custodians_are_registered_without_login() {
    let mut card = card([2, 1]);
    for number in [1, 2] {
        request(&mut card, REGISTER, &mut CustodianCard::new(number)).expect_ok();
    }
    assert_eq!(card.hex("8054000000").expect_ok(), [2, 0, 1, 0]);
}

/// A custodian whose key is requested twice: with SHA-1, and, by another name, with SHA-256.
fn twofold() -> (CustodianCard, Vec<u8>) {
    let template = ec_template(&domain("secp256r1"), &[]);
    let sha256 = encode(0x06, &[0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03]);
    let place = template.windows(sha256.len()).position(|window| window == sha256).unwrap();
    let mut sha1 = template;
    sha1[place + sha256.len() - 1] = 0x01;
    let mut custodian = CustodianCard::with_template(1, &sha1);
    // Another name as well, or the name alone would show that it is the same key.
    let name = custodian.name();
    let template = sha1.windows(name.len()).position(|window| window.starts_with(b"ZZVS"));
    let place = template.unwrap();
    sha1[place..place + name.len()].copy_from_slice(&name);
    sha1[place + name.len() - 1] = b'9';
    custodian.request = custodian.card.send(0x00, 0x46, 1, 0x00, &sha1).expect_ok();
    let id = KeyId::try_from(1).unwrap();
    let again = custodian.card.card().certificate_request(id).unwrap();
    let public = |request: &[u8]| {
        let find = |tag| tlv::at(request, &[0x67, 0x7F21, 0x7F4E, 0x7F49, tag]).unwrap().to_vec();
        (find(0x86), find(0x06))
    };
    let [one, other] = [&custodian.request, &again].map(|request| public(request));
    assert_eq!(one.0, other.0, "one key");
    assert_ne!(one.1, other.1, "two hashes");
    let holder = |request: &[u8]| tlv::at(request, &[0x67, 0x7F21, 0x7F4E, 0x5F20]).map(digits);
    assert_ne!(holder(&custodian.request), holder(&again), "two names");
    (custodian, again)
}

#[test]
fn one_key_is_not_two_custodians_whatever_hashes_its_requests_name() {
    let mut card = card([2, 2]);
    let (mut custodian, again) = twofold();
    request(&mut card, REGISTER, &mut custodian).expect_ok();
    assert_eq!(card.send(0x80, 0x54, REGISTER, 0x00, content(&again)).status, 0x6985);

    // Nor does it take a second place.
    request(&mut card, REGISTER, &mut CustodianCard::new(2)).expect_ok();
    let mut card = card.logged_in();
    verify_peer(&mut card, &certificates(&mut custodian.card));
    assert_eq!(card.send(0x80, 0x54, REPLACE, 0x01, content(&again)).status, 0x6985);
}

#[test]
fn one_key_that_an_older_card_has_registered_twice_counts_once() {
    let mut card = card([2, 2]);
    let (mut custodian, again) = twofold();
    request(&mut card, REGISTER, &mut custodian).expect_ok();
    let of_body = |tag| tlv::at(&again, &[0x67, 0x7F21, 0x7F4E, tag]).unwrap();
    let [name, public_key] = [of_body(0x5F20), of_body(0x7F49)];
    let second =
        format!("{{\"holder\": \"{}\", \"public-key\": \"{}\"}}", digits(name), digits(public_key));
    let image = changed_image(card.card(), |content| {
        let (before, slots) = content.split_once("\"slots\"").unwrap();
        format!("{before}\"slots\"{}", slots.replacen("null", &second, 1))
    });
    let mut card = TestCard::from(Card::load(&image, [0; 32]).unwrap());
    card.reset();

    assert_eq!(card.hex("8054000000").expect_ok(), [2, 0, 2, 0], "both are registered");
    let first = custodian.name();
    assert_eq!(authenticate(&mut card, &mut custodian, &first), 0x9000);
    assert_eq!(authenticate(&mut card, &mut custodian, name), 0x6985);
    assert_eq!(card.hex("8054000000").expect_ok(), [2, 0, 2, 1]);
    assert_eq!(card.hex("00200081").status, 0x63C3, "nobody is logged in");
    card.verify(PIN).expect_ok();
}
