//! Certificates and requests as a host verifies them, those of real cards included.

use vschsm_host::certificates::{VerifiedRequest, Verifier};
use vschsm_protocol::crypto::public_key::PublicKey;
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::cvc::CertificateError;
use vschsm_testing::group::certificates;
use vschsm_testing::hex;
use vschsm_testing::test_card::TestCard;

/// What a real card has in a file.
fn published(name: &str) -> Vec<u8> {
    let path = format!("{}/../vectors/published/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    hex(&std::fs::read_to_string(path).unwrap().replace('\n', ""))
}

/// Verifies the content of an EF 2F02: of the issuer's certificate first, then the device's.
fn chain(content: &[u8]) -> Result<Verifier, CertificateError> {
    let (device, rest) = Certificate::take(content).ok_or(CertificateError::Malformed)?;
    let (issuer, rest) = Certificate::take(rest).ok_or(CertificateError::Malformed)?;
    assert!(rest.is_empty());
    let mut verifier = Verifier::default();
    verifier.certificate(&issuer)?;
    verifier.certificate(&device)?;
    Ok(verifier)
}

#[test]
fn real_cards_lead_to_the_vendor_s_roots() {
    for name in ["DENK0404144-2F02", "DECM0104448-2F02", "UTCC0200013-2F02"] {
        assert_eq!(chain(&published(name)).map(|_| ()), Ok(()), "{name}");
    }
}

#[test]
fn requests_of_a_real_card_are_signed_by_their_keys_and_by_the_card() {
    let verifier = chain(&published("DENK0404144-2F02")).unwrap();
    let VerifiedRequest { holder, device, key } =
        verifier.request(&published("DENK0404144-CE01")).unwrap();
    assert_eq!(holder, b"DENK040414400001");
    assert_eq!(device, b"DENK040414400000");
    let PublicKey::Ec { curve, .. } = key else { panic!("{key:?}") };
    assert_eq!(curve.name(), Some("secp256k1"));
    let request = verifier.request(&published("DENK0404144-CE04")).unwrap();
    let PublicKey::Rsa { modulus, .. } = request.key else { panic!("{request:?}") };
    assert_eq!(modulus.len(), 256);

    let stranger = chain(&published("UTCC0200013-2F02")).unwrap();
    let flaw = stranger.request(&published("DENK0404144-CE01"));
    assert_eq!(flaw, Err(CertificateError::UnknownAuthority));
}

#[test]
fn one_bit_changed_anywhere_is_noticed() {
    let content = published("DENK0404144-2F02");
    for bit in 0..content.len() * 8 {
        let mut changed = content.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let parsed = std::panic::catch_unwind(|| chain(&changed).is_ok());
        // A changed length may leave something behind the certificates.
        assert!(!matches!(parsed, Ok(true)), "bit {bit} of EF 2F02");
    }
    let verifier = chain(&content).unwrap();
    for (name, step) in [("DENK0404144-CE01", 1), ("DENK0404144-CE04", 7)] {
        let request = published(name);
        for bit in (0..request.len() * 8).step_by(step) {
            let mut changed = request.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(verifier.request(&changed).is_err(), "bit {bit} of {name}");
        }
        for cut in 0..request.len() {
            assert!(verifier.request(&request[..cut]).is_err(), "{name} cut at {cut}");
        }
    }
}

#[test]
fn cards_of_this_program_lead_to_their_published_root() {
    let mut card = TestCard::initialised("3.4");
    let requests = [
        card.generate_ec(1, "brainpoolP256r1", &[]),
        card.generate_ec(2, "secp521r1", &[]),
        card.generate_rsa(3, 1024, &[]),
    ];
    let verifier = chain(&certificates(&mut card)).unwrap();
    for request in requests {
        assert_eq!(
            verifier.request(&request).map(|request| request.device),
            Ok(b"ZZVS000000100000".to_vec())
        );
    }
}

#[test]
fn a_device_vouches_for_no_certificate_and_an_issuer_for_no_key() {
    let content = published("DENK0404144-2F02");
    let (device, rest) = Certificate::take(&content).unwrap();
    let (issuer, _) = Certificate::take(rest).unwrap();
    let mut verifier = Verifier::default();
    assert_eq!(verifier.certificate(&device), Err(CertificateError::UnknownAuthority));
    verifier.certificate(&issuer).unwrap();
    let request = published("DENK0404144-CE01");
    assert_eq!(verifier.request(&request), Err(CertificateError::UnknownAuthority));
}
