//! X.509 certificates of keys on the card.

use super::{ProvisioningError, read_file};
use crate::public_key;
use der::asn1::{Any, BitString, Null, ObjectIdentifier, OctetString, Uint, UtcTime};
use der::{DateTime, Decode, DecodePem, Encode, Sequence};
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifier, SubjectPublicKeyInfo};
use std::path::Path;
use std::str::FromStr;
use vschsm_protocol::crypto::public_key::PublicKey;
use x509_cert::Version;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::time::{Time, Validity};

const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// A certificate, and the name that it is for, both in DER.
pub(super) struct X509Certificate {
    pub(super) der: Vec<u8>,
    pub(super) subject: Vec<u8>,
}

/// What a certificate that the key signs for itself is to say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SelfSigned {
    /// Issuer and subject, such as `CN=CI`.
    pub(super) name: String,
    /// The subject's alternative names; without any there is no such extension.
    pub(super) alternative_names: Vec<GeneralName>,
    /// Whether it is the certificate of a certification authority.
    pub(super) is_authority: bool,
}

/// RFC 5280, 4.1.
#[derive(Sequence)]
struct TbsCertificate {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial_number: Uint,
    signature: AlgorithmIdentifier<Any>,
    issuer: Name,
    validity: Validity,
    subject: Name,
    subject_public_key_info: SubjectPublicKeyInfo<Any, BitString>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

#[derive(Sequence)]
struct Signed {
    content: Any,
    algorithm: AlgorithmIdentifier<Any>,
    signature: BitString,
}

/// The certificate in a file, PEM or DER, which must be for that key.
pub(super) fn read(path: &Path, key: &PublicKey) -> Result<X509Certificate, ProvisioningError> {
    let bytes = read_file(path)?;
    let malformed = |_| ProvisioningError::Malformed {
        path: path.to_owned(),
        what: "it is not an X.509 certificate, neither PEM nor DER",
    };
    let certificate = x509_cert::Certificate::from_der(&bytes)
        .or_else(|_| x509_cert::Certificate::from_pem(bytes.as_slice()))
        .map_err(malformed)?;
    let content = certificate.tbs_certificate();
    let ours = public_key::info(key).map_err(malformed)?;
    if content.subject_public_key_info().subject_public_key != ours.subject_public_key {
        return Err(ProvisioningError::OtherKey { path: path.to_owned() });
    }
    let subject = content.subject().to_der().map_err(malformed)?;
    let der = certificate.to_der().map_err(malformed)?;
    Ok(X509Certificate { der, subject })
}

/// A certificate of version 3 that the key signs for itself: `sign` makes PKCS#1 v1.5 or ECDSA
/// signatures with SHA-256, in DER.
///
/// It never expires and depends on nothing but `plan`, key and signature.
pub(super) fn self_signed(
    plan: &SelfSigned,
    key: &PublicKey,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, ProvisioningError>,
) -> Result<X509Certificate, ProvisioningError> {
    let SelfSigned { name, .. } = plan;
    let cannot = |source| ProvisioningError::SelfSignedCertificate { name: name.clone(), source };
    let subject = Name::from_str(name).map_err(cannot)?;
    let content = content(subject.clone(), plan, key).map_err(cannot)?;
    let signature = sign(&content)?;
    let der = signed(&content, algorithm(key), &signature).map_err(cannot)?;
    Ok(X509Certificate { der, subject: subject.to_der().map_err(cannot)? })
}

fn content(subject: Name, plan: &SelfSigned, key: &PublicKey) -> der::Result<Vec<u8>> {
    let subject_public_key_info = public_key::info(key)?;
    let digest = Sha256::digest(subject_public_key_info.to_der()?);
    TbsCertificate {
        version: Version::V3,
        serial_number: Uint::new(digest.get(..8).unwrap_or_default())?,
        signature: algorithm(key),
        issuer: subject.clone(),
        validity: Validity::new(
            Time::UtcTime(UtcTime::from_date_time(DateTime::new(2025, 1, 1, 0, 0, 0)?)?),
            Time::INFINITY,
        ),
        extensions: extensions(&subject, plan, key, &subject_public_key_info)?,
        subject,
        subject_public_key_info,
    }
    .to_der()
}

/// Those that strict verifiers ask for: `openssl verify -x509_strict`, and Python since 3.13.
///
/// Both key identifiers are the first 20 bytes of the key's SHA-256. Source: RFC 5280, 4.2.1;
/// RFC 7093, method 1.
fn extensions(
    subject: &Name,
    plan: &SelfSigned,
    key: &PublicKey,
    info: &SubjectPublicKeyInfo<Any, BitString>,
) -> der::Result<Vec<Extension>> {
    let digest = Sha256::digest(info.subject_public_key.raw_bytes());
    let identifier = OctetString::new(digest.get(..20).unwrap_or_default())?;
    let authority =
        AuthorityKeyIdentifier { key_identifier: Some(identifier.clone()), ..Default::default() };
    let constraints = BasicConstraints { ca: plan.is_authority, path_len_constraint: None };
    let usage = if plan.is_authority {
        KeyUsages::DigitalSignature | KeyUsages::KeyCertSign | KeyUsages::CRLSign
    } else {
        match key {
            PublicKey::Rsa { .. } => KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment,
            PublicKey::Ec { .. } => KeyUsages::DigitalSignature | KeyUsages::KeyAgreement,
        }
    };
    let mut extensions = vec![
        constraints.to_extension(subject, &[])?,
        KeyUsage(usage).to_extension(subject, &[])?,
        SubjectKeyIdentifier(identifier).to_extension(subject, &[])?,
        authority.to_extension(subject, &[])?,
    ];
    if !plan.alternative_names.is_empty() {
        let names = SubjectAltName(plan.alternative_names.clone());
        extensions.push(names.to_extension(subject, &[])?);
    }
    Ok(extensions)
}

fn signed(
    content: &[u8],
    algorithm: AlgorithmIdentifier<Any>,
    signature: &[u8],
) -> der::Result<Vec<u8>> {
    let signature = BitString::from_bytes(signature)?;
    Signed { content: Any::from_der(content)?, algorithm, signature }.to_der()
}

fn algorithm(key: &PublicKey) -> AlgorithmIdentifier<Any> {
    match key {
        PublicKey::Rsa { .. } => {
            AlgorithmIdentifier { oid: SHA256_WITH_RSA, parameters: Some(Any::from(Null)) }
        }
        PublicKey::Ec { .. } => AlgorithmIdentifier { oid: ECDSA_WITH_SHA256, parameters: None },
    }
}
