//! Quotas of keys.

use super::authentication_keys::AuthenticationKeyImage;
use super::format::{HexBytes, ImageError, bytes, invalid};
use crate::state::{KeyId, Quota};
use serde::{Deserialize, Serialize};

/// A quota of the key's own, or that of another one.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum QuotaImage {
    #[serde(rename_all = "kebab-case")]
    Own {
        identifier: HexBytes,
        refills: u32,
        refill_key: AuthenticationKeyImage,
    },
    Shared {
        master: u8,
        identifier: HexBytes,
    },
}

impl QuotaImage {
    pub(super) fn of(quota: &Quota) -> Self {
        match quota {
            Quota::Own { identifier, refills, refill_key } => Self::Own {
                identifier: bytes(identifier),
                refills: *refills,
                refill_key: AuthenticationKeyImage::of(refill_key),
            },
            Quota::Shared { master, identifier } => {
                Self::Shared { master: master.number(), identifier: bytes(identifier) }
            }
        }
    }

    pub(super) fn quota(self) -> Result<Quota, ImageError> {
        let bad = || invalid("the quota of a key has no refill key, or a wrong identifier");
        let eight = |identifier: HexBytes| identifier.0.as_slice().try_into().map_err(|_| bad());
        Ok(match self {
            Self::Own { identifier, refills, refill_key } => Quota::Own {
                identifier: eight(identifier)?,
                refills,
                refill_key: refill_key.key().ok_or_else(bad)?,
            },
            Self::Shared { master, identifier } => Quota::Shared {
                master: KeyId::try_from(master).map_err(|_| bad())?,
                identifier: eight(identifier)?,
            },
        })
    }
}
