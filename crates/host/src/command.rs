//! Command APDUs, one function for each, as bytes for [`Transport::transmit`].
//!
//! [`Transport::transmit`]: crate::Transport::transmit

use vschsm_protocol::crypto::curve::CurveParameters;
use vschsm_protocol::tlv::{self, encode};

pub use crate::transport::SELECT_APPLET;

/// Who signs requests, in TR-03110's words: the CAR that every known client sends.
const AUTHORITY: &[u8] = b"UTCA00001";
/// The holder they are for: the CHR.
const HOLDER: &[u8] = b"ZZVS000000100001";
/// id-TA-ECDSA-SHA-256 and id-TA-RSA-v1-5-SHA-256.
const ECDSA_SHA256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];
const RSA_SHA256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x01, 0x02];

/// A command APDU with extended lengths that takes any amount of response data.
///
/// What is too long for that is as [`without_le`] has it.
#[must_use]
pub fn with_le(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    let le = if data.is_empty() { &[0, 0, 0][..] } else { &[0, 0] };
    [&without_le(header, data)[..], le].concat()
}

/// A command APDU with extended lengths that takes no response data.
///
/// Data of more than 65,535 bytes fits none: there its Lc is 0, to which every card says `6700`.
#[must_use]
pub fn without_le(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    if data.is_empty() {
        return header.to_vec();
    }
    let length = u16::try_from(data.len()).unwrap_or_default().to_be_bytes();
    [&header[..], &[0x00], &length, data].concat()
}

/// VERIFY with the user PIN, in short form.
#[must_use]
pub fn verify(pin: &str) -> Vec<u8> {
    let length = u8::try_from(pin.len()).unwrap_or(u8::MAX);
    [&[0x00, 0x20, 0x00, 0x81, length], pin.as_bytes()].concat()
}

/// INITIALIZE DEVICE with options, a user PIN, an SO-PIN of 8 bytes, and further objects.
#[must_use]
pub fn initialize_device(options: [u8; 2], pin: &str, so_pin: &[u8], objects: &[u8]) -> Vec<u8> {
    let data = [
        &encode(0x80, &options),
        &encode(0x81, pin.as_bytes()),
        &encode(0x82, so_pin)[..],
        objects,
    ];
    without_le([0x80, 0x50, 0x00, 0x00], &data.concat())
}

/// MANAGE KEY DOMAIN: imports a DKEK share. There is no other copy of the share in memory.
#[must_use]
pub fn import_share(domain: u8, share: &[u8; 32]) -> Vec<u8> {
    [&[0x80, 0x52, 0x00, domain, 0x00, 0x00, 0x20], &share[..], &[0x00, 0x00]].concat()
}

/// GENERATE ASYMMETRIC KEY PAIR: key `id` of such a template.
#[must_use]
pub fn generate(id: u8, template: &[u8]) -> Vec<u8> {
    with_le([0x00, 0x46, id, 0x00], template)
}

/// ENUMERATE OBJECTS, all of them: there may be more than fill 256 bytes.
pub const ENUMERATE: [u8; 7] = [0x80, 0x58, 0x00, 0x00, 0x00, 0x00, 0x00];

/// SELECT of a key, with its FCI.
#[must_use]
pub fn select_key(id: u8) -> Vec<u8> {
    vec![0x00, 0xA4, 0x00, 0x00, 0x02, 0xCC, id, 0x00]
}

/// MANAGE SECURITY ENVIRONMENT: chooses whose key verifies the next certificate.
#[must_use]
pub fn choose_issuer(holder: &[u8]) -> Vec<u8> {
    without_le([0x00, 0x22, 0x81, 0xB6], &encode(0x83, holder))
}

/// MANAGE KEY DOMAIN: creates a domain for key exchange. `signer` is the authenticated request of
/// the group signer's key, `signature` that of the membership, in DER.
#[must_use]
pub fn join(domain: u8, signer: &[u8], signature: &[u8]) -> Vec<u8> {
    let membership = encode(0x54, &raw_signature(signature));
    with_le([0x80, 0x52, 0x02, domain], &[content(signer), &membership].concat())
}

/// The refill token that gives key `id` of a card so many uses: `device` is the holder reference
/// (CHR) of the card's certificate, `identifier` the key's, and `refills` the number of its
/// refills.
#[must_use]
pub fn refill_token(device: &[u8], id: u8, identifier: &[u8], refills: u32, uses: u32) -> Vec<u8> {
    let objects = [
        encode(0x42, device),
        encode(0x83, &[id]),
        encode(0x80, identifier),
        encode(0x81, &refills.to_be_bytes()),
        encode(0x90, &uses.to_be_bytes()),
    ];
    encode(0xB4, &objects.concat())
}

/// REFILL QUOTA of key `id` with a refill token and its signature.
#[must_use]
pub fn refill(id: u8, token: &[u8], signature: &[u8]) -> Vec<u8> {
    without_le([0x80, 0x3E, id, 0x00], &[token, &encode(0x5F37, signature)].concat())
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

/// CHANGE REFERENCE DATA of the PIN with that P2: the old value and the new one.
#[must_use]
pub fn change_reference_data(p2: u8, current: &[u8], new: &[u8]) -> Vec<u8> {
    let length = u8::try_from(current.len() + new.len()).unwrap_or(u8::MAX);
    [&[0x00, 0x24, 0x00, p2, length], current, new].concat()
}

/// RESET RETRY COUNTER: unblocks the user PIN, and gives it a new value if there is one.
#[must_use]
pub fn reset_retry_counter(so_pin: &[u8], new: Option<&str>) -> Vec<u8> {
    let p1 = u8::from(new.is_none());
    let new = new.unwrap_or_default().as_bytes();
    let length = u8::try_from(so_pin.len() + new.len()).unwrap_or(u8::MAX);
    [&[0x00, 0x2C, p1, 0x81, length], so_pin, new].concat()
}

/// GET CHALLENGE: so many random bytes.
#[must_use]
pub fn get_challenge(length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    vec![0x00, 0x84, 0x00, 0x00, 0x00, high, low]
}

/// READ BINARY from an offset on, up to `length` bytes.
#[must_use]
pub fn read_binary(fid: u16, offset: u16, length: u16) -> Vec<u8> {
    let [high, low] = fid.to_be_bytes();
    let read = without_le([0x00, 0xB1, high, low], &encode(0x54, &offset.to_be_bytes()));
    [&read[..], &length.to_be_bytes()].concat()
}

/// READ BINARY from offset 0 to the end.
#[must_use]
pub fn read(fid: u16) -> Vec<u8> {
    let [high, low] = fid.to_be_bytes();
    with_le([0x00, 0xB1, high, low], &encode(0x54, &[0x00, 0x00]))
}

/// UPDATE BINARY at offset 0.
#[must_use]
pub fn write(fid: u16, content: &[u8]) -> Vec<u8> {
    write_at(fid, 0, content)
}

/// UPDATE BINARY.
#[must_use]
pub fn write_at(fid: u16, offset: u16, content: &[u8]) -> Vec<u8> {
    let [high, low] = fid.to_be_bytes();
    let data = [encode(0x54, &offset.to_be_bytes()), encode(0x53, content)];
    without_le([0x00, 0xD7, high, low], &data.concat())
}

/// Command data of GENERATE ASYMMETRIC KEY PAIR for a curve; `attributes` are further objects.
#[must_use]
pub fn ec_template(parameters: &CurveParameters, attributes: &[u8]) -> Vec<u8> {
    template(&ec_public_key(parameters), HOLDER, attributes)
}

/// The 7F49 object that asks for an EC key.
#[must_use]
pub fn ec_public_key(parameters: &CurveParameters) -> Vec<u8> {
    let public_key = [
        encode(0x06, &ECDSA_SHA256),
        encode(0x81, &parameters.p),
        encode(0x82, &parameters.a),
        encode(0x83, &parameters.b),
        encode(0x84, &parameters.g),
        encode(0x85, &parameters.n),
        encode(0x87, &[0x01]),
    ];
    encode(0x7F49, &public_key.concat())
}

/// Command data of GENERATE ASYMMETRIC KEY PAIR for RSA with the exponent 65537.
#[must_use]
pub fn rsa_template(bits: u16, attributes: &[u8]) -> Vec<u8> {
    template(&rsa_public_key(bits), HOLDER, attributes)
}

/// The 7F49 object that asks for an RSA key with the exponent 65537.
#[must_use]
pub fn rsa_public_key(bits: u16) -> Vec<u8> {
    let public_key = [
        encode(0x06, &RSA_SHA256),
        encode(0x82, &[0x01, 0x00, 0x01]),
        encode(0x02, &bits.to_be_bytes()),
    ];
    encode(0x7F49, &public_key.concat())
}

/// Command data of GENERATE ASYMMETRIC KEY PAIR: a 7F49 object, the holder reference (CHR), and
/// further objects.
#[must_use]
pub fn template(public_key: &[u8], holder: &[u8], attributes: &[u8]) -> Vec<u8> {
    let objects = [
        &encode(0x5F29, &[0x00])[..],
        &encode(0x42, AUTHORITY),
        public_key,
        &encode(0x5F20, holder),
        attributes,
    ];
    objects.concat()
}
