//! Certificates and requests, as they are and with signatures that hold.
//!
//! Who signs has the test root's private key, which everybody has, and a card's device key.

use crate::hex;
use crate::test_card::TestCard;
use bp256::BrainpoolP256r1;
use bp256::elliptic_curve::sec1::ToSec1Point;
use bp256::elliptic_curve::{PrimeField, ProjectivePoint, Scalar};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;
use vschsm_card::state::Fid;
use vschsm_host::certificates::Verifier;
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::cvc::CertificateError;
use vschsm_protocol::tlv::encode;

/// The private key of the test root, as `crates/card/src/personalisation.rs` has it.
const ROOT_KEY: [u8; 32] = *b"vschsm test root, worth nothing.";

/// The private key whose public one requests are for.
pub(super) const OWN_KEY: [u8; 32] = [0x11; 32];

/// The longest body that is signed, in bytes: an object has two bytes of length.
const LONGEST: usize = 4000;

/// How to take the bytes after the first: as certificates or a request; as the body of a
/// certificate that the root signs; as the body of a request that [`OWN_KEY`] and the device sign.
pub(super) fn run(data: &[u8]) {
    played(data);
}

/// What a verifier says of what was signed.
fn played(data: &[u8]) -> Option<Result<(), CertificateError>> {
    match data {
        [0, bytes @ ..] => {
            unsigned(bytes);
            None
        }
        [1, body @ ..] if body.len() < LONGEST => {
            let certificate = signed(body, &ROOT_KEY);
            let (certificate, rest) = Certificate::take(&certificate)?;
            assert!(rest.is_empty());
            let mut verifier = Verifier::default();
            let first = verifier.certificate(&certificate);
            // A certificate can be verified twice.
            let again = verifier.certificate(&certificate);
            assert!(first.is_err() || certificate.role().is_none() || again.is_ok());
            Some(first)
        }
        [2, body @ ..] if body.len() < LONGEST => {
            let IssuingDevice { certificates, holder, key } = IssuingDevice::known();
            let mut verifier = Verifier::default();
            verifier.device(certificates).expect("a card's certificates");
            let content = [signed(body, &OWN_KEY), encode(0x42, holder)].concat();
            let signature = encode(0x5F37, &sign(&content, key));
            let request = verifier.request(&encode(0x67, &[content, signature].concat()));
            Some(request.map(|request| assert_eq!(request.device, *holder)))
        }
        _ => None,
    }
}

fn unsigned(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((certificate, after)) = Certificate::take(rest) {
        assert!(after.len() < rest.len());
        let (from, to) = certificate.validity();
        assert!([from, to].as_flattened().iter().all(|digit| *digit <= 9));
        rest = after;
    }
    let mut verifier = Verifier::default();
    if let Ok(device) = verifier.device(bytes) {
        assert!(!device.root().is_empty());
    }
    drop(verifier.request(bytes));
}

/// The 7F21 object of a body, which a key has signed.
pub(super) fn signed(body: &[u8], key: &[u8; 32]) -> Vec<u8> {
    let body = encode(0x7F4E, body);
    let signature = encode(0x5F37, &sign(&body, key));
    encode(0x7F21, &[body, signature].concat())
}

/// r and s by ECDSA with SHA-256. The secret number is 1, as there is no secret here.
fn sign(message: &[u8], key: &[u8; 32]) -> [u8; 64] {
    type Number = Scalar<BrainpoolP256r1>;
    let number = |bytes: &[u8]| {
        let radix = Number::from(256_u64);
        bytes
            .iter()
            .fold(Number::ZERO, |number, byte| number * radix + Number::from(u64::from(*byte)))
    };
    let base = ProjectivePoint::<BrainpoolP256r1>::GENERATOR.to_affine().to_sec1_point(false);
    let r = number(&base.as_bytes()[1..33]);
    let s = number(&Sha256::digest(message)) + r * number(key);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r.to_repr());
    signature[32..].copy_from_slice(&s.to_repr());
    signature
}

/// A card that signs requests with its device key.
struct IssuingDevice {
    /// What it has in EF 2F02.
    certificates: Vec<u8>,
    /// Its name (CHR).
    holder: Vec<u8>,
    /// Its private key.
    key: [u8; 32],
}

impl IssuingDevice {
    fn known() -> &'static Self {
        static DEVICE: OnceLock<IssuingDevice> = OnceLock::new();
        DEVICE.get_or_init(|| {
            let mut card = TestCard::new("3.4");
            let image = String::from_utf8(card.card().image()).expect("an image is text");
            let key = image.split("\"device-key\": \"").nth(1).expect("a device key");
            let state = card.card().state();
            let certificates = state.files().content(Fid::DEVICE_CERTIFICATES).expect("EF 2F02");
            let (certificate, _) = Certificate::take(certificates).expect("the device's");
            Self {
                certificates: certificates.to_vec(),
                holder: certificate.holder().to_vec(),
                key: hex(&key[..64]).try_into().expect("32 bytes"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::seeds;

    #[test]
    fn what_is_signed_is_believed() {
        let seeds = seeds::certificates();
        let verdict = |name| {
            let seed = seeds.iter().find(|seed| seed.name == name).unwrap();
            played(&seed.bytes)
        };
        assert_eq!(verdict("root-signed"), Some(Ok(())));
        assert_eq!(verdict("issuer-signed"), Some(Ok(())));
        assert_eq!(verdict("request-brainpoolP256r1"), Some(Ok(())));
        assert_eq!(verdict("request-RSA"), Some(Err(CertificateError::WrongOwnSignature)));
    }
}
