//! The device: its certificates, its firmware, and its initialisation.

use super::SmartCardHsm;
use crate::certificates::{VerifiedDevice, Verifier};
use crate::command;
use crate::error::HostError;
use crate::secret::Secret;
use crate::transport::Transport;
use std::fmt;
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::tlv::{self, encode};
use zeroize::Zeroizing;

/// EF of the device's certificate and those of its issuers.
pub(crate) const DEVICE_CERTIFICATES: u16 = 0x2F02;

/// EF of the trusted configuration, of which the first object is a URL.
const TRUSTED_CONFIGURATION: u16 = 0xCB00;

/// Major and minor number of the firmware, as in `3.4`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FirmwareVersion {
    /// The number before the point.
    pub major: u8,
    /// The number after it.
    pub minor: u8,
}

impl fmt::Display for FirmwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What INITIALIZE DEVICE without data says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceStatus {
    /// Free memory in bytes.
    pub free_memory: u32,
    /// The version of the firmware.
    pub version: FirmwareVersion,
}

/// What INITIALIZE DEVICE sets. It erases all keys and files but the device key and certificates.
#[derive(Clone, Debug)]
pub struct DeviceInitialisation {
    /// The options, 2 bytes: `0001` lets the SO-PIN unblock the user PIN.
    pub options: u16,
    /// The user PIN, 6 to 16 bytes; `None` where only public keys authenticate the user.
    pub pin: Option<Secret>,
    /// The SO-PIN: set at the first initialisation, compared at all others.
    pub so_pin: Secret<[u8; 8]>,
    /// Tries of the user PIN: up to 3 for one of 6 bytes, 5 for 7 bytes, 10 for longer ones.
    pub tries: u8,
    /// How many shares the DKEK has; with 0 the card makes a random DKEK; without it there is none.
    pub dkek_shares: Option<u8>,
    /// Slots for key domains, from firmware 3.0 on, in the place of one DKEK.
    pub key_domains: Option<u8>,
    /// How many public keys there are to authenticate the user, 1 to 90, and how many of them are
    /// required.
    pub public_keys: Option<(u8, u8)>,
}

/// Option `0001`, 3 tries, no DKEK; PIN and SO-PIN are to be set.
impl Default for DeviceInitialisation {
    fn default() -> Self {
        Self {
            options: 0x0001,
            pin: None,
            so_pin: Secret::new([0; 8]),
            tries: 3,
            dkek_shares: None,
            key_domains: None,
            public_keys: None,
        }
    }
}

impl DeviceInitialisation {
    /// The command APDU.
    #[must_use]
    pub fn command(&self) -> Zeroizing<Vec<u8>> {
        // All of it at once: what grows leaves copies behind.
        let mut data = Zeroizing::new(Vec::with_capacity(64));
        data.extend(encode(0x80, &self.options.to_be_bytes()));
        if let Some(pin) = &self.pin {
            data.extend(&*Zeroizing::new(encode(0x81, pin.as_bytes())));
        }
        data.extend(&*Zeroizing::new(encode(0x82, &*self.so_pin)));
        data.extend(encode(0x91, &[self.tries]));
        data.extend(self.dkek_shares.map(|shares| encode(0x92, &[shares])).unwrap_or_default());
        data.extend(self.public_keys.map(|(all, of)| encode(0x93, &[all, of])).unwrap_or_default());
        data.extend(self.key_domains.map(|slots| encode(0x97, &[slots])).unwrap_or_default());
        Zeroizing::new(command::without_le([0x80, 0x50, 0x00, 0x00], &data))
    }
}

impl<T: Transport> SmartCardHsm<T> {
    /// Erases the card and sets its PINs and options; the user is logged in then.
    ///
    /// # Errors
    /// `6985` if the SO-PIN is wrong, `6A80` if the PIN is too short for its number of tries.
    pub fn initialise(&mut self, settings: &DeviceInitialisation) -> Result<(), HostError> {
        self.ask(&settings.command()).map(drop)
    }

    /// Free memory and firmware, from firmware 2.4 on.
    ///
    /// # Errors
    /// If the firmware does not have it.
    pub fn device_status(&mut self) -> Result<DeviceStatus, HostError> {
        let malformed = HostError::Malformed { command: "INITIALIZE DEVICE" };
        let status = self.ask(&[0x80, 0x50, 0x00, 0x00, 0x00])?;
        let (memory, rest) = status.split_first_chunk().ok_or(malformed)?;
        let [major, minor] = rest.last_chunk().copied().unwrap_or_default();
        let version = FirmwareVersion { major, minor };
        Ok(DeviceStatus { free_memory: u32::from_be_bytes(*memory), version })
    }

    /// The device's certificate and those of its issuers, one after the other: EF 2F02.
    ///
    /// # Errors
    /// If the card refuses.
    pub fn device_certificates(&mut self) -> Result<Vec<u8>, HostError> {
        self.read_file(DEVICE_CERTIFICATES)
    }

    /// The device, once its certificates are verified up to a trusted root. Anybody can copy
    /// certificates: only [`open_secure_channel`](Self::open_secure_channel) shows that the card
    /// has the device key.
    ///
    /// # Errors
    /// [`HostError::Certificate`].
    pub fn device(&mut self) -> Result<VerifiedDevice, HostError> {
        let certificates = self.device_certificates()?;
        Ok(Verifier::default().device(&certificates)?)
    }

    /// The holder reference (CHR) of the device's certificate, not verified: the serial number, and
    /// five digits.
    ///
    /// # Errors
    /// If there is no certificate.
    pub fn device_reference(&mut self) -> Result<Vec<u8>, HostError> {
        let certificates = self.device_certificates()?;
        let (device, _) = Certificate::take(&certificates)
            .ok_or(HostError::Unsupported("the card has no device certificate"))?;
        Ok(device.holder().to_vec())
    }

    /// The names of root, issuer and device, verified, in one string: `/root/issuer/device`, each
    /// without its five digits.
    ///
    /// # Errors
    /// [`HostError::Certificate`].
    pub fn device_path(&mut self) -> Result<String, HostError> {
        let certificates = self.device_certificates()?;
        let device = Verifier::default().device(&certificates)?;
        let chain = tlv::parse(&certificates).unwrap_or_default();
        let holders = chain.iter().rev().filter_map(|object| {
            Certificate::take(object.encoded).map(|(certificate, _)| certificate.holder())
        });
        let names = [device.root()].into_iter().chain(holders).map(|reference| {
            let name = reference.get(..reference.len().saturating_sub(5)).unwrap_or_default();
            format!("/{}", name.escape_ascii())
        });
        Ok(names.collect())
    }

    /// The URL of the service that the card was provisioned by, in EF CB00.
    ///
    /// # Errors
    /// `6A82` if there is none.
    pub fn provisioning_url(&mut self) -> Result<String, HostError> {
        let content = self.read_file(TRUSTED_CONFIGURATION)?;
        let first = tlv::take(&content).ok().and_then(|(object, _)| tlv::parse(object.value).ok());
        let url = first.as_deref().and_then(<[_]>::first).map(|object| object.value);
        url.and_then(|url| String::from_utf8(url.to_vec()).ok())
            .ok_or(HostError::Malformed { command: "READ BINARY" })
    }
}
