//! Requests that a device vouches for, as other cards take them.

use super::{KEY_DOMAIN_UID, RSA_SHA256, VerificationKey, content};
use crate::apdu::Status;
use crate::crypto::hash::Hash;
use crate::crypto::rsa;
use crate::session::Session;
use crate::tlv::{self, Object};
use crate::trust::Flaw;
use alloc::vec::Vec;

/// The content of a 67 object: a request, the name of who vouches for it, and their signature.
pub(crate) struct AuthenticatedRequest<'a> {
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
pub(crate) enum RequestedKey {
    Ec(VerificationKey),
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
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

impl<'a> AuthenticatedRequest<'a> {
    /// The request of which these are 7F21, 42 and 5F37; none if they are something else.
    pub(crate) fn parse(objects: &[Object<'a>]) -> Option<Self> {
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

    /// The EC key that the request is for, if it has signed the request, and a device that
    /// certificates have vouched for has signed that.
    ///
    /// `6A80` if it is for an RSA key; `6A88` if no certificate was verified of the device that
    /// signed; `6985` for a wrong signature.
    pub(crate) fn key(&self, session: &Session) -> Result<&VerificationKey, Status> {
        let RequestedKey::Ec(key) = &self.key else { return Err(Status::WRONG_DATA) };
        let device = session.device(self.authority).ok_or(Status::REFERENCE_NOT_FOUND)?;
        self.verify(&device).map_err(|_| Status::CONDITIONS_NOT_SATISFIED)?;
        Ok(key)
    }

    /// Whether the device has signed the request, and the key itself has.
    pub(crate) fn verify(&self, device: &VerificationKey) -> Result<(), Flaw> {
        if !device.made(self.outer_signature, &self.content) {
            return Err(Flaw::WrongSignature);
        }
        if !self.key.made(self.signature, self.body) {
            return Err(Flaw::WrongOwnSignature);
        }
        Ok(())
    }

    /// Who vouches for the request (CAR).
    pub(crate) fn authority(&self) -> &'a [u8] {
        self.authority
    }

    /// The holder reference (CHR) of the key.
    pub(crate) fn holder(&self) -> &'a [u8] {
        self.holder
    }

    /// The content of its 7F49.
    pub(crate) fn public_key(&self) -> &'a [u8] {
        self.public_key
    }

    /// The key, whatever its kind.
    pub(crate) fn requested(&self) -> &RequestedKey {
        &self.key
    }

    /// The UID of the key domain that the key is for, if it is for one.
    pub(crate) fn key_domain(&self) -> Option<&'a [u8]> {
        self.key_domain
    }
}

/// The UID in the extension, 65 { 73 { 06, 80 } }, among the objects of a body.
fn key_domain<'a>(body: &[Object<'a>]) -> Option<&'a [u8]> {
    let extensions = tlv::parse(tlv::find(body, 0x65)?).ok()?;
    let extensions = extensions.into_iter().filter_map(|extension| content(extension, 0x73));
    let named = |extension: &Vec<Object<'_>>| tlv::find(extension, 0x06) == Some(&KEY_DOMAIN_UID);
    extensions.filter(named).find_map(|extension| tlv::find(&extension, 0x80))
}
