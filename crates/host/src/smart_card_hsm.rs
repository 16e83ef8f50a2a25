//! A session with the SmartCard-HSM's applet: what the card can do, a method for each.
//!
//! Keys have a number from 1 to 255, as P1 of the commands has it; 0 is the device key. Methods
//! that use, make or change keys or write files need a login: without it the card returns `6982`,
//! which is [`HostError::Refused`].

mod device;
mod files;
mod key_domains;
mod keys;
mod objects;
mod pin;
mod public_key_authentication;
mod quota;

pub use device::{DeviceInitialisation, DeviceStatus, FirmwareVersion};
pub use files::FileInformation;
pub use key_domains::{KeyDomainStatus, membership_message};
pub use keys::{CipherAlgorithm, DecipherAlgorithm, KeyInformation, KeyTemplate, SignAlgorithm};
pub use objects::{CaCertificate, KeyObject};
pub use pin::{PinReference, PinStatus};
pub use public_key_authentication::{PublicKeyAuthenticationStatus, RegisteredKey};

use crate::certificates::VerifiedDevice;
use crate::command;
use crate::error::HostError;
use crate::secure_channel::SecureMessaging;
use crate::transport::{SELECT_APPLET, Transport, TransportError};
use vschsm_protocol::apdu::Status;
use vschsm_protocol::instruction::{self, APPLET};
use vschsm_protocol::tlv;

/// A SmartCard-HSM whose applet is selected.
///
/// It is a [`Transport`] itself, for commands that no method sends, and for whatever works on any
/// transport. What goes by it is protected while there is a [secure
/// channel](Self::open_secure_channel).
#[derive(Debug)]
pub struct SmartCardHsm<T> {
    transport: T,
    channel: Option<SecureMessaging>,
    version: Option<FirmwareVersion>,
}

impl<T: Transport> SmartCardHsm<T> {
    /// Selects the applet of a card, which ends all logins.
    ///
    /// # Errors
    /// If the card does not respond, or has no such applet.
    pub fn select(mut transport: T) -> Result<Self, HostError> {
        let response = transport.transmit(SELECT_APPLET)?;
        let version = selected(&response)?;
        Ok(Self { transport, channel: None, version: Some(version) })
    }

    /// Takes over a session with a card whose applet is selected: nothing is sent, and logins stay.
    pub fn attach(transport: T) -> Self {
        Self { transport, channel: None, version: None }
    }

    /// Selects the applet anew, which ends all logins and the secure channel.
    ///
    /// # Errors
    /// If the card does not respond, or does not select it.
    pub fn reselect(&mut self) -> Result<(), HostError> {
        self.channel = None;
        let response = self.transport.transmit(SELECT_APPLET)?;
        self.version = Some(selected(&response)?);
        Ok(())
    }

    /// The version of the firmware, which SELECT has told. After [`attach`](Self::attach) the card
    /// is asked, which has a response from firmware 2.4 on.
    ///
    /// # Errors
    /// If the card has none.
    pub fn version(&mut self) -> Result<FirmwareVersion, HostError> {
        if let Some(version) = self.version {
            return Ok(version);
        }
        let version = self.device_status()?.version;
        self.version = Some(version);
        Ok(version)
    }

    /// The way to the card.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Gives the way to the card back. The applet stays selected, and whoever is logged in too.
    #[must_use]
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// Verifies the card's certificates up to a trusted root, has the card show that it has the
    /// device key, and protects all commands from here on: with AES-128, or with 3DES if the card
    /// has no other.
    ///
    /// # Errors
    /// If the certificates are not verified, or the card does not have the key of its certificate.
    pub fn open_secure_channel(&mut self) -> Result<(), HostError> {
        let device = self.device()?;
        self.open_secure_channel_with(device)
    }

    /// The same with a device whose certificates were verified before.
    ///
    /// # Errors
    /// If the card refuses, or is another device.
    pub fn open_secure_channel_with(&mut self, device: VerifiedDevice) -> Result<(), HostError> {
        self.channel = Some(SecureMessaging::open(device, &mut self.transport)?);
        Ok(())
    }

    /// Sends commands in plain from here on. The card ends the channel, and the login made in it,
    /// at the first of these.
    pub fn close_secure_channel(&mut self) {
        self.channel = None;
    }

    /// The secure channel, if there is one.
    #[must_use]
    pub fn secure_channel(&self) -> Option<&SecureMessaging> {
        self.channel.as_ref()
    }

    /// Sends a command, and returns its status word and the data of its response.
    ///
    /// # Errors
    /// If there is no response. A status word that is not `9000` is a response.
    pub fn send(&mut self, command: &[u8]) -> Result<(Status, Vec<u8>), HostError> {
        let mut response = self.transmit(command)?;
        let length = response.len().checked_sub(2);
        let length = length.ok_or(HostError::Malformed { command: name(command) })?;
        let status = response.split_off(length);
        let status = status.as_slice().try_into().map(u16::from_be_bytes).unwrap_or_default();
        Ok((Status(status), response))
    }

    /// Sends a command that must succeed, and returns the data of its response.
    ///
    /// # Errors
    /// If there is no response, or a status word that is not `9000`.
    pub fn ask(&mut self, command: &[u8]) -> Result<Vec<u8>, HostError> {
        match self.send(command)? {
            (Status::OK, data) => Ok(data),
            (status, _) => Err(HostError::Refused { command: name(command), status }),
        }
    }

    /// Random bytes from the card, 1 to 1,024 of them: GET CHALLENGE.
    ///
    /// # Errors
    /// If the card refuses.
    pub fn random(&mut self, length: u16) -> Result<Vec<u8>, HostError> {
        self.ask(&command::get_challenge(length))
    }
}

impl<T: Transport> Transport for SmartCardHsm<T> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        match &mut self.channel {
            None => self.transport.transmit(command),
            Some(channel) => {
                channel.transmit(&mut self.transport, command).map_err(|error| match error {
                    HostError::Transport(error) => error,
                    error => TransportError::failed(error),
                })
            }
        }
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.channel.iter_mut().for_each(SecureMessaging::card_was_reset);
        self.transport.reset()
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.channel.iter_mut().for_each(SecureMessaging::applet_was_selected);
        self.transport.begin()
    }
}

/// The version in the response to SELECT of the applet.
fn selected(response: &[u8]) -> Result<FirmwareVersion, HostError> {
    match response.split_last_chunk() {
        Some((information, [0x90, 0x00])) => {
            let proprietary = tlv::at(information, &[0x6F, 0x85]).and_then(<[u8]>::last_chunk);
            let [major, minor] = proprietary.copied().unwrap_or_default();
            Ok(FirmwareVersion { major, minor })
        }
        Some((_, status)) => {
            Err(TransportError::NotSelected(Status(u16::from_be_bytes(*status))).into())
        }
        None => Err(HostError::Malformed { command: "SELECT" }),
    }
}

/// The name of a command of the applet.
fn name(command: &[u8]) -> &'static str {
    let name = match command {
        [_, ins, _, p2, ..] => instruction::name(APPLET, *ins, *p2),
        _ => None,
    };
    name.unwrap_or("the command")
}
