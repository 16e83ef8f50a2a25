//! Public keys as the rest of the world has them: SubjectPublicKeyInfo in PEM.

use der::asn1::{Any, BitString, Null, ObjectIdentifier, OctetString, Uint};
use der::pem::LineEnding;
use der::{Encode, EncodePem, Sequence};
use spki::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use vschsm_protocol::crypto::curve::Curve;
use vschsm_protocol::crypto::public_key::PublicKey;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const PRIME_FIELD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.1.1");

/// RFC 8017, A.1.1.
#[derive(Sequence)]
struct RsaPublicKey {
    modulus: Uint,
    exponent: Uint,
}

/// The parameters of a curve without a name: RFC 3279, 2.3.5, `ECParameters`.
#[derive(Sequence)]
struct EcParameters {
    version: u8,
    field: Field,
    curve: Coefficients,
    base: OctetString,
    order: Uint,
    cofactor: u8,
}

#[derive(Sequence)]
struct Field {
    kind: ObjectIdentifier,
    prime: Uint,
}

#[derive(Sequence)]
struct Coefficients {
    a: OctetString,
    b: OctetString,
}

/// The key in PEM.
///
/// # Errors
/// If it is longer than DER can encode.
pub fn pem(key: &PublicKey) -> der::Result<String> {
    let pem = info(key)?.to_pem(LineEnding::LF)?;
    Ok(format!("{}\n", pem.trim_end()))
}

/// The key, with the parameters of a curve where it has no name.
///
/// # Errors
/// If it is longer than DER can encode.
pub fn info(key: &PublicKey) -> der::Result<SubjectPublicKeyInfo<Any, BitString>> {
    let (algorithm, bits) = match key {
        PublicKey::Rsa { modulus, exponent } => {
            let key = RsaPublicKey { modulus: Uint::new(modulus)?, exponent: Uint::new(exponent)? };
            let algorithm =
                AlgorithmIdentifier { oid: RSA_ENCRYPTION, parameters: Some(Any::from(Null)) };
            (algorithm, key.to_der()?)
        }
        PublicKey::Ec { curve, point } => {
            let parameters = Some(parameters(curve)?);
            (AlgorithmIdentifier { oid: EC_PUBLIC_KEY, parameters }, point.clone())
        }
    };
    let subject_public_key = BitString::from_bytes(&bits)?;
    Ok(SubjectPublicKeyInfo { algorithm, subject_public_key })
}

fn parameters(curve: &Curve) -> der::Result<Any> {
    if let Some(oid) = curve.oid() {
        return Any::encode_from(&ObjectIdentifier::from_bytes(oid)?);
    }
    let parameters = curve.parameters();
    Any::encode_from(&EcParameters {
        version: 1,
        field: Field { kind: PRIME_FIELD, prime: Uint::new(&parameters.p)? },
        curve: Coefficients {
            a: OctetString::new(&*parameters.a)?,
            b: OctetString::new(&*parameters.b)?,
        },
        base: OctetString::new(&*parameters.g)?,
        order: Uint::new(&parameters.n)?,
        cofactor: 1,
    })
}
