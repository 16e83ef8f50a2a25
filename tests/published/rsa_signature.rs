//! SIGN with RSA keys: PKCS#1 v1.5 as published, byte for byte; PSS verified by the `rsa` crate.

use crate::response_file::{Entry, entries};
use crate::{data, expect};
use rsa::traits::PrivateKeyParts;
use rsa::{BoxedUint, Pss, RsaPrivateKey, RsaPublicKey};
use sha1::Sha1;
use sha2::digest::const_oid::AssociatedOid;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use std::collections::BTreeMap;
use vschsm_testing::given_key::GivenKey;
use vschsm_testing::test_card::{TestCard, tlv};

const SIG_GEN_15: &str = include_str!("../../vectors/published/SigGen15_186-2.txt");
const SIG_GEN_PSS: &str = include_str!("../../vectors/published/SigGenPSS_186-2.txt");

/// The sizes of the files' keys, one a section.
const SECTIONS: [&str; 5] = ["mod = 1024", "mod = 1536", "mod = 2048", "mod = 3072", "mod = 4096"];

/// A card with the key of an entry, which has n, e and d; and the public key.
fn card(entry: &Entry<'_>) -> (TestCard, RsaPublicKey) {
    let number = |name: &str| BoxedUint::from_be_slice_vartime(&entry.bytes(name));
    let key =
        RsaPrivateKey::from_components(number("n"), number("e"), number("d"), Vec::new()).unwrap();
    let [p, q] = key.primes() else { panic!("{} has not two primes", entry.name) };
    let [p, q] = [p, q].map(|prime| prime.to_be_bytes().to_vec());
    let exponent = entry.bytes("e").iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let card = TestCard::initialised("4.1").with_keys(&[GivenKey::Rsa { p, q, exponent }]);
    (card, key.to_public_key())
}

/// The DigestInfo that the host makes for SIGN 30.
fn digest_info<H: Digest + AssociatedOid>(message: &[u8]) -> Vec<u8> {
    let algorithm = [tlv(0x06, H::OID.as_bytes()), tlv(0x05, &[])].concat();
    tlv(0x30, &[tlv(0x30, &algorithm), tlv(0x04, &H::digest(message))].concat())
}

/// Counts what was run of each hash in each section: one of each.
#[derive(Default)]
struct Count<'a>(BTreeMap<(&'a str, &'a str), usize>);

impl<'a> Count<'a> {
    fn add(&mut self, entry: &Entry<'a>) {
        *self.0.entry((entry.section, entry.text("SHAAlg"))).or_default() += 1;
    }

    fn assert_all_once(&self, hashes: &[&'a str]) {
        let all = SECTIONS.iter().flat_map(|section| hashes.iter().map(|hash| (*section, *hash)));
        let all = all.map(|pair| (pair, 1)).collect::<BTreeMap<_, _>>();
        assert_eq!(self.0, all);
    }
}

#[test]
fn the_card_makes_the_pkcs1_signatures_of_nist() {
    let mut run = Count::default();
    for entry in entries("SigGen15_186-2.txt", SIG_GEN_15, "S") {
        let (mut card, _) = card(&entry);
        let message = entry.bytes("Msg");
        let (algorithm, digest_info) = match entry.text("SHAAlg") {
            "SHA1" => (Some(0x31), digest_info::<Sha1>(&message)),
            "SHA224" => (None, digest_info::<Sha224>(&message)),
            "SHA256" => (Some(0x33), digest_info::<Sha256>(&message)),
            "SHA384" => (Some(0x34), digest_info::<Sha384>(&message)),
            "SHA512" => (Some(0x35), digest_info::<Sha512>(&message)),
            other => panic!("{}: {other}", entry.name),
        };
        let signature = entry.bytes("S");
        let padded = public_operation(&entry, &signature);
        let by_message = algorithm.map(|algorithm| (algorithm, &message));
        let ways = [Some((0x20, &padded)), Some((0x30, &digest_info)), by_message];
        for (algorithm, input) in ways.into_iter().flatten() {
            let name = format!("{}, algorithm {algorithm:02X}", entry.name);
            expect(card.sign(1, algorithm, input), Some(&signature), &name);
        }
        run.add(&entry);
    }
    run.assert_all_once(&["SHA1", "SHA224", "SHA256", "SHA384", "SHA512"]);
}

/// The block that an entry's signature is of.
fn public_operation(entry: &Entry<'_>, signature: &[u8]) -> Vec<u8> {
    let number = BoxedUint::from_be_slice_vartime;
    let key = RsaPublicKey::new(number(&entry.bytes("n")), number(&entry.bytes("e"))).unwrap();
    let bits = u32::try_from(8 * signature.len()).unwrap();
    let signature = BoxedUint::from_be_slice(signature, bits).unwrap();
    rsa::hazmat::rsa_encrypt(&key, &signature).unwrap().to_be_bytes().to_vec()
}

#[test]
fn pss_signatures_by_keys_of_nist_verify_elsewhere() {
    let mut run = Count::default();
    for entry in entries("SigGenPSS_186-2.txt", SIG_GEN_PSS, "S") {
        let (mut card, key) = card(&entry);
        let message = entry.bytes("Msg");
        match entry.text("SHAAlg") {
            "SHA1" => check_pss::<Sha1>(&mut card, 0x41, &key, &message, &entry),
            "SHA256" => check_pss::<Sha256>(&mut card, 0x43, &key, &message, &entry),
            "SHA384" => check_pss::<Sha384>(&mut card, 0x44, &key, &message, &entry),
            // The hash, a salt as long and two bytes do not fit into 1024 bits.
            "SHA512" if entry.section == "mod = 1024" => {
                expect(card.sign(1, 0x45, &message), None, &entry.name);
            }
            "SHA512" => check_pss::<Sha512>(&mut card, 0x45, &key, &message, &entry),
            // The card has no PSS with SHA-224.
            "SHA224" => continue,
            other => panic!("{}: {other}", entry.name),
        }
        run.add(&entry);
    }
    run.assert_all_once(&["SHA1", "SHA256", "SHA384", "SHA512"]);
}

fn check_pss<H>(
    card: &mut TestCard,
    algorithm: u8,
    key: &RsaPublicKey,
    message: &[u8],
    entry: &Entry<'_>,
) where
    H: Digest + rsa::signature::digest::FixedOutputReset + 'static,
{
    let hash = H::digest(message);
    for (algorithm, input) in [(algorithm, message), (0x40, &hash)] {
        let name = format!("{}, algorithm {algorithm:02X}", entry.name);
        let signature = data(card.sign(1, algorithm, input), &name);
        let verified = key.verify(Pss::<H>::new(), &hash, &signature);
        assert!(verified.is_ok(), "{name}: {verified:?}");
    }
}
