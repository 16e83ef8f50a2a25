//! What INITIALIZE DEVICE has configured, as a record has it.

use super::authentication_keys::AuthenticationKeysImage;
use super::format::{HexBytes, ImageError, bytes, invalid};
use crate::state::{Configuration, Options};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ConfigurationImage {
    pub(super) options: HexBytes,
    pub(super) authentication_keys: Option<AuthenticationKeysImage>,
}

impl ConfigurationImage {
    pub(super) fn of(configuration: &Configuration) -> Self {
        let keys = configuration.authentication_keys.as_ref();
        Self {
            options: bytes(&configuration.options.0.to_be_bytes()),
            authentication_keys: keys.map(AuthenticationKeysImage::of),
        }
    }

    pub(super) fn configuration(self) -> Result<Configuration, ImageError> {
        let options = self.options.0.as_slice().try_into();
        let options = options.map_err(|_| invalid("the options are not two bytes"))?;
        let keys = self.authentication_keys.map(AuthenticationKeysImage::keys);
        Ok(Configuration {
            options: Options(u16::from_be_bytes(options)),
            authentication_keys: keys.transpose()?,
        })
    }
}
