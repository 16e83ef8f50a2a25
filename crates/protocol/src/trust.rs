//! Trust anchors, and the certificates that are verified with them.

use crate::cvc::{Certificate, CertificateError, Role, VerificationKey};
use crate::test_root;
use alloc::vec::Vec;
use hex_literal::hex;

/// A certificate that has been verified, or a trust anchor: the key that the next certificate is
/// verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedCertificate {
    /// The holder reference (CHR).
    pub holder: Vec<u8>,
    /// What the holder is.
    pub role: Role,
    /// The certified key.
    pub key: VerificationKey,
}

impl TrustedCertificate {
    /// Verifies a certificate that the holder has issued.
    ///
    /// # Errors
    /// All but [`CertificateError::UnknownAuthority`] and [`CertificateError::WrongOwnSignature`]:
    /// the caller has chosen this certificate by the name of the issuer.
    pub fn verify(&self, certificate: &Certificate<'_>) -> Result<Self, CertificateError> {
        let role = certificate.role().ok_or(CertificateError::Malformed)?;
        let key = VerificationKey::parse(certificate.public_key(), Some(self.key.curve()));
        let key = key.ok_or(CertificateError::Malformed)?;
        if !certificate.is_signed_by(&self.key) {
            return Err(CertificateError::WrongSignature);
        }
        if self.role.issues() != Some(role) {
            return Err(CertificateError::NotEntitled);
        }
        Ok(Self { holder: certificate.holder().to_vec(), role, key })
    }
}

/// The name of the root of the vendor's products.
pub const VENDOR_ROOT: &[u8] = b"DESRCACC100001";

/// The name of the root of the vendor's test cards.
pub const VENDOR_TEST_ROOT: &[u8] = b"UTSRCACC100001";

/// The vendor's roots: names and points.
///
/// Source: the vendor's card service for Java has their certificates, which are self-signed.
const VENDOR_ROOTS: [(&[u8], [u8; 65]); 2] = [
    (
        VENDOR_ROOT,
        hex!(
            "04 6D025A8026CDBA245F10DF1B72E9880FFF746DAB40A43A3D5C6BEBF27707C30F"
            "6DEA72430EE3287B0665C1EAA6EAA4FA26C46303001983F82BD1AA31E03DA062"
        ),
    ),
    (
        VENDOR_TEST_ROOT,
        hex!(
            "04 A041FEB2FD116B2AD19CA6B7EACD71C9892F941BB88D67DCEEC92501F0700119"
            "57E22122BA6C2CF5FF02936F482E35A6129CCBBA8E9383836D3106879C408EF0"
        ),
    ),
];

/// The trust anchor of that name: one of the vendor's roots, or the test root.
#[must_use]
pub fn trust_anchor(holder: &[u8]) -> Option<TrustedCertificate> {
    let vendors = VENDOR_ROOTS.iter().find(|(name, _)| *name == holder);
    let point = match vendors {
        Some((_, point)) => point.to_vec(),
        None if holder == test_root::ROOT => test_root::key().public_point(),
        None => return None,
    };
    let key = VerificationKey::on_device_curve(point);
    Some(TrustedCertificate { holder: holder.to_vec(), role: Role::Root, key })
}
