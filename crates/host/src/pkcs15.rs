//! PKCS#15 descriptions, as OpenSC writes them into a SmartCard-HSM, and as others do: EF 2F03, and
//! C4nn for key nn.
//!
//! Source: captured from OpenSC 0.23; `A8` for AES keys from sc-hsm-embedded. The card keeps them
//! and never looks.

use crate::key_spec::KeySpec;
use vschsm_protocol::tlv::{self, encode};

/// High byte of the file identifier of a key's description; the low one is the key's number.
pub const DESCRIPTION: u8 = 0xC4;

/// Flags of a private key object: private, modifiable. Its PIN has the authentication id 1.
const PRIVATE_AND_MODIFIABLE: &[u8] = &[0x06, 0xC0];
/// Usages: for RSA decrypt, sign, signRecover and unwrap, for EC sign, signRecover and derive.
const RSA_USAGE: &[u8] = &[0x04, 0x70];
const EC_USAGE: &[u8] = &[0x07, 0x30, 0x80];
/// For AES encrypt, decrypt and sign.
const AES_USAGE: &[u8] = &[0x05, 0xE0];
/// Access to a key with a certificate: sensitive, always so, never extractable, generated here.
const GENERATED_HERE: &[u8] = &[0x03, 0xB8];

/// A token with that label.
#[must_use]
pub fn token_information(label: &str) -> Vec<u8> {
    let version = encode(0x02, &[0]);
    let flags = encode(0x03, &[0x05, 0x20]);
    encode(0x30, &[version, encode(0x80, label.as_bytes()), flags].concat())
}

/// The description of the key with that number; `subject` is the name, in DER, that its certificate
/// is for.
#[must_use]
pub fn key_description(
    spec: &KeySpec,
    number: u8,
    id: &[u8],
    label: &str,
    subject: Option<&[u8]>,
) -> Vec<u8> {
    let (tag, usage, bits) = match spec {
        KeySpec::Rsa(bits) => (0x30, RSA_USAGE, usize::from(*bits)),
        KeySpec::Ec(curve) => (0xA0, EC_USAGE, curve.bits()),
        KeySpec::Aes(bits) => return secret_key(*bits, id, label),
    };
    let object = [
        encode(0x0C, label.as_bytes()),
        encode(0x03, PRIVATE_AND_MODIFIABLE),
        encode(0x04, &[0x01]),
    ];
    let mut attributes = vec![encode(0x04, id), encode(0x03, usage)];
    if subject.is_some() {
        attributes.push(encode(0x03, GENERATED_HERE));
    }
    attributes.push(integer(number.into()));
    let path = encode(0x30, &encode(0x04, &[]));
    let value = encode(0x30, &[path, integer(bits)].concat());

    let mut parts = vec![encode(0x30, &object.concat()), encode(0x30, &attributes.concat())];
    parts.extend(subject.map(|subject| encode(0xA0, &encode(0x30, subject))));
    parts.push(encode(0xA1, &value));
    encode(tag, &parts.concat())
}

fn secret_key(bits: u16, id: &[u8], label: &str) -> Vec<u8> {
    let object = encode(0x30, &encode(0x0C, label.as_bytes()));
    let attributes = encode(0x30, &[encode(0x04, id), encode(0x03, AES_USAGE)].concat());
    let value = encode(0xA0, &encode(0x30, &integer(bits.into())));
    encode(0xA8, &[object, attributes, value].concat())
}

/// What a description says of the key: the id and the label by which PKCS#15 and PKCS#11 know it,
/// each if it is there.
///
/// Source: ISO 7816-15, `CommonObjectAttributes` and `CommonKeyAttributes`.
#[must_use]
pub fn names(description: &[u8]) -> (Option<Vec<u8>>, Option<String>) {
    let Ok((object, _)) = tlv::take(description) else { return (None, None) };
    let sequences = tlv::parse(object.value).unwrap_or_default();
    let mut sequences = sequences.iter().filter(|part| part.tag == 0x30);
    let mut attribute = |tag| {
        let attributes = tlv::parse(sequences.next()?.value).ok()?;
        tlv::find(&attributes, tag).filter(|value| !value.is_empty()).map(<[u8]>::to_vec)
    };
    let (label, id) = (attribute(0x0C), attribute(0x04));
    (id, label.map(|label| String::from_utf8_lossy(&label).into_owned()))
}

/// The label in a token's information: EF 2F03.
#[must_use]
pub fn token_label(information: &[u8]) -> Option<String> {
    let label = tlv::at(information, &[0x30, 0x80])?;
    Some(String::from_utf8_lossy(label).into_owned())
}

/// The description of the CA certificate with that number, in EF CAnn.
///
/// Source: ISO 7816-15, `CertificateObject`, whose `X509CertificateAttributes` name the file;
/// sc-hsm-embedded reads the label of such descriptions.
#[must_use]
pub fn ca_certificate_description(number: u8, label: &str) -> Vec<u8> {
    let object = encode(0x30, &encode(0x0C, label.as_bytes()));
    let attributes = encode(0x30, &[encode(0x04, &[number]), encode(0x01, &[0xFF])].concat());
    let path = encode(0x30, &encode(0x04, &[0xCA, number]));
    let value = encode(0xA1, &encode(0x30, &path));
    encode(0x30, &[object, attributes, value].concat())
}

/// INTEGER.
fn integer(number: usize) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len() - 1);
    let digits = bytes.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    encode(0x02, &[sign, digits].concat())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::hex;

    fn described(kind: &str, id: &str, label: &str, subject: Option<&str>) -> String {
        let subject = subject.map(|subject| hex::parse(subject).unwrap());
        let (kind, id) = (kind.parse().unwrap(), hex::parse(id).unwrap());
        hex::upper(&key_description(&kind, 1, &id, label, subject.as_deref())).to_lowercase()
    }

    #[test]
    fn descriptions_are_those_of_opensc() {
        let told = hex::upper(&token_information("MyToken")).to_lowercase();
        assert_eq!(told, "301002010080074d79546f6b656e03020520");
        assert_eq!(
            described("ec:secp256r1", "10", "eckey", None),
            "a029300e0c0565636b6579030206c0040101300b0401100303073080020101a10a30083002040002020100"
        );
        assert_eq!(
            described("ec:secp256r1", "10", "eckey", Some("300e310c300a06035504030c03636131")),
            "a041300e0c0565636b6579030206c0040101300f0401100303073080030203b8020101a0123010300e310c\
             300a06035504030c03636131a10a30083002040002020100"
        );
    }

    #[test]
    fn a_description_names_its_key() {
        let subject = hex::parse("300e310c300a06035504030c03636131").unwrap();
        for (kind, subject) in
            [("rsa:2048", None), ("ec:secp256r1", Some(subject.as_slice())), ("aes:256", None)]
        {
            let described =
                key_description(&kind.parse().unwrap(), 1, &[0x0A, 0x0B], "signing", subject);
            assert_eq!(names(&described), (Some(vec![0x0A, 0x0B]), Some("signing".into())));
            for cut in 0..described.len() {
                let cut = described.get(..cut).unwrap();
                assert_eq!(names(cut), (None, None), "{kind}, {} bytes", cut.len());
            }
        }
        let without_label = hex::parse("300A30003003040110A1013000").unwrap();
        assert_eq!(names(&without_label).1, None);
    }

    #[test]
    fn numbers_are_not_negative() {
        let told = described("ec:secp192k1", "01", "x", None);
        assert!(told.ends_with("020200c0"), "{told}");
        assert!(described("rsa:2048", "11", "rsakey", None).ends_with("02020800"));
    }
}
