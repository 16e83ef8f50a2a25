//! Key domains for key exchange (XKEK): cards of a group agree on a key, and nobody else does.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use vschsm_host::command::{self, choose_issuer, content, raw_signature};
use vschsm_protocol::crypto::curve::Curve;
use vschsm_protocol::tlv::{self, encode};
use vschsm_testing::given_key::GivenKey;
use vschsm_testing::group::{
    self, CURVE, agree, card, certificates, create_group, exchange_key, group_signer, join,
    membership, state, verify_peer,
};
use vschsm_testing::mutation::{below, mutated};
use vschsm_testing::test_card::{TestCard, domain, ec_template};
use vschsm_testing::{firmwares, hex, is_from};

/// A group of two cards. The first one has the signer, as key 1; key 2 of both is for exchange, in
/// domain 0.
struct Group {
    cards: [TestCard; 2],
    signer: Vec<u8>,
    /// The authenticated requests of both exchange keys.
    exchange: [Vec<u8>; 2],
}

impl Group {
    fn new(firmware: &str) -> Self {
        let (mut first, mut second) = (card(firmware, 1), card(firmware, 2));
        let signer = create_group(&mut first, &mut second, 0);
        let exchange = [exchange_key(&mut first, 2, 0), exchange_key(&mut second, 2, 0)];
        Self { cards: [first, second], signer, exchange }
    }

    /// Both agree on the key of their domain.
    fn agreed(mut self) -> Self {
        let [first, second] = &mut self.cards;
        assert!(agree(first, 2, &self.exchange[1]).expect_ok().is_empty());
        assert!(agree(second, 2, &self.exchange[0]).expect_ok().is_empty());
        self
    }
}

/// Whether a domain has a key.
fn has_key(card: &mut TestCard, number: u8) -> bool {
    state(card, number).0 != [0; 8]
}

/// r ‖ s of `message`, by a key on the curve of device keys that somebody has got hold of.
fn forged(scalar: &[u8], message: &[u8]) -> Vec<u8> {
    let key = GivenKey::Ec(Curve::from_name(CURVE).unwrap(), scalar.to_vec());
    let mut card = TestCard::initialised("3.4").with_keys(&[key]);
    raw_signature(&card.sign(1, 0x73, message).expect_ok())
}

/// The private device key in the image of a card.
fn device_key(card: &mut TestCard) -> Vec<u8> {
    let image = String::from_utf8(card.card().image()).unwrap();
    let (_, key) = image.split_once("\"device-key\": \"").unwrap();
    hex(&key[..64])
}

#[test]
fn two_cards_agree_and_move_a_key() {
    for firmware in firmwares().filter(|firmware| is_from(firmware, "3.0")) {
        let [mut home, mut away] = Group::new(firmware).agreed().cards;
        assert_eq!(state(&mut home, 0), state(&mut away, 0), "{firmware}");
        assert!(has_key(&mut home, 0), "{firmware}");

        home.generate_ec(3, "secp256r1", &encode(0x92, &[0]));
        let blob = home.wrap_key(3).expect_ok();
        away.unwrap_key(7, &blob).expect_ok();

        let peer = domain("secp256r1").g;
        let shared = home.decipher(3, 0x80, &peer).expect_ok();
        assert_eq!(away.decipher(7, 0x80, &peer).expect_ok(), shared, "{firmware}");
    }
}

#[test]
fn the_first_domain_is_that_of_keys_that_were_given_none() {
    let mut group = Group::new("3.4");
    let [first, second] = &mut group.cards;
    let only_exchange = encode(0x91, &[0x84]);
    let ours = first.generate_ec(3, CURVE, &only_exchange);
    let theirs = second.generate_ec(3, CURVE, &only_exchange);
    agree(first, 3, &theirs).expect_ok();
    agree(second, 3, &ours).expect_ok();
    assert_eq!(state(first, 0), state(second, 0));
}

#[test]
fn a_membership_is_signed_with_sha_256_whatever_else_the_signer_signs() {
    let (mut signer, mut member) = (card("3.4", 1), card("3.4", 2));
    let template = ec_template(&domain(CURVE), &[]);
    // id-TA-ECDSA-SHA-512: its requests are signed with that.
    let oid = template.windows(2).position(|window| window == [0x02, 0x03]).unwrap() + 1;
    let template = [&template[..oid], &[0x05], &template[oid + 1..]].concat();
    let request = signer.send(0x00, 0x46, 1, 0x00, &template).expect_ok();
    verify_peer(&mut member, &certificates(&mut signer));
    let chain = certificates(&mut member);
    let message = vschsm_vectors::peer_card::membership_message(&chain).unwrap();
    for (algorithm, status) in [(0x75, 0x6985), (0x73, 0x9000)] {
        let membership = signer.sign(1, algorithm, &message).expect_ok();
        assert_eq!(join(&mut member, 0, &request, &membership).status, status);
    }
}

#[test]
fn initialisation_forgets_trusted_certificates() {
    let mut card = card("3.4", 1);
    let own = certificates(&mut card);
    verify_peer(&mut card, &own);
    card.initialise_with(&[]);
    assert_eq!(card.transmit(&choose_issuer(b"ZZDIVS0100001")).status, 0x6A88);
}

#[test]
fn a_card_that_is_no_member_neither_joins_nor_agrees_nor_imports() {
    let Group { cards: [mut first, mut second], signer, exchange } = Group::new("3.4").agreed();
    let mut stranger = card("3.4", 3);
    let its_own = certificates(&mut stranger);
    verify_peer(&mut stranger, &certificates(&mut first));
    verify_peer(&mut stranger, &its_own);
    verify_peer(&mut first, &its_own);

    let of_another = membership(&mut first, 1, &certificates(&mut second));
    assert_eq!(join(&mut stranger, 0, &signer, &of_another).status, 0x6985);
    let own_signer = group_signer(&mut stranger, 1);
    let own = membership(&mut stranger, 1, &its_own);
    assert_eq!(join(&mut stranger, 0, &signer, &own).status, 0x6985, "by another signer");

    // It founds a group of its own, which has another name.
    join(&mut stranger, 0, &own_signer, &own).expect_ok();
    assert_ne!(state(&mut stranger, 0).1, state(&mut first, 0).1);
    let theirs = exchange_key(&mut stranger, 2, 0);
    assert_eq!(agree(&mut stranger, 2, &exchange[0]).status, 0x6985);
    assert_eq!(agree(&mut first, 2, &theirs).status, 0x6985);
    assert!(!has_key(&mut stranger, 0));
    assert_eq!(state(&mut first, 0), state(&mut second, 0), "as it was");

    first.generate_ec(3, "secp256r1", &encode(0x92, &[0]));
    let blob = first.wrap_key(3).expect_ok();
    assert_eq!(stranger.unwrap_key(3, &blob).status, 0x6A88);
}

#[test]
fn a_domain_is_named_by_the_public_point_of_its_signer() {
    let Group { cards: [mut first, _], signer, exchange } = Group::new("3.4");
    let (_, uid) = state(&mut first, 0);
    let point = [&[0x86, 0x41, 0x04][..], &uid].concat();
    assert!(signer.windows(point.len()).any(|window| window == point));

    let extension =
        [&encode(0x06, b"\x2B\x06\x01\x04\x01\x81\xC3\x1F\x03\x02\x02"), &encode(0x80, &uid)];
    let extension = encode(0x65, &encode(0x73, &extension.map(Vec::as_slice).concat()));
    let names_it = |request: &[u8]| request.windows(extension.len()).any(|it| it == extension);
    assert!(exchange.iter().all(|request| names_it(request)));
    assert!(!names_it(&first.generate_ec(3, "brainpoolP256r1", &encode(0x92, &[0]))));
    assert!(!names_it(&exchange_key(&mut first, 3, 1)), "there is no domain 1");
    let made_later = first.card().certificate_request(2_u8.try_into().unwrap()).unwrap();
    assert!(names_it(&made_later));
}

#[test]
fn domain_and_agreement_survive_a_restart_and_trusted_certificates_do_not() {
    let Group { cards: [first, mut second], exchange, .. } = Group::new("3.4").agreed();
    let mut first = first.restarted().logged_in();
    assert_eq!(state(&mut first, 0), state(&mut second, 0));
    assert_eq!(agree(&mut first, 2, &exchange[1]).status, 0x6A88);
    verify_peer(&mut first, &certificates(&mut second));
    agree(&mut first, 2, &exchange[1]).expect_ok();
}

#[test]
fn a_domain_agrees_anew_with_each_sender() {
    let mut group = Group::new("3.4").agreed();
    let [first, second] = &mut group.cards;
    let before = state(first, 0);
    let ephemeral = exchange_key(second, 3, 0);
    agree(second, 3, &group.exchange[0]).expect_ok();
    assert_ne!(state(second, 0), before);
    agree(first, 2, &ephemeral).expect_ok();
    assert_eq!(state(first, 0), state(second, 0));
}

#[test]
fn a_cleared_domain_keeps_its_name_and_agrees_again() {
    let mut group = Group::new("3.4").agreed();
    let [first, second] = &mut group.cards;
    let (_, uid) = state(first, 0);
    first.hex("8052040000").expect_ok();
    assert_eq!(state(first, 0), (vec![0; 8], uid));
    assert_eq!(first.wrap_key(2).status, 0x6A81, "84 is not 92");
    agree(first, 2, &group.exchange[1]).expect_ok();
    assert_eq!(state(first, 0), state(second, 0));
}

#[test]
fn a_request_too_long_for_an_apdu_comes_through_the_work_buffer() {
    let mut group = Group::new("3.4");
    let [first, _] = &mut group.cards;
    first.write(0x2F10, content(&group.exchange[1])).expect_ok();
    assert!(first.hex("8062028400").expect_ok().is_empty());
    assert!(has_key(first, 0));
    assert_eq!(first.hex("8062028400").status, 0x6A88, "the buffer is used up");
}

#[test]
fn nothing_but_exchange_keys_of_the_domain_agrees() {
    let mut group = Group::new("3.4");
    let [first, second] = &mut group.cards;
    let peer = &group.exchange[1];
    first.generate_ec(3, "brainpoolP256r1", &encode(0x92, &[0]));
    assert_eq!(agree(first, 3, peer).status, 0x6A81, "84 must be in the list");
    exchange_key(first, 4, 1);
    assert_eq!(agree(first, 4, peer).status, 0x6985, "no domain");
    let limits = [encode(0x91, &[0x84]), encode(0x92, &[0])].concat();
    first.generate_ec(5, "secp256r1", &limits);
    assert_eq!(agree(first, 5, peer).status, 0x6A80, "another curve");
    let wide = second.generate_ec(5, "brainpoolP384r1", &limits);
    first.generate_ec(5, "brainpoolP384r1", &limits);
    assert_eq!(agree(first, 5, &wide).status, 0x6A80, "not of 256 bits");
    first.generate_rsa(6, 1024, &limits);
    assert_eq!(agree(first, 6, peer).status, 0x6A81);
    assert_eq!(agree(first, 9, peer).status, 0x6A88);
    let elsewhere = exchange_key(second, 6, 1);
    assert_eq!(agree(first, 2, &elsewhere).status, 0x6985, "a request without a domain");
    assert!(!has_key(first, 0));
}

#[test]
fn a_use_counter_counts_agreements() {
    let mut group = Group::new("3.4");
    let [first, _] = &mut group.cards;
    let once = [encode(0x90, &[0, 0, 0, 1]), encode(0x91, &[0x84]), encode(0x92, &[0])].concat();
    first.generate_ec(3, "brainpoolP256r1", &once);
    agree(first, 3, &group.exchange[1]).expect_ok();
    assert_eq!(agree(first, 3, &group.exchange[1]).status, 0x6984);
}

#[test]
fn a_bit_changed_anywhere_in_a_request_or_membership_is_noticed() {
    let mut group = Group::new("3.4");
    let [first, second] = &mut group.cards;
    let request = content(&group.exchange[1]).to_vec();
    for place in 0..request.len() {
        let mut changed = request.clone();
        changed[place] ^= 1 << (place % 8);
        let status = first.decipher(2, 0x84, &changed).status;
        assert!([0x6A80, 0x6985, 0x6A88].contains(&status), "{place}: {status:04X}");
    }
    assert!(!has_key(first, 0));

    let membership = membership(first, 1, &certificates(second));
    let joining = command::join(1, &group.signer, &membership)[7..].to_vec();
    let joining = &joining[..joining.len() - 2];
    for place in 0..joining.len() {
        let mut changed = joining.to_vec();
        changed[place] ^= 1 << (place % 8);
        let status = second.send(0x80, 0x52, 0x02, 1, &changed).status;
        assert!([0x6A80, 0x6985, 0x6A88].contains(&status), "{place}: {status:04X}");
    }
    second.send(0x80, 0x52, 0x02, 1, joining).expect_ok();
}

#[test]
fn mutated_requests_and_memberships_do_nothing_and_leave_the_card_usable() {
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    let mut group = Group::new("3.4");
    let [first, second] = &mut group.cards;
    let request = content(&group.exchange[1]).to_vec();
    let membership = membership(first, 1, &certificates(second));
    let joining = command::join(1, &group.signer, &membership)[7..].to_vec();
    let joining = &joining[..joining.len() - 2];
    for _ in 0..3_000 {
        let status = match below(&mut rng, 2) {
            0 => first.decipher(2, 0x84, &mutated(&request, &mut rng)).status,
            _ => second.send(0x80, 0x52, 0x02, 1, &mutated(joining, &mut rng)).status,
        };
        assert!([0x6A80, 0x6985, 0x6A88].contains(&status), "{status:04X}");
    }
    assert!(!has_key(first, 0));
    assert_eq!(second.hex("8052000100").status, 0x6A88);
    agree(first, 2, &group.exchange[1]).expect_ok();
    second.send(0x80, 0x52, 0x02, 1, joining).expect_ok();
}

#[test]
fn a_certificate_counts_only_under_its_issuer_and_unchanged() {
    let (mut card, mut peer) = (card("3.4", 1), card("3.4", 2));
    let certificates = certificates(&mut peer);
    let (device, issuer) = certificates.split_at(232);
    let select = |card: &mut TestCard, holder| card.transmit(&choose_issuer(holder));
    let verify = |card: &mut TestCard, certificate: &[u8]| {
        card.send(0x00, 0x2A, 0x00, 0xBE, content(certificate)).status
    };
    assert_eq!(verify(&mut card, issuer), 0x6A88, "nobody was chosen");
    assert_eq!(select(&mut card, b"ZZDIVS0100001").status, 0x6A88);
    select(&mut card, b"ZZSRCAVS100001").expect_ok();
    assert_eq!(verify(&mut card, device), 0x6A88, "not by the root");
    for place in 0..content(issuer).len() {
        let mut changed = content(issuer).to_vec();
        changed[place] ^= 1 << (place % 8);
        let status = card.send(0x00, 0x2A, 0x00, 0xBE, &changed).status;
        assert!([0x6300, 0x6A80, 0x6A88].contains(&status), "{place}: {status:04X}");
    }
    assert_eq!(select(&mut card, b"ZZDIVS0100001").status, 0x6A88);
    assert_eq!(verify(&mut card, issuer), 0x9000);
    select(&mut card, b"ZZDIVS0100001").expect_ok();
    assert_eq!(verify(&mut card, device), 0x9000);
    select(&mut card, b"ZZVS000000200000").expect_ok();
    assert_eq!(verify(&mut card, device), 0x6A88, "a device is nobody's issuer");
    card.reset();
    assert_eq!(select(&mut card, b"ZZVS000000200000").status, 0x6A88);
}

#[test]
fn a_device_vouches_only_for_who_has_the_private_key() {
    let mut group = Group::new("3.4");
    let [first, second] = &mut group.cards;
    let content = content(&group.exchange[1]);
    let [request, authority, _] = tlv::parse(content).unwrap()[..] else {
        panic!("not an authenticated request")
    };
    let (last, rest) = request.encoded.split_last().unwrap();
    for (last, status) in [(*last, 0x9000), (last ^ 1, 0x6985)] {
        let content = [rest, &[last], authority.encoded].concat();
        let signature = forged(&device_key(second), &content);
        let request = [content, encode(0x5F37, &signature)].concat();
        assert_eq!(first.decipher(2, 0x84, &request).status, status);
    }
}

#[test]
fn an_issuer_vouches_for_no_request() {
    let mut group = Group::new("3.4");
    let [first, _] = &mut group.cards;
    let request = tlv::parse(content(&group.exchange[1])).unwrap()[0].encoded;
    let content = [request, &encode(0x42, b"ZZDIVS0100001")].concat();
    let signature = forged(b"vschsm test issuer, worth naught", &content);
    let request = [content, encode(0x5F37, &signature)].concat();
    assert_eq!(first.decipher(2, 0x84, &request).status, 0x6A88);
}

#[test]
fn a_certificate_has_the_role_of_a_smart_card_hsm() {
    let mut card = card("3.4", 1);
    let certificates = certificates(&mut card);
    let issuer = tlv::parse(&certificates).unwrap()[1];
    let body = tlv::parse(issuer.value).unwrap()[0].encoded;
    let role = body.windows(6).position(|window| window == hex("81C31F030101")).unwrap();
    for (bit, status) in [(0, 0x9000), (2, 0x6A80)] {
        let mut body = body.to_vec();
        body[role + 5] ^= bit;
        let signature = forged(b"vschsm test root, worth nothing.", &body);
        card.transmit(&choose_issuer(b"ZZSRCAVS100001")).expect_ok();
        let content = [body, encode(0x5F37, &signature)].concat();
        assert_eq!(card.send(0x00, 0x2A, 0x00, 0xBE, &content).status, status);
    }
}

#[test]
fn of_seventeen_trusted_certificates_the_first_is_forgotten() {
    let mut card = card("3.4", 1);
    let knows = |card: &mut TestCard, name: &str| {
        card.transmit(&choose_issuer(name.as_bytes())).status == 0x9000
    };
    // Their issuer comes first, and again with each: it is the latest but one.
    for number in 10..26 {
        verify_peer(&mut card, &certificates(&mut group::card("3.4", number)));
    }
    assert!(knows(&mut card, "ZZDIVS0100001"));
    assert!(!knows(&mut card, "ZZVS000001000000"));
    assert!((11..26).all(|number| knows(&mut card, &format!("ZZVS000{number:04}00000"))));
}
