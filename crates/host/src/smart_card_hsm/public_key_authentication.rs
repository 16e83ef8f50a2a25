//! Public key authentication: keys on other cards log the user in, n of m of them.

use super::{SignAlgorithm, SmartCardHsm};
use crate::command;
use crate::error::HostError;
use crate::public_key_authentication::{CustodianKey, raw_signature};
use crate::transport::Transport;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::tlv::{self, encode};

/// The command's name in errors.
const MANAGE: &str = "MANAGE PUBLIC KEY AUTHENTICATION";

/// How many keys there are to authenticate the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublicKeyAuthenticationStatus {
    /// How many keys there is room for.
    pub total: u8,
    /// How many are not registered yet. Until all are, none authenticates.
    pub missing: u8,
    /// How many have to authenticate.
    pub required: u8,
    /// How many have authenticated in this session.
    pub authenticated: u8,
}

/// A registered key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisteredKey {
    /// Its number, as the card counts.
    pub number: u8,
    /// Its holder reference (CHR).
    pub holder: Vec<u8>,
    /// Whether it has authenticated in this session.
    pub authenticated: bool,
}

impl PublicKeyAuthenticationStatus {
    fn parse(numbers: &[u8]) -> Result<Self, HostError> {
        match *numbers {
            [total, missing, required, authenticated] => {
                Ok(Self { total, missing, required, authenticated })
            }
            _ => Err(HostError::Malformed { command: MANAGE }),
        }
    }
}

impl<T: Transport> SmartCardHsm<T> {
    /// How many keys there are to authenticate the user.
    ///
    /// # Errors
    /// `6D00` or `6A86` if the card was not initialised for it.
    pub fn public_key_authentication(
        &mut self,
    ) -> Result<PublicKeyAuthenticationStatus, HostError> {
        let numbers = self.ask(&command::with_le([0x80, 0x54, 0x00, 0x00], &[]))?;
        PublicKeyAuthenticationStatus::parse(&numbers)
    }

    /// The registered keys.
    ///
    /// # Errors
    /// As [`public_key_authentication`](Self::public_key_authentication).
    pub fn registered_keys(&mut self) -> Result<Vec<RegisteredKey>, HostError> {
        let total = self.public_key_authentication()?.total;
        let mut keys = Vec::new();
        // That the first key is number 0 is a guess, so that one more is asked for.
        for number in 0..=total {
            let (status, holder) = self.send(&command::with_le([0x80, 0x54, 0x02, number], &[]))?;
            if matches!(status.0, 0x9000 | 0x9001) {
                keys.push(RegisteredKey { number, holder, authenticated: status.0 == 0x9001 });
            }
        }
        Ok(keys)
    }

    /// Chooses the key that the next certificate or request is verified with, by its holder
    /// reference (CHR): false if the card does not know it.
    ///
    /// # Errors
    /// If the card refuses with another status word than `6A88`.
    pub fn select_key_for_verification(&mut self, holder: &[u8]) -> Result<bool, HostError> {
        match self.manage_security_environment(0xB6, holder)? {
            Status::OK => Ok(true),
            Status::REFERENCE_NOT_FOUND => Ok(false),
            status => Err(HostError::Refused { command: "MANAGE SECURITY ENVIRONMENT", status }),
        }
    }

    /// Chooses the registered key that has signed the next challenge: false if none of that name is
    /// registered.
    ///
    /// # Errors
    /// `6985` if it has authenticated before.
    pub fn select_key_for_authentication(&mut self, holder: &[u8]) -> Result<bool, HostError> {
        match self.manage_security_environment(0xA4, holder)? {
            Status::OK => Ok(true),
            Status::REFERENCE_NOT_FOUND => Ok(false),
            status => Err(HostError::Refused { command: "MANAGE SECURITY ENVIRONMENT", status }),
        }
    }

    fn manage_security_environment(
        &mut self,
        template: u8,
        holder: &[u8],
    ) -> Result<Status, HostError> {
        let data = encode(0x83, holder);
        Ok(self.send(&command::without_le([0x00, 0x22, 0x81, template], &data))?.0)
    }

    /// Has the card verify a certificate, a 7F21 object, by the key that was
    /// [chosen](Self::select_key_for_verification): the card trusts its holder until it is reset.
    ///
    /// # Errors
    /// `6300` if the signature is wrong, `6A88` if the chosen key is not its issuer's.
    pub fn verify_certificate(&mut self, certificate: &[u8]) -> Result<(), HostError> {
        let data = command::content(certificate);
        self.ask(&command::without_le([0x00, 0x2A, 0x00, 0xBE], data)).map(drop)
    }

    /// Has the card verify what another one has in EF 2F02, those of issuers first, as far as it
    /// does not know them; chosen is the key of the other card then.
    ///
    /// # Errors
    /// As [`verify_certificate`](Self::verify_certificate); [`HostError::UnknownRoot`].
    pub fn verify_certificates(&mut self, certificates: &[u8]) -> Result<(), HostError> {
        for object in tlv::parse(certificates).unwrap_or_default().iter().rev() {
            let Some((certificate, _)) = Certificate::take(object.encoded) else { continue };
            if self.select_key_for_verification(certificate.holder())? {
                continue;
            }
            if !self.select_key_for_verification(certificate.authority())? {
                let authority = certificate.authority().to_vec();
                return Err(HostError::UnknownRoot { authority });
            }
            self.verify_certificate(object.encoded)?;
            self.select_key_for_verification(certificate.holder())?;
        }
        Ok(())
    }

    /// Registers a key on another card, after the card has verified that card's certificates.
    ///
    /// # Errors
    /// `6985` if it is registered, or another one of this name; `6A84` if all keys are registered.
    pub fn register_key(
        &mut self,
        key: &CustodianKey,
    ) -> Result<PublicKeyAuthenticationStatus, HostError> {
        self.verify_certificates(&key.certificates)?;
        let device = tlv::at(&key.request, &[0x67, 0x42]).unwrap_or_default();
        self.select_key_for_verification(device)?;
        let request = command::content(&key.request);
        let numbers = self.ask_long([0x80, 0x54, 0x00, 0x00], request)?;
        PublicKeyAuthenticationStatus::parse(&numbers)
    }

    /// What the chosen key has to sign to authenticate: the holder reference (CHR) of this card's
    /// device certificate, and a challenge of eight bytes.
    ///
    /// # Errors
    /// If the card refuses.
    pub fn authentication_message(&mut self) -> Result<Vec<u8>, HostError> {
        let device = self.device_reference()?;
        let challenge = self.ask(&[0x00, 0x84, 0x00, 0x00, 0x08])?;
        Ok([device, challenge].concat())
    }

    /// Authenticates with the chosen key's signature r ‖ s over the
    /// [message](Self::authentication_message): false if it is wrong.
    ///
    /// # Errors
    /// `6A88` if no key was chosen, `6985` without a challenge.
    pub fn external_authenticate(&mut self, signature: &[u8]) -> Result<bool, HostError> {
        let command = command::without_le([0x00, 0x82, 0x00, 0x00], signature);
        match self.send(&command)?.0 {
            Status::OK => Ok(true),
            Status(0x6300) => Ok(false),
            status => Err(HostError::Refused { command: "EXTERNAL AUTHENTICATE", status }),
        }
    }

    /// Key `key` of a custodian's card, whose user is logged in there, authenticates at this card:
    /// false if the signature is not that of the registered key.
    ///
    /// # Errors
    /// [`HostError::Unsupported`] if the key is not registered; `6985` if it has authenticated
    /// before; whatever the custodian's card refuses with.
    pub fn authenticate_with<C: Transport>(
        &mut self,
        custodian: &mut SmartCardHsm<C>,
        key: u8,
    ) -> Result<bool, HostError> {
        let of_custodian = CustodianKey::read(custodian, key)?;
        if !self.select_key_for_authentication(of_custodian.holder())? {
            return Err(HostError::Unsupported("the key is not registered"));
        }
        let message = self.authentication_message()?;
        let signature = custodian.sign(key, SignAlgorithm::EcdsaSha256, &message)?;
        let raw = of_custodian.order_length().and_then(|length| raw_signature(&signature, length));
        self.external_authenticate(&raw.ok_or(HostError::Malformed { command: "SIGN" })?)
    }
}
