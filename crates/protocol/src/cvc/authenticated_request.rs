//! Authenticated requests: requests that a device has signed as well, as other cards take them.

use super::error::CertificateError;
use super::{KEY_DOMAIN_UID, RSA_SHA256, VerificationKey, content, public_key};
use crate::crypto::hash::Hash;
use crate::crypto::public_key::PublicKey;
use crate::crypto::rsa;
use crate::tlv::{self, Object};
use alloc::vec::Vec;

/// An authenticated request, the content of tag 67: a request, the name of the device that has
/// signed it, and the signature of that.
pub struct AuthenticatedRequest<'a> {
    body: &'a [u8],
    holder: &'a [u8],
    public_key: &'a [u8],
    key: RequestedKey,
    key_domain: Option<&'a [u8]>,
    signature: &'a [u8],
    authority: &'a [u8],
    /// What the outer signature is over.
    content: Vec<u8>,
    outer_signature: &'a [u8],
}

/// The key that a request is for.
pub enum RequestedKey {
    /// An elliptic curve key.
    Ec(VerificationKey),
    /// An RSA key; both numbers are big-endian, as the request has them.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent.
        exponent: Vec<u8>,
    },
}

impl RequestedKey {
    /// The key of a 7F49's content, which has its domain parameters; none if it is neither an RSA
    /// key nor one for ECDSA.
    fn parse(content: &[u8]) -> Option<Self> {
        let objects = tlv::parse(content).ok()?;
        let find = |tag| tlv::find(&objects, tag).map(<[u8]>::to_vec);
        if tlv::find(&objects, 0x06)? == RSA_SHA256 {
            return Some(Self::Rsa { modulus: find(0x81)?, exponent: find(0x82)? });
        }
        VerificationKey::parse(content, None).map(Self::Ec)
    }

    fn made(&self, signature: &[u8], message: &[u8]) -> bool {
        match self {
            Self::Ec(key) => key.made(signature, message),
            Self::Rsa { modulus, exponent } => {
                rsa::verify_pkcs1_v15((modulus, exponent), Hash::Sha256, message, signature)
            }
        }
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

impl<'a> AuthenticatedRequest<'a> {
    /// The request of which these are 7F21, 42 and 5F37; none if they are something else.
    #[must_use]
    pub fn parse(objects: &[Object<'a>]) -> Option<Self> {
        let [request, authority, outer_signature] = *objects else { return None };
        if (authority.tag, outer_signature.tag) != (0x42, 0x5F37) {
            return None;
        }
        let parts = content(request, 0x7F21)?;
        let body = *parts.iter().find(|object| object.tag == 0x7F4E)?;
        let fields = content(body, 0x7F4E)?;
        let public_key = tlv::find(&fields, 0x7F49)?;
        Some(Self {
            body: body.encoded,
            holder: tlv::find(&fields, 0x5F20)?,
            public_key,
            key: RequestedKey::parse(public_key)?,
            key_domain: key_domain(&fields),
            signature: tlv::find(&parts, 0x5F37)?,
            authority: authority.value,
            content: [request.encoded, authority.encoded].concat(),
            outer_signature: outer_signature.value,
        })
    }

    /// Verifies both signatures: that of the device with this key, and that of the requested key.
    ///
    /// # Errors
    /// [`CertificateError::WrongSignature`] for the first, [`CertificateError::WrongOwnSignature`]
    /// for the second.
    pub fn verify(&self, device: &VerificationKey) -> Result<(), CertificateError> {
        if !device.made(self.outer_signature, &self.content) {
            return Err(CertificateError::WrongSignature);
        }
        if !self.key.made(self.signature, self.body) {
            return Err(CertificateError::WrongOwnSignature);
        }
        Ok(())
    }

    /// The device that has signed the request (CAR).
    #[must_use]
    pub fn authority(&self) -> &'a [u8] {
        self.authority
    }

    /// The holder reference (CHR) of the key.
    #[must_use]
    pub fn holder(&self) -> &'a [u8] {
        self.holder
    }

    /// The content of its 7F49.
    #[must_use]
    pub fn public_key(&self) -> &'a [u8] {
        self.public_key
    }

    /// The requested key, of any type.
    #[must_use]
    pub fn requested(&self) -> &RequestedKey {
        &self.key
    }

    /// The UID of the key domain that the key is for, if it is for one.
    #[must_use]
    pub fn key_domain(&self) -> Option<&'a [u8]> {
        self.key_domain
    }
}

/// Whether `request`, an authenticated request, is for that key. No signature is verified.
#[must_use]
pub fn is_request_for(request: &[u8], key: &PublicKey) -> bool {
    let content = tlv::at(request, &[0x67, 0x7F21, 0x7F4E, 0x7F49]);
    content.is_some_and(|content| {
        let algorithm = tlv::at(content, &[0x06]);
        algorithm.is_some_and(|it| public_key(it, key) == tlv::encode(0x7F49, content))
    })
}

/// The UID in the extension, 65 { 73 { 06, 80 } }, among the objects of a body.
fn key_domain<'a>(body: &[Object<'a>]) -> Option<&'a [u8]> {
    let extensions = tlv::parse(tlv::find(body, 0x65)?).ok()?;
    let extensions = extensions.into_iter().filter_map(|extension| content(extension, 0x73));
    let named = |extension: &Vec<Object<'_>>| tlv::find(extension, 0x06) == Some(&KEY_DOMAIN_UID);
    extensions.filter(named).find_map(|extension| tlv::find(&extension, 0x80))
}
