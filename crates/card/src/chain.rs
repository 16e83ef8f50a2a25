//! Certificates and requests as a host verifies them: what a card has in EF 2F02 and in CE files,
//! up to a root.
//!
//! ```
//! use card::chain::Verifier;
//! use card::cvc::Certificate;
//!
//! let root = card::factory::root_certificate();
//! let (root, _) = Certificate::take(&root).ok_or("no certificate")?;
//! assert_eq!(Verifier::default().certificate(&root), Ok(()));
//! # Ok::<(), &str>(())
//! ```

use crate::cvc::{AuthenticatedRequest, Certificate, RequestedKey, Role};
use crate::state::PublicKey;
use crate::tlv;
use crate::trust::{self, Trusted};
use alloc::vec::Vec;

pub use crate::trust::{Flaw, VENDORS_ROOT, VENDORS_TEST_ROOT};

/// Believes the vendor's roots and the test root, and whom they have vouched for.
///
/// It has no clock, as a card has none: whether a certificate has expired is for others to say.
#[derive(Debug, Default)]
pub struct Verifier {
    known: Vec<Trusted>,
}

/// A key that a card has requested a certificate for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose key it is (CHR).
    pub holder: Vec<u8>,
    /// The device that vouches for it (CAR).
    pub device: Vec<u8>,
    /// The key.
    pub key: PublicKey,
}

impl Verifier {
    /// Verifies a certificate by its issuer's, which was verified before, or is a root's; from here
    /// on its holder is believed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn certificate(&mut self, certificate: &Certificate<'_>) -> Result<(), Flaw> {
        let issuer = self.believed(certificate.authority()).ok_or(Flaw::UnknownAuthority)?;
        if certificate.role() == Some(Role::Root) && certificate.holder() == issuer.holder {
            let is_its_own = certificate.is_signed_by(&issuer.key);
            return if is_its_own { Ok(()) } else { Err(Flaw::WrongSignature) };
        }
        self.known.push(issuer.vouch(certificate)?);
        Ok(())
    }

    /// Verifies a request, a 67 object: that the key has signed it, and the device, which is
    /// believed, has signed that.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn request(&self, request: &[u8]) -> Result<Request, Flaw> {
        let objects = tlv::at(request, &[0x67]).and_then(|content| tlv::parse(content).ok());
        let request = objects.and_then(|objects| AuthenticatedRequest::parse(&objects));
        let request = request.ok_or(Flaw::Malformed)?;
        let device = self.believed(request.authority()).ok_or(Flaw::UnknownAuthority)?;
        if device.role != Role::Device {
            return Err(Flaw::NotEntitled);
        }
        request.verify(&device.key)?;
        Ok(Request {
            holder: request.holder().to_vec(),
            device: request.authority().to_vec(),
            key: request.requested().into(),
        })
    }

    fn believed(&self, holder: &[u8]) -> Option<Trusted> {
        let known = self.known.iter().find(|known| known.holder == holder);
        known.cloned().or_else(|| trust::root(holder))
    }
}

impl From<&RequestedKey> for PublicKey {
    fn from(key: &RequestedKey) -> Self {
        match key {
            RequestedKey::Ec(key) => {
                Self::Ec { curve: key.curve().clone(), point: key.point().to_vec() }
            }
            RequestedKey::Rsa { modulus, exponent } => {
                Self::Rsa { modulus: modulus.clone(), exponent: exponent.clone() }
            }
        }
    }
}
