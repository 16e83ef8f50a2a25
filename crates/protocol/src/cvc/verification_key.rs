//! Public keys that signatures of certificates and requests are verified with.

use crate::algorithm::Algorithm;
use crate::crypto::curve::{Curve, CurveParameters};
use crate::crypto::ec;
use crate::crypto::hash::Hash;
use crate::crypto::key_material::KeyType;
use crate::tlv;
use alloc::vec::Vec;

/// An elliptic curve key, and the hash that it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationKey {
    curve: Curve,
    point: Vec<u8>,
    hash: Hash,
}

impl VerificationKey {
    /// The key of a 7F49's content; if it has no domain parameters, on `inherited`, the curve of
    /// the issuer's key.
    ///
    /// None if it is not an EC key for ECDSA, has no curve, or a point that is not on it. Infinity
    /// is refused as well, and so are coordinates that are not below the prime: one point would
    /// have two names.
    #[must_use]
    pub fn parse(content: &[u8], inherited: Option<&Curve>) -> Option<Self> {
        let objects = tlv::parse(content).ok()?;
        let find = |tag| tlv::find(&objects, tag);
        let curve = match find(0x81) {
            None => inherited?.clone(),
            Some(p) => {
                let [a, b, g, n] = [find(0x82)?, find(0x83)?, find(0x84)?, find(0x85)?];
                Curve::from_parameters(CurveParameters::new(p, a, b, g, n)?)?
            }
        };
        let algorithm = Algorithm::from_oid(find(0x06)?)?;
        let hash = algorithm.hash.filter(|_| algorithm.key == Some(KeyType::Ec))?;
        let point = find(0x86).filter(|point| curve.has_point(point))?.to_vec();
        Some(Self { curve, point, hash })
    }

    /// The key of `point`, `04` ‖ x ‖ y, on the curve of device keys; it signs with SHA-256.
    pub fn on_device_curve(point: Vec<u8>) -> Self {
        Self { curve: Curve::of_device_keys(), point, hash: Hash::Sha256 }
    }

    /// Whether its private half is that of `other`, whatever hash either signs: the same point of
    /// the same curve.
    pub fn is_same_pair(&self, other: &Self) -> bool {
        self.point == other.point && self.curve.is_same_but_for_base(&other.curve)
    }

    /// The curve.
    pub fn curve(&self) -> &Curve {
        &self.curve
    }

    /// The point: `04`, x, y.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// x and y of the point.
    pub fn coordinates(&self) -> (&[u8], &[u8]) {
        let (_, coordinates) = self.point.split_first().unwrap_or((&0, &[]));
        coordinates.split_at(coordinates.len() / 2)
    }

    /// Whether `signature`, r ‖ s, is this key's of `message` with the hash that it signs.
    pub fn made(&self, signature: &[u8], message: &[u8]) -> bool {
        self.made_with(self.hash, signature, message)
    }

    /// The same with another hash.
    pub fn made_with(&self, hash: Hash, signature: &[u8], message: &[u8]) -> bool {
        ec::verify(&self.curve, &self.point, &hash.digest(message), signature)
    }

    /// Whether `signature`, r ‖ s or a SEQUENCE of both, is what SIGN makes with this key of
    /// `message` by ECDSA with SHA-256.
    pub fn signed(&self, signature: &[u8], message: &[u8]) -> bool {
        let raw = ec::signature_from_der(signature, self.curve.order_len());
        self.made_with(Hash::Sha256, raw.as_deref().unwrap_or(signature), message)
    }
}
