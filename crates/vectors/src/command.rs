//! Command APDUs that vectors, checks and tests make.

use crate::{INITIALISATION_CODE, PIN};
use card::Domain;
use card::tlv::{self, encode};

/// Who signs requests, in TR-03110's words: the CAR that every known client sends.
const AUTHORITY: &[u8] = b"UTCA00001";
/// For whom they are: the CHR.
const HOLDER: &[u8] = b"ZZVS000000100001";
/// id-TA-ECDSA-SHA-256 and id-TA-RSA-v1-5-SHA-256.
const ECDSA_SHA256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];
const RSA_SHA256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x01, 0x02];

/// A command APDU with extended lengths that takes any amount of response data.
///
/// # Panics
///
/// If the data has more than 65,535 bytes.
#[must_use]
pub fn asking(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    let le = if data.is_empty() { &[0, 0, 0][..] } else { &[0, 0] };
    [&telling(header, data)[..], le].concat()
}

/// A command APDU with extended lengths that takes no response data.
///
/// # Panics
///
/// If the data has more than 65,535 bytes.
#[must_use]
pub fn telling(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    if data.is_empty() {
        return header.to_vec();
    }
    let length = u16::try_from(data.len()).expect("at most 65,535 bytes").to_be_bytes();
    [&header[..], &[0x00], &length, data].concat()
}

/// VERIFY with the user PIN, in short form.
#[must_use]
pub fn verify(pin: &str) -> Vec<u8> {
    let length = u8::try_from(pin.len()).unwrap_or(u8::MAX);
    [&[0x00, 0x20, 0x00, 0x81, length], pin.as_bytes()].concat()
}

/// INITIALIZE DEVICE with [`PIN`], [`INITIALISATION_CODE`], options, and further objects.
#[must_use]
pub fn initialize(options: [u8; 2], objects: &[u8]) -> Vec<u8> {
    let data = [
        &encode(0x80, &options),
        &encode(0x81, PIN.as_bytes()),
        &encode(0x82, &INITIALISATION_CODE)[..],
        objects,
    ];
    telling([0x80, 0x50, 0x00, 0x00], &data.concat())
}

/// MANAGE KEY DOMAIN: imports a DKEK share.
#[must_use]
pub fn import_share(domain: u8, share: &[u8; 32]) -> Vec<u8> {
    asking([0x80, 0x52, 0x00, domain], share)
}

/// GENERATE ASYMMETRIC KEY PAIR: key `id` of such a template.
#[must_use]
pub fn generate(id: u8, template: &[u8]) -> Vec<u8> {
    asking([0x00, 0x46, id, 0x00], template)
}

/// MANAGE SECURITY ENVIRONMENT: chooses whose key verifies the next certificate.
#[must_use]
pub fn choose_issuer(holder: &[u8]) -> Vec<u8> {
    telling([0x00, 0x22, 0x81, 0xB6], &encode(0x83, holder))
}

/// MANAGE KEY DOMAIN: creates a domain for key exchange. `signer` is the 67 object of the group
/// signer's key, `signature` that of the membership, in DER.
#[must_use]
pub fn join(domain: u8, signer: &[u8], signature: &[u8]) -> Vec<u8> {
    let membership = encode(0x54, &raw_signature(signature));
    asking([0x80, 0x52, 0x02, domain], &[content(signer), &membership].concat())
}

/// The content of the first object.
#[must_use]
pub fn content(object: &[u8]) -> &[u8] {
    let objects = tlv::parse(object).unwrap_or_default();
    objects.first().map(|object| object.value).unwrap_or_default()
}

/// r ‖ s, 32 bytes each, of a signature in DER.
#[must_use]
pub fn raw_signature(der: &[u8]) -> Vec<u8> {
    let numbers = tlv::parse(content(der)).unwrap_or_default();
    let wide = |number: &[u8]| {
        let mut wide = [0; 32];
        wide.iter_mut().rev().zip(number.iter().rev()).for_each(|(place, digit)| *place = *digit);
        wide
    };
    numbers.iter().flat_map(|number| wide(number.value)).collect()
}

/// READ BINARY from offset 0 to the end.
#[must_use]
pub fn read(fid: u16) -> Vec<u8> {
    let [high, low] = fid.to_be_bytes();
    asking([0x00, 0xB1, high, low], &encode(0x54, &[0x00, 0x00]))
}

/// UPDATE BINARY at offset 0.
#[must_use]
pub fn write(fid: u16, content: &[u8]) -> Vec<u8> {
    let [high, low] = fid.to_be_bytes();
    let data = [encode(0x54, &[0x00, 0x00]), encode(0x53, content)];
    telling([0x00, 0xD7, high, low], &data.concat())
}

/// Command data of GENERATE ASYMMETRIC KEY PAIR for a curve; `limits` are further objects.
#[must_use]
pub fn ec_template(domain: &Domain, limits: &[u8]) -> Vec<u8> {
    let public_key = [
        encode(0x06, &ECDSA_SHA256),
        encode(0x81, &domain.p),
        encode(0x82, &domain.a),
        encode(0x83, &domain.b),
        encode(0x84, &domain.g),
        encode(0x85, &domain.n),
        encode(0x87, &[0x01]),
    ];
    template(&public_key.concat(), limits)
}

/// Command data of GENERATE ASYMMETRIC KEY PAIR for RSA with the exponent 65537.
#[must_use]
pub fn rsa_template(bits: u16, limits: &[u8]) -> Vec<u8> {
    let public_key = [
        encode(0x06, &RSA_SHA256),
        encode(0x82, &[0x01, 0x00, 0x01]),
        encode(0x02, &bits.to_be_bytes()),
    ];
    template(&public_key.concat(), limits)
}

fn template(public_key: &[u8], limits: &[u8]) -> Vec<u8> {
    let objects = [
        &encode(0x5F29, &[0x00]),
        &encode(0x42, AUTHORITY),
        &encode(0x7F49, public_key),
        &encode(0x5F20, HOLDER)[..],
        limits,
    ];
    objects.concat()
}
