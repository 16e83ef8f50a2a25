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

use crate::crypto::hash::Hash;
use crate::crypto::rsa;
use crate::cvc::{Certificate, RSA_SHA256, Role, VerificationKey, content};
use crate::state::PublicKey;
use crate::tlv::{self, Object};
use crate::trust::{self, Trusted};
use alloc::vec::Vec;
use core::fmt;

/// Believes the vendor's roots and the test root, and whom they have vouched for.
///
/// It has no clock, as a card has none: whether a certificate has expired is for others to say.
#[derive(Debug, Default)]
pub struct Verifier {
    known: Vec<Trusted>,
}

/// Why a certificate or request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not what it should be.
    Malformed,
    /// Its issuer is not known, or not before a certificate of it.
    UnknownAuthority,
    /// Its issuer has not signed it.
    WrongSignature,
    /// The key that is requested has not signed the request.
    WrongOwnSignature,
    /// Its issuer may not issue to such a holder.
    NotEntitled,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::UnknownAuthority => "its issuer is unknown",
            Self::WrongSignature => "its issuer has not signed it",
            Self::WrongOwnSignature => "the key that it is for has not signed it",
            Self::NotEntitled => "its issuer may not issue to such a holder",
        })
    }
}

impl core::error::Error for Flaw {}

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
        let role = certificate.role().ok_or(Flaw::Malformed)?;
        let issuer = self.believed(certificate.authority()).ok_or(Flaw::UnknownAuthority)?;
        let key = VerificationKey::parse(certificate.public_key(), Some(issuer.key.curve()));
        let key = key.ok_or(Flaw::Malformed)?;
        if !certificate.is_signed_by(&issuer.key) {
            return Err(Flaw::WrongSignature);
        }
        // A root vouches for itself as well.
        let is_root = role == Role::Root && certificate.holder() == issuer.holder;
        if issuer.role.issues() != Some(role) && !is_root {
            return Err(Flaw::NotEntitled);
        }
        self.known.push(Trusted { holder: certificate.holder().to_vec(), role, key });
        Ok(())
    }

    /// Verifies a request, a 67 object: that the key has signed it, and the device, which is
    /// believed, has signed that.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn request(&self, request: &[u8]) -> Result<Request, Flaw> {
        let objects = tlv::at(request, &[0x67]).and_then(|content| tlv::parse(content).ok());
        let objects = objects.ok_or(Flaw::Malformed)?;
        let &[inner, authority, signature] = objects.as_slice() else {
            return Err(Flaw::Malformed);
        };
        if (authority.tag, signature.tag) != (0x42, 0x5F37) {
            return Err(Flaw::Malformed);
        }
        let own = OwnRequest::parse(inner).ok_or(Flaw::Malformed)?;
        let device = self.believed(authority.value).ok_or(Flaw::UnknownAuthority)?;
        if device.role != Role::Device {
            return Err(Flaw::NotEntitled);
        }
        let signed = [inner.encoded, authority.encoded].concat();
        if !device.key.made(signature.value, &signed) {
            return Err(Flaw::WrongSignature);
        }
        if !own.is_signed() {
            return Err(Flaw::WrongOwnSignature);
        }
        Ok(Request {
            holder: own.holder.to_vec(),
            device: authority.value.to_vec(),
            key: own.key.public_key(),
        })
    }

    fn believed(&self, holder: &[u8]) -> Option<Trusted> {
        let known = self.known.iter().find(|known| known.holder == holder);
        known.cloned().or_else(|| trust::root(holder))
    }
}

/// What the key itself has signed: a 7F21 object.
struct OwnRequest<'a> {
    body: &'a [u8],
    holder: &'a [u8],
    key: RequestedKey,
    signature: &'a [u8],
}

enum RequestedKey {
    Ec(VerificationKey),
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

impl<'a> OwnRequest<'a> {
    fn parse(request: Object<'a>) -> Option<Self> {
        let parts = content(request, 0x7F21)?;
        let body = *parts.iter().find(|object| object.tag == 0x7F4E)?;
        let fields = content(body, 0x7F4E)?;
        Some(Self {
            body: body.encoded,
            holder: tlv::find(&fields, 0x5F20)?,
            key: RequestedKey::parse(tlv::find(&fields, 0x7F49)?)?,
            signature: tlv::find(&parts, 0x5F37)?,
        })
    }

    fn is_signed(&self) -> bool {
        match &self.key {
            RequestedKey::Ec(key) => key.made(self.signature, self.body),
            RequestedKey::Rsa { modulus, exponent } => {
                rsa::verify_pkcs1_v15((modulus, exponent), Hash::Sha256, self.body, self.signature)
            }
        }
    }
}

impl RequestedKey {
    /// The key of a 7F49's content.
    fn parse(content: &[u8]) -> Option<Self> {
        let objects = tlv::parse(content).ok()?;
        let find = |tag| tlv::find(&objects, tag).map(<[u8]>::to_vec);
        if tlv::find(&objects, 0x06)? == RSA_SHA256 {
            return Some(Self::Rsa { modulus: find(0x81)?, exponent: find(0x82)? });
        }
        VerificationKey::parse(content, None).map(Self::Ec)
    }

    fn public_key(&self) -> PublicKey {
        match self {
            Self::Ec(key) => {
                PublicKey::Ec { curve: key.curve().clone(), point: key.point().to_vec() }
            }
            Self::Rsa { modulus, exponent } => {
                PublicKey::Rsa { modulus: modulus.clone(), exponent: exponent.clone() }
            }
        }
    }
}
