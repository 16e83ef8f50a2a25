//! Keys on one card, and what PKCS#15 and PKCS#11 know of them.

use crate::initialised;
use openssl::encrypt::Encrypter;
use openssl::hash::{MessageDigest, hash};
use openssl::pkey::{PKey, Public};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use vschsm_host::key_spec::KeySpec;
use vschsm_host::reader::Reader;
use vschsm_host::smart_card_hsm::{
    CipherAlgorithm, DecipherAlgorithm, KeyTemplate, SignAlgorithm, SmartCardHsm,
};
use vschsm_host::{certificates, public_key};
use vschsm_protocol::crypto::public_key::PublicKey;
use vschsm_protocol::tlv::encode;

const MESSAGE: &[u8] = b"To be signed by a card and verified by OpenSSL";

type Card = SmartCardHsm<Reader>;

/// Makes a key pair, whose request is verified, and gives its public key.
pub(crate) fn key_pair(card: &mut Card, key: u8, spec: &str, template: &KeyTemplate) -> PublicKey {
    let spec: KeySpec = spec.parse().unwrap();
    let request = card.generate_key(key, &spec, template).unwrap().unwrap();
    let mut verifier = certificates::Verifier::default();
    verifier.device(&card.device_certificates().unwrap()).unwrap();
    verifier.request(&request).unwrap().key
}

fn openssl_key(key: &PublicKey) -> PKey<Public> {
    PKey::public_key_from_pem(public_key::pem(key).unwrap().as_bytes()).unwrap()
}

fn is_signed(key: &PublicKey, digest: MessageDigest, padding: Padding, signature: &[u8]) -> bool {
    let key = openssl_key(key);
    let mut verifier = Verifier::new(digest, &key).unwrap();
    if padding == Padding::PKCS1_PSS {
        verifier.set_rsa_padding(padding).unwrap();
        verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
    }
    verifier.verify_oneshot(signature, MESSAGE).unwrap()
}

pub(crate) fn generates_key_pairs() {
    let mut card = initialised();
    let template = KeyTemplate {
        uses: Some(5),
        algorithms: vec![0x73],
        holder: Some(b"ZZTEST00001".to_vec()),
        ..KeyTemplate::default()
    };
    let PublicKey::Ec { curve, .. } = key_pair(&mut card, 1, "ec:brainpoolP256r1", &template)
    else {
        unreachable!("an EC key was made");
    };
    assert_eq!(curve.name(), Some("brainpoolP256r1"));
    card.sign(1, SignAlgorithm::EcdsaSha256, MESSAGE).unwrap();
    let information = card.key_information(1).unwrap().unwrap();
    assert_eq!((information.uses, information.algorithms.as_slice()), (Some(4), &[0x73][..]));
    card.sign(1, SignAlgorithm::EcdsaSha1, MESSAGE).unwrap_err();
    let PublicKey::Rsa { modulus, .. } =
        key_pair(&mut card, 2, "rsa:1024", &KeyTemplate::default())
    else {
        unreachable!("an RSA key was made");
    };
    assert_eq!(modulus.len(), 128);
    assert_eq!(card.key_information(3).unwrap(), None);
}

pub(crate) fn generates_secret_keys() {
    let mut card = initialised();
    let algorithms = vec![0x10, 0x11, 0x18, 0x99];
    let template = KeyTemplate { algorithms, ..KeyTemplate::default() };
    let request = card.generate_key(1, &KeySpec::Aes(256), &template).unwrap();
    assert_eq!(request, None);
    let encrypted = card.cipher(1, CipherAlgorithm::CbcEncryption, &[0x5A; 32]).unwrap();
    let decrypted = card.cipher(1, CipherAlgorithm::CbcDecryption, &encrypted).unwrap();
    assert_eq!(*decrypted, [0x5A; 32]);
    assert_eq!(card.cipher(1, CipherAlgorithm::Cmac, MESSAGE).unwrap().len(), 16);
    let derived = card.cipher(1, CipherAlgorithm::KeyDerivation, b"label").unwrap();
    assert_eq!(derived.len(), 32);
    card.generate_key(2, &KeySpec::Aes(512), &template).unwrap_err();
}

pub(crate) fn signs_messages() {
    let mut card = initialised();
    let rsa = key_pair(&mut card, 1, "rsa:2048", &KeyTemplate::default());
    let ec = key_pair(&mut card, 2, "ec:secp521r1", &KeyTemplate::default());
    let (sha1, sha256) = (MessageDigest::sha1(), MessageDigest::sha256());
    for (key, algorithm, digest, padding) in [
        (1, SignAlgorithm::RsaPkcs1Sha1, sha1, Padding::PKCS1),
        (1, SignAlgorithm::RsaPkcs1Sha256, sha256, Padding::PKCS1),
        (1, SignAlgorithm::RsaPkcs1Sha512, MessageDigest::sha512(), Padding::PKCS1),
        (1, SignAlgorithm::RsaPssSha1, sha1, Padding::PKCS1_PSS),
        (1, SignAlgorithm::RsaPssSha256, sha256, Padding::PKCS1_PSS),
        (2, SignAlgorithm::EcdsaSha1, sha1, Padding::NONE),
        (2, SignAlgorithm::EcdsaSha224, MessageDigest::sha224(), Padding::NONE),
        (2, SignAlgorithm::EcdsaSha256, sha256, Padding::NONE),
    ] {
        let signature = card.sign(key, algorithm, MESSAGE).unwrap();
        let public_key = if key == 1 { &rsa } else { &ec };
        assert!(is_signed(public_key, digest, padding, &signature), "{algorithm:?}");
    }
}

pub(crate) fn signs_hashes() {
    let mut card = initialised();
    let rsa = key_pair(&mut card, 1, "rsa:2048", &KeyTemplate::default());
    let ec = key_pair(&mut card, 2, "ec:secp256r1", &KeyTemplate::default());
    let sha256 = MessageDigest::sha256();
    let digest = hash(sha256, MESSAGE).unwrap();
    let identifier = [0x06, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 0x05, 0];
    let info = encode(0x30, &[encode(0x30, &identifier), encode(0x04, &digest)].concat());
    let signature = card.sign(1, SignAlgorithm::RsaPkcs1, &info).unwrap();
    assert!(is_signed(&rsa, sha256, Padding::PKCS1, &signature));
    let signature = card.sign(1, SignAlgorithm::RsaPss, &digest).unwrap();
    assert!(is_signed(&rsa, sha256, Padding::PKCS1_PSS, &signature));
    let block = [&[0, 1][..], &[0xFF; 202], &[0], &info].concat();
    let signature = card.sign(1, SignAlgorithm::RsaRaw, &block).unwrap();
    assert!(is_signed(&rsa, sha256, Padding::PKCS1, &signature));
    let signature = card.sign(2, SignAlgorithm::Ecdsa, &digest).unwrap();
    assert!(is_signed(&ec, sha256, Padding::NONE, &signature));
}

pub(crate) fn deciphers() {
    let mut card = initialised();
    let key = openssl_key(&key_pair(&mut card, 1, "rsa:2048", &KeyTemplate::default()));
    let mut encrypter = Encrypter::new(&key).unwrap();
    encrypter.set_rsa_padding(Padding::PKCS1).unwrap();
    let mut cryptogram = vec![0; encrypter.encrypt_len(MESSAGE).unwrap()];
    encrypter.encrypt(MESSAGE, &mut cryptogram).unwrap();
    let message = card.decipher(1, DecipherAlgorithm::RsaPkcs1, &cryptogram).unwrap();
    assert_eq!(*message, MESSAGE);
    let block = card.decipher(1, DecipherAlgorithm::RsaRaw, &cryptogram).unwrap();
    assert!(block.starts_with(&[0, 2]) && block.ends_with(MESSAGE));
    card.decipher(1, DecipherAlgorithm::RsaOaep, &cryptogram).unwrap_err();
}

pub(crate) fn agrees_on_points() {
    let mut card = initialised();
    let points =
        [1, 2].map(|key| match key_pair(&mut card, key, "ec:secp384r1", &KeyTemplate::default()) {
            PublicKey::Ec { point, .. } => point,
            PublicKey::Rsa { .. } => unreachable!("an EC key was made"),
        });
    let shared = card.ecdh(1, &points[1]).unwrap();
    assert_eq!(shared.len(), 97);
    assert_eq!(*card.ecdh(2, &points[0]).unwrap(), *shared);
}

pub(crate) fn names_keys() {
    let mut card = initialised();
    card.set_label("CI").unwrap();
    assert_eq!(card.label().unwrap().as_deref(), Some("CI"));
    assert_eq!(card.free_key().unwrap(), 1);
    key_pair(&mut card, 1, "ec:secp256r1", &KeyTemplate::default());
    let spec: KeySpec = "ec:secp256r1".parse().unwrap();
    card.describe_key(1, &spec, &[0x10], "signing", None).unwrap();
    assert_eq!(card.free_key().unwrap(), 2);
    let keys = card.keys().unwrap();
    let ids: Vec<_> = keys.iter().map(|key| key.id.as_deref()).collect();
    assert_eq!(ids, [Some(&[0x10][..])]);
    assert_eq!(card.find_key("signing").unwrap(), Some(1));
    card.describe_key(1, &spec, &[0x10], "renamed", None).unwrap();
    assert_eq!(card.find_key("signing").unwrap(), None);
    assert_eq!(card.find_key("renamed").unwrap(), Some(1));
    card.delete_key(1).unwrap();
    assert_eq!(card.keys().unwrap(), []);
    assert_eq!(card.free_key().unwrap(), 1);
}

pub(crate) fn stores_certificates() {
    let mut card = initialised();
    key_pair(&mut card, 1, "ec:secp256r1", &KeyTemplate::default());
    let request = card.key_certificate(1).unwrap().unwrap();
    assert!(request.starts_with(&[0x67]));
    let certificate = encode(0x30, &[0x5A; 100]);
    card.set_key_certificate(1, &certificate).unwrap();
    assert_eq!(card.key_certificate(1).unwrap().unwrap(), certificate);
    assert_eq!(card.key_certificate(2).unwrap(), None);
    assert_eq!(card.add_ca_certificate("CA one", &certificate).unwrap(), 0);
    assert_eq!(card.add_ca_certificate("CA two", &certificate).unwrap(), 1);
    card.delete_ca_certificate(0).unwrap();
    let left = card.ca_certificates().unwrap();
    let left: Vec<_> = left.iter().map(|ca| (ca.number, ca.label.as_deref(), &ca.der)).collect();
    assert_eq!(left, [(1, Some("CA two"), &certificate)]);
    assert!(certificates::Verifier::default().device(&card.device_certificates().unwrap()).is_ok());
}
