//! Card verifiable certificates and requests. Source: BSI TR-03110 part 3, appendix C.
//!
//! ```text
//! 7F21 { 7F4E { 5F29 00, 42 CAR, 7F49 public key, 5F20 CHR, 7F4C CHAT, 5F25 from, 5F24 to, 65 },
//!        5F37 signature of the 7F4E object }
//! 67   { 7F21 of a request, 42 CAR, 5F37 signature of the two objects before }
//! ```
//!
//! Tag 67 is an authenticated request. A request has no 7F4C, 5F25, 5F24, and its 42 is
//! optional. EC signatures are r ‖ s.
//!
//! ```
//! use vschsm_protocol::crypto::hash::Hash;
//! use vschsm_protocol::cvc::{Body, Certificate, ECDSA_SHA256, Rights, Role, inherited_public_key};
//! use vschsm_protocol::test_root;
//! use vschsm_protocol::trust::trust_anchor;
//!
//! // The test root issues a certificate for the test issuer, whose key is on the same curve.
//! let key = inherited_public_key(&ECDSA_SHA256, &test_root::issuer_key().public_point());
//! let rights = Rights { role: Role::Issuer, from: [2, 0, 0, 1, 0, 1], to: [4, 9, 1, 2, 3, 1] };
//! let body = Body::certificate(test_root::ROOT, &key, test_root::ISSUER, &rights);
//! let signed = body.signed::<()>(|body| {
//!     Ok(test_root::key().sign_deterministic(&Hash::Sha256.digest(body)))
//! });
//! let certificate = signed.expect("the signature is always made");
//!
//! let (certificate, _) = Certificate::take(&certificate).ok_or("not a certificate")?;
//! let root = trust_anchor(certificate.authority()).ok_or("no such root")?;
//! assert_eq!(root.verify(&certificate)?.holder, test_root::ISSUER);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod authenticated_request;
mod error;
mod verification_key;

pub use authenticated_request::{AuthenticatedRequest, RequestedKey, is_request_for};
pub use error::CertificateError;
pub use verification_key::VerificationKey;

use crate::crypto::public_key::PublicKey;
use crate::tlv::{self, Object};
use alloc::vec::Vec;

/// id-TA-ECDSA-SHA-256, 0.4.0.127.0.7.2.2.2.2.3.
pub const ECDSA_SHA256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];

/// id-TA-RSA-v1-5-SHA-256, 0.4.0.127.0.7.2.2.2.1.2.
pub const RSA_SHA256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x01, 0x02];

/// What a SmartCard-HSM's certificates are for, 1.3.6.1.4.1.24991.3.1.1.
const ROLE: [u8; 11] = [0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x03, 0x01, 0x01];

/// id-key-domain-UID, 1.3.6.1.4.1.24991.3.2.2. Source: the vendor's card service for Java.
const KEY_DOMAIN_UID: [u8; 11] = [0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x03, 0x02, 0x02];

/// A certificate or request whose signature is yet to be made.
pub struct Body(Vec<u8>);

impl Body {
    /// The body of a request; `authority` is the name (CAR) of the issuer that it is
    /// for.
    pub fn request(authority: Option<&[u8]>, public_key: &[u8], holder: &[u8]) -> Self {
        Self(Self::common(authority, public_key, holder).concat())
    }

    /// The same with an extension that names the key domain which the key is for.
    pub fn for_key_domain(mut self, uid: &[u8]) -> Self {
        let extension = [tlv::encode(0x06, &KEY_DOMAIN_UID), tlv::encode(0x80, uid)];
        self.0.extend(tlv::encode(0x65, &tlv::encode(0x73, &extension.concat())));
        self
    }

    /// The body of a certificate.
    pub fn certificate(
        authority: &[u8],
        public_key: &[u8],
        holder: &[u8],
        rights: &Rights,
    ) -> Self {
        let authorization = [tlv::encode(0x06, &ROLE), tlv::encode(0x53, &[rights.role as u8])];
        let mut objects = Self::common(Some(authority), public_key, holder);
        objects.push(tlv::encode(0x7F4C, &authorization.concat()));
        objects.push(tlv::encode(0x5F25, &rights.from));
        objects.push(tlv::encode(0x5F24, &rights.to));
        Self(objects.concat())
    }

    fn common(authority: Option<&[u8]>, public_key: &[u8], holder: &[u8]) -> Vec<Vec<u8>> {
        let mut objects = Vec::from([tlv::encode(0x5F29, &[0x00])]);
        objects.extend(authority.map(|authority| tlv::encode(0x42, authority)));
        objects.push(public_key.to_vec());
        objects.push(tlv::encode(0x5F20, holder));
        objects
    }

    /// The 7F21 object, with the signature that `sign` makes of the bytes it is given.
    ///
    /// # Errors
    /// Those of `sign`.
    pub fn signed<E>(self, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        let body = tlv::encode(0x7F4E, &self.0);
        let signature = tlv::encode(0x5F37, &sign(&body)?);
        Ok(tlv::encode(0x7F21, &[body, signature].concat()))
    }
}

/// An authenticated request: a request that a second key has signed as well. `authority` is the
/// name (CAR) of that key's holder, `sign` its signature of the bytes it is given.
///
/// # Errors
/// Those of `sign`.
pub fn authenticated<E>(
    request: Vec<u8>,
    authority: &[u8],
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let content = [request, tlv::encode(0x42, authority)].concat();
    let signature = tlv::encode(0x5F37, &sign(&content)?);
    Ok(tlv::encode(0x67, &[content, signature].concat()))
}

/// What the holder of a certificate is, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// What the holder is.
    pub role: Role,
    /// First day, one decimal digit a byte: YYMMDD.
    pub from: [u8; 6],
    /// Last day.
    pub to: [u8; 6],
}

/// The authorization byte of a SmartCard-HSM's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// SRCA, which issues certificates to issuers.
    Root = 0xC0,
    /// DICA, which issues certificates to devices.
    Issuer = 0x80,
    /// A SmartCard-HSM.
    Device = 0x00,
}

impl Role {
    /// The role in the 7F4C among the objects of a body.
    fn of(body: &[Object<'_>]) -> Option<Self> {
        let authorization = tlv::parse(tlv::find(body, 0x7F4C)?).ok()?;
        let [role] = *tlv::find(&authorization, 0x53)? else { return None };
        let roles = [Self::Root, Self::Issuer, Self::Device];
        let ours = tlv::find(&authorization, 0x06)? == ROLE;
        roles.into_iter().find(|known| ours && *known as u8 == role)
    }

    /// The role that a holder of this one may issue certificates for; none for a device.
    #[must_use]
    pub fn issues(self) -> Option<Self> {
        match self {
            Self::Root => Some(Self::Issuer),
            Self::Issuer => Some(Self::Device),
            Self::Device => None,
        }
    }
}

/// The 7F49 object of a public key; `algorithm` is the object identifier that the key is certified
/// for. EC keys come with all domain parameters.
pub fn public_key(algorithm: &[u8], key: &PublicKey) -> Vec<u8> {
    let mut objects = Vec::from([tlv::encode(0x06, algorithm)]);
    match key {
        PublicKey::Rsa { modulus, exponent } => {
            objects.push(tlv::encode(0x81, modulus));
            objects.push(tlv::encode(0x82, exponent));
        }
        PublicKey::Ec { curve, point } => {
            let parameters = curve.parameters();
            objects.push(tlv::encode(0x81, &parameters.p));
            objects.push(tlv::encode(0x82, &parameters.a));
            objects.push(tlv::encode(0x83, &parameters.b));
            objects.push(tlv::encode(0x84, &parameters.g));
            objects.push(tlv::encode(0x85, &parameters.n));
            objects.push(tlv::encode(0x86, point));
            objects.push(tlv::encode(0x87, &[0x01]));
        }
    }
    tlv::encode(0x7F49, &objects.concat())
}

/// The 7F49 object of an EC key that is on its issuer's curve.
pub fn inherited_public_key(algorithm: &[u8], point: &[u8]) -> Vec<u8> {
    let objects = [tlv::encode(0x06, algorithm), tlv::encode(0x86, point)];
    tlv::encode(0x7F49, &objects.concat())
}

/// A certificate, taken apart as far as it is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    body: &'a [u8],
    authority: &'a [u8],
    holder: &'a [u8],
    public_key: &'a [u8],
    point: &'a [u8],
    role: Option<Role>,
    from: [u8; 6],
    to: [u8; 6],
    signature: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Splits `bytes` into the first certificate and the rest; none if it is not one with an EC
    /// key, both names, and a validity of six decimal digits each.
    #[must_use]
    pub fn take(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (certificate, rest) = tlv::take(bytes).ok()?;
        Some((Self::of_content(&content(certificate, 0x7F21)?)?, rest))
    }

    /// The certificate of which these are the objects in 7F21.
    pub fn of_content(parts: &[Object<'a>]) -> Option<Self> {
        let body = *parts.iter().find(|object| object.tag == 0x7F4E)?;
        let objects = content(body, 0x7F4E)?;
        let public_key = tlv::find(&objects, 0x7F49)?;
        Some(Self {
            body: body.encoded,
            authority: tlv::find(&objects, 0x42)?,
            holder: tlv::find(&objects, 0x5F20)?,
            public_key,
            point: tlv::find(&tlv::parse(public_key).ok()?, 0x86)?,
            role: Role::of(&objects),
            from: date(&objects, 0x5F25)?,
            to: date(&objects, 0x5F24)?,
            signature: tlv::find(parts, 0x5F37)?,
        })
    }

    /// Who issued it (CAR), in characters.
    #[must_use]
    pub fn authority(&self) -> &'a [u8] {
        self.authority
    }

    /// Whose key it certifies (CHR), in characters.
    #[must_use]
    pub fn holder(&self) -> &'a [u8] {
        self.holder
    }

    /// The certified key, `04` ‖ x ‖ y.
    #[must_use]
    pub fn point(&self) -> &'a [u8] {
        self.point
    }

    /// First and last day, one decimal digit a byte: YYMMDD.
    #[must_use]
    pub fn validity(&self) -> ([u8; 6], [u8; 6]) {
        (self.from, self.to)
    }

    /// What its holder is in the world of SmartCard-HSMs; none if nothing of that.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.role
    }

    /// The content of its 7F49, which [`VerificationKey::parse`] takes.
    pub fn public_key(&self) -> &'a [u8] {
        self.public_key
    }

    /// Whether that key made the signature.
    pub fn is_signed_by(&self, key: &VerificationKey) -> bool {
        key.made(self.signature, self.body)
    }
}

/// The objects in `object` if it has the tag.
fn content(object: Object<'_>, tag: u16) -> Option<Vec<Object<'_>>> {
    if object.tag == tag { tlv::parse(object.value).ok() } else { None }
}

fn date(objects: &[Object<'_>], tag: u16) -> Option<[u8; 6]> {
    let date = <[u8; 6]>::try_from(tlv::find(objects, tag)?).ok()?;
    date.iter().all(|digit| *digit <= 9).then_some(date)
}
