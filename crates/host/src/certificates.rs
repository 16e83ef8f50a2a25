//! Certificates and requests as a host verifies them: what a card has in EF 2F02 and in CE files,
//! up to a root.
//!
//! ```
//! use vschsm_host::certificates::Verifier;
//! use vschsm_protocol::cvc::Certificate;
//!
//! let root = vschsm_card::personalisation::root_certificate();
//! let (root, _) = Certificate::take(&root).ok_or("no certificate")?;
//! assert_eq!(Verifier::default().certificate(&root), Ok(()));
//! # Ok::<(), &str>(())
//! ```

use vschsm_protocol::crypto::public_key::PublicKey;
use vschsm_protocol::cvc::{AuthenticatedRequest, Certificate, Role, VerificationKey};
use vschsm_protocol::tlv;
use vschsm_protocol::trust::{self, TrustedCertificate};

pub use vschsm_protocol::cvc::CertificateError;
pub use vschsm_protocol::test_root::ROOT as TEST_ROOT;
pub use vschsm_protocol::trust::{VENDOR_ROOT, VENDOR_TEST_ROOT};

/// Trusts the vendor's roots and the test root of virtual cards, and whatever chain of certificates
/// leads to them.
///
/// It has no clock, as a card has none: whether a certificate has expired is for others to say.
#[derive(Debug, Default)]
pub struct Verifier {
    known: Vec<Known>,
}

/// The holder of a verified certificate, and the name of the root that it leads to.
#[derive(Clone, Debug)]
struct Known {
    trusted: TrustedCertificate,
    root: Vec<u8>,
}

/// A device whose certificate leads to a root.
#[derive(Clone, Debug)]
pub struct VerifiedDevice {
    holder: Vec<u8>,
    root: Vec<u8>,
    key: VerificationKey,
}

/// A key that a card has requested a certificate for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRequest {
    /// Whose key it is (CHR).
    pub holder: Vec<u8>,
    /// The device that has signed the request (CAR).
    pub device: Vec<u8>,
    /// The key.
    pub key: PublicKey,
}

impl Verifier {
    /// Verifies a certificate by its issuer's, which was verified before, or is a root's; from here
    /// on its holder is trusted.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn certificate(&mut self, certificate: &Certificate<'_>) -> Result<(), CertificateError> {
        let issuer = self.known(certificate.authority());
        let Known { trusted: issuer, root } = issuer.ok_or(CertificateError::UnknownAuthority)?;
        if certificate.role() == Some(Role::Root) && certificate.holder() == issuer.holder {
            let is_its_own = certificate.is_signed_by(&issuer.key);
            return if is_its_own { Ok(()) } else { Err(CertificateError::WrongSignature) };
        }
        self.known.push(Known { trusted: issuer.verify(certificate)?, root });
        Ok(())
    }

    /// Verifies what a card has in EF 2F02: its own certificate, and those of its issuers behind
    /// it, each before who has issued it.
    ///
    /// # Errors
    /// What is wrong with the first one that is not in order.
    pub fn device(&mut self, certificates: &[u8]) -> Result<VerifiedDevice, CertificateError> {
        let objects = tlv::parse(certificates).map_err(|_| CertificateError::Malformed)?;
        let mut holder = None;
        for object in objects.iter().rev() {
            let (certificate, _) =
                Certificate::take(object.encoded).ok_or(CertificateError::Malformed)?;
            self.certificate(&certificate)?;
            holder = Some(certificate.holder());
        }
        let holder = holder.ok_or(CertificateError::Malformed)?;
        let Known { trusted, root } =
            self.known(holder).ok_or(CertificateError::UnknownAuthority)?;
        if trusted.role != Role::Device {
            return Err(CertificateError::NotEntitled);
        }
        Ok(VerifiedDevice { holder: trusted.holder, root, key: trusted.key })
    }

    /// Verifies an authenticated request (tag 67): that the key has signed it, and the device,
    /// which is trusted, has signed that.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn request(&self, request: &[u8]) -> Result<VerifiedRequest, CertificateError> {
        let objects = tlv::at(request, &[0x67]).and_then(|content| tlv::parse(content).ok());
        let request = objects.and_then(|objects| AuthenticatedRequest::parse(&objects));
        let request = request.ok_or(CertificateError::Malformed)?;
        let device =
            self.known(request.authority()).ok_or(CertificateError::UnknownAuthority)?.trusted;
        if device.role != Role::Device {
            return Err(CertificateError::NotEntitled);
        }
        request.verify(&device.key)?;
        Ok(VerifiedRequest {
            holder: request.holder().to_vec(),
            device: request.authority().to_vec(),
            key: request.requested().into(),
        })
    }

    fn known(&self, holder: &[u8]) -> Option<Known> {
        let known = self.known.iter().find(|known| known.trusted.holder == holder);
        let root = || Some(Known { trusted: trust::trust_anchor(holder)?, root: holder.to_vec() });
        known.cloned().or_else(root)
    }
}

impl VerifiedDevice {
    /// Whose key its certificate is for (CHR).
    #[must_use]
    pub fn holder(&self) -> &[u8] {
        &self.holder
    }

    /// The name of the root that its certificate leads to.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// The key that its certificate is for.
    pub(crate) fn key(&self) -> &VerificationKey {
        &self.key
    }
}
