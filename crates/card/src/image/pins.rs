//! PINs and their retry counters, as an image has them.

use super::format::{HexBytes, ImageError, bytes};
use crate::hex::Hex;
use crate::state::{Pin, Pins};
use alloc::format;
use serde::{Deserialize, Serialize};

/// Both PINs.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PinsImage {
    pub(super) user_pin: Option<PinImage>,
    pub(super) initialisation_code: Option<PinImage>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PinImage {
    value: HexBytes,
    limit: u8,
    tries: u8,
}

impl PinsImage {
    pub(super) fn of(pins: &Pins) -> Self {
        Self {
            user_pin: pins.user.as_ref().map(PinImage::of),
            initialisation_code: pins.so_pin.as_ref().map(PinImage::of),
        }
    }

    pub(super) fn pins(self) -> Result<Pins, ImageError> {
        Ok(Pins {
            user: self.user_pin.map(PinImage::pin).transpose()?,
            so_pin: self.initialisation_code.map(PinImage::pin).transpose()?,
        })
    }
}

impl PinImage {
    fn of(pin: &Pin) -> Self {
        Self { value: bytes(pin.value()), limit: pin.limit(), tries: pin.tries() }
    }

    fn pin(self) -> Result<Pin, ImageError> {
        let Self { value: Hex(value), limit, tries } = self;
        if !(1..=15).contains(&limit) || tries > limit {
            return Err(ImageError::Invalid(format!("a PIN has {tries} of {limit} tries left")));
        }
        Ok(Pin::restored(&value, limit, tries))
    }
}
