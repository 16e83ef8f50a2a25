//! Keys and their attributes, as an image has them.

use super::format::{HexBytes, ImageError, bytes};
use super::quota::QuotaImage;
use crate::state::{Key, KeyAttributes, KeyId, Keys};
use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Serialize};
use vschsm_protocol::crypto::aes::AesKey;
use vschsm_protocol::crypto::curve::{Curve, CurveParameters};
use vschsm_protocol::crypto::ec::EcKey;
use vschsm_protocol::crypto::key_material::KeyMaterial;
use vschsm_protocol::crypto::rsa::RsaKey;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct KeyImage {
    id: u8,
    private: PrivateKeyImage,
    uses: Option<u32>,
    algorithms: HexBytes,
    domain: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wrapping_key: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quota: Option<QuotaImage>,
    /// The same number for all keys that share a use counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counter: Option<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PrivateKeyImage {
    Rsa { p: HexBytes, q: HexBytes, exponent: u64 },
    Ec { curve: CurveImage, scalar: HexBytes },
    Aes { key: HexBytes },
}

/// A curve by its name, or by its parameters if it has none.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum CurveImage {
    Named(String),
    Explicit { p: HexBytes, a: HexBytes, b: HexBytes, g: HexBytes, n: HexBytes },
}

impl KeyImage {
    pub(super) fn of(id: KeyId, key: &Key) -> Self {
        let (secret, attributes) = key.parts();
        let private = match secret {
            KeyMaterial::Rsa(key) => {
                let (p, q) = key.primes();
                PrivateKeyImage::Rsa { p: bytes(p), q: bytes(q), exponent: key.exponent() }
            }
            KeyMaterial::Ec(key) => PrivateKeyImage::Ec {
                curve: CurveImage::of(key.curve()),
                scalar: bytes(key.scalar()),
            },
            KeyMaterial::Aes(key) => PrivateKeyImage::Aes { key: bytes(key.bytes()) },
        };
        Self {
            id: id.number(),
            private,
            uses: attributes.uses,
            algorithms: bytes(&attributes.algorithms),
            domain: attributes.domain,
            wrapping_key: attributes.wrapping_key.map(KeyId::number),
            quota: attributes.quota.as_ref().map(QuotaImage::of),
            counter: attributes.counter,
        }
    }

    /// The key; on a curve of one of `others`, it shares that.
    pub(super) fn key(self, others: &Keys) -> Result<(KeyId, Key), ImageError> {
        let bad = || ImageError::Invalid(format!("key {} is malformed", self.id));
        let private = match &self.private {
            PrivateKeyImage::Rsa { p, q, exponent } => {
                KeyMaterial::Rsa(RsaKey::from_primes(&p.0, &q.0, *exponent).ok_or_else(bad)?)
            }
            PrivateKeyImage::Ec { curve, scalar } => {
                let curve = curve.curve(others).ok_or_else(bad)?;
                KeyMaterial::Ec(EcKey::from_scalar(&curve, &scalar.0).ok_or_else(bad)?)
            }
            PrivateKeyImage::Aes { key } => {
                KeyMaterial::Aes(AesKey::from_bytes(&key.0).ok_or_else(bad)?)
            }
        };
        let id = KeyId::try_from(self.id).map_err(|_| bad())?;
        let algorithms = self.algorithms.0.to_vec();
        let quota = self.quota.map(QuotaImage::quota).transpose()?;
        let wrapping_key = self.wrapping_key.map(KeyId::try_from).transpose();
        let wrapping_key = wrapping_key.map_err(|_| bad())?;
        let Self { uses, domain, counter, .. } = self;
        if algorithms.len() > KeyAttributes::LONGEST_LIST || counter.is_some() && uses.is_none() {
            return Err(bad());
        }
        let attributes = KeyAttributes { uses, counter, algorithms, domain, wrapping_key, quota };
        Ok((id, Key::new(private, attributes)))
    }
}

impl CurveImage {
    pub(super) fn of(curve: &Curve) -> Self {
        let CurveParameters { p, a, b, g, n } = curve.parameters();
        match curve.name() {
            Some(name) => Self::Named(name.into()),
            None => {
                Self::Explicit { p: bytes(p), a: bytes(a), b: bytes(b), g: bytes(g), n: bytes(n) }
            }
        }
    }

    pub(super) fn curve(&self, keys: &Keys) -> Option<Curve> {
        match self {
            Self::Named(name) => Curve::from_name(name),
            Self::Explicit { p, a, b, g, n } => {
                keys.curve(CurveParameters::new(&p.0, &a.0, &b.0, &g.0, &n.0)?)
            }
        }
    }
}
