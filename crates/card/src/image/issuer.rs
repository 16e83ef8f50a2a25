//! What the card manager keeps, as an image has it.

use super::format::{HexBytes, ImageError, bytes, invalid};
use crate::hex::Hex;
use crate::profile::printable;
use crate::state::{DeviceKey, PreviousFirmware};
use alloc::string::String;
use serde::{Deserialize, Serialize};
use vschsm_protocol::scp02::IssuerKeys;
use zeroize::Zeroizing;

/// The issuer's keys, and how often they have opened a channel.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct IssuerKeysImage {
    version: u8,
    /// For encryption, MAC and data encryption.
    keys: [HexBytes; 3],
    sequence: u16,
}

/// The card before an update.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PreviousFirmwareImage {
    firmware: String,
    certificate: HexBytes,
}

impl IssuerKeysImage {
    pub(super) fn of(keys: &IssuerKeys) -> Self {
        Self {
            version: keys.version(),
            keys: keys.keys().each_ref().map(|key| bytes(key)),
            sequence: keys.sequence(),
        }
    }

    /// None for those of delivery that have opened no channel.
    pub(super) fn unless_delivered(keys: &IssuerKeys, device: &DeviceKey) -> Option<Self> {
        (*keys != IssuerKeys::of_delivery(device.serial())).then(|| Self::of(keys))
    }

    pub(super) fn keys(self) -> Result<IssuerKeys, ImageError> {
        self.restored().ok_or_else(|| invalid("the issuer's keys are malformed"))
    }

    fn restored(self) -> Option<IssuerKeys> {
        let mut keys = Zeroizing::new([[0; 16]; 3]);
        for (place, Hex(key)) in keys.iter_mut().zip(&self.keys) {
            *place = key.as_slice().try_into().ok()?;
        }
        IssuerKeys::restored(self.version, &keys, self.sequence)
    }
}

impl PreviousFirmwareImage {
    pub(super) fn of(previous: &PreviousFirmware) -> Self {
        Self { firmware: previous.firmware.clone(), certificate: bytes(&previous.certificate) }
    }

    pub(super) fn previous(self) -> PreviousFirmware {
        // A firmware's name could have any characters once.
        PreviousFirmware {
            firmware: printable(&self.firmware),
            certificate: self.certificate.0.to_vec(),
        }
    }
}
