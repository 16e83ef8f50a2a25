//! Keys that authenticate the user, as an image has them.

use super::format::{HexBytes, ImageError, bytes, invalid};
use crate::state::{AuthenticationKey, AuthenticationKeys, File};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Keys and their slots, or what images had before version 4: how many there could be, and how many
/// were required. No key had ever been registered.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum AuthenticationKeysImage {
    #[serde(rename_all = "kebab-case")]
    Slots {
        required: u8,
        slots: Vec<Option<AuthenticationKeyImage>>,
    },
    Numbers(u8, u8),
}

/// One of them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AuthenticationKeyImage {
    holder: HexBytes,
    public_key: HexBytes,
}

impl AuthenticationKeysImage {
    pub(super) fn of(keys: &AuthenticationKeys) -> Self {
        let slots = keys.slots().iter();
        let slots = slots.map(|slot| slot.as_ref().map(AuthenticationKeyImage::of)).collect();
        Self::Slots { required: keys.required(), slots }
    }

    pub(super) fn keys(self) -> Result<AuthenticationKeys, ImageError> {
        let bad = || invalid("the keys for authentication are no keys, or not so many as required");
        match self {
            Self::Numbers(number, required) => AuthenticationKeys::new(number, required),
            Self::Slots { required, slots } => {
                let key = |image: AuthenticationKeyImage| image.key().ok_or_else(bad);
                let slots = slots.into_iter().map(|slot| slot.map(key).transpose());
                AuthenticationKeys::restored(required, slots.collect::<Result<_, _>>()?)
            }
        }
        .ok_or_else(bad)
    }
}

impl AuthenticationKeyImage {
    pub(super) fn of(key: &AuthenticationKey) -> Self {
        Self { holder: bytes(key.holder()), public_key: bytes(key.public_key()) }
    }

    pub(super) fn key(&self) -> Option<AuthenticationKey> {
        let (holder, public_key) = (&self.holder.0, &self.public_key.0);
        let can_be_told = holder.len() <= File::LONGEST;
        AuthenticationKey::new(holder, public_key).filter(|_| can_be_told)
    }
}
