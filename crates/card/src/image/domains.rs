//! Key domains, as an image has them.

use super::format::{HexBytes, ImageError, bytes, invalid};
use crate::hex::Hex;
use crate::state::{KekSource, KeyDomain};
use serde::{Deserialize, Serialize};
use vschsm_protocol::crypto::curve::Curve;
use vschsm_protocol::key_blob::KeyEncryptionKey;

/// A domain of shares, or one for key exchange.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum DomainImage {
    #[serde(rename_all = "kebab-case")]
    Shares { shares: u8, missing: u8, sum_of_shares: Option<HexBytes> },
    #[serde(rename_all = "kebab-case")]
    Exchange { uid: HexBytes, agreed_key: Option<HexBytes> },
}

impl DomainImage {
    pub(super) fn of(domain: &KeyDomain) -> Self {
        let kek = domain.unfinished_kek().map(|kek| bytes(kek.bytes()));
        match domain.kek_source() {
            KekSource::Shares { number, missing } => {
                Self::Shares { shares: *number, missing: *missing, sum_of_shares: kek }
            }
            KekSource::Exchange { uid } => Self::Exchange { uid: bytes(uid), agreed_key: kek },
        }
    }

    pub(super) fn domain(self) -> Result<KeyDomain, ImageError> {
        let bad = || invalid("a key domain has more shares missing than it has, or a wrong key");
        self.restored().ok_or_else(bad)
    }

    fn restored(self) -> Option<KeyDomain> {
        let (source, kek) = match self {
            Self::Shares { shares: number, missing, sum_of_shares } => {
                (KekSource::Shares { number, missing }, sum_of_shares)
            }
            Self::Exchange { uid: Hex(uid), .. } if uid.len() > Curve::LONGEST_POINT => {
                return None;
            }
            Self::Exchange { uid: Hex(uid), agreed_key } => {
                (KekSource::Exchange { uid: uid.to_vec() }, agreed_key)
            }
        };
        let kek = kek.map(|Hex(kek)| kek.as_slice().try_into().map(KeyEncryptionKey::new));
        KeyDomain::restored(source, kek.transpose().ok()?)
    }
}
