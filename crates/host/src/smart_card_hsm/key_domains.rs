//! Key domains: the key-encryption keys that wrap keys. A DKEK is that of domain 0.

use super::SmartCardHsm;
use crate::command;
use crate::error::HostError;
use crate::transport::Transport;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::tlv;
use zeroize::Zeroizing;

/// The state of a key domain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyDomainStatus {
    /// The number of the domain.
    pub domain: u8,
    /// How many shares its key-encryption key has; `FF` for a domain for key exchange.
    pub shares: u8,
    /// How many of them are missing.
    pub missing: u8,
    /// The key check value of the key-encryption key, zero until the key is complete.
    pub check_value: [u8; 8],
    /// Of a domain for key exchange the UID: the public point x ‖ y of its group signer.
    pub uid: Vec<u8>,
}

impl KeyDomainStatus {
    fn parse(domain: u8, data: &[u8]) -> Option<Self> {
        let [shares, missing, rest @ ..] = data else { return None };
        let (check_value, uid) = rest.split_first_chunk()?;
        let (check_value, uid) = (*check_value, uid.to_vec());
        Some(Self { domain, shares: *shares, missing: *missing, check_value, uid })
    }
}

impl<T: Transport> SmartCardHsm<T> {
    /// The state of a key domain; `None` if there is none in the slot.
    ///
    /// # Errors
    /// `6A86` for a slot beyond the last, `6D00` without a DKEK and key domains.
    pub fn key_domain(&mut self, domain: u8) -> Result<Option<KeyDomainStatus>, HostError> {
        match self.send(&[0x80, 0x52, 0x00, domain, 0x00])? {
            (Status::OK, data) => key_domain_status(domain, &data).map(Some),
            (Status::REFERENCE_NOT_FOUND, _) => Ok(None),
            (status, _) => Err(HostError::Refused { command: "MANAGE KEY DOMAIN", status }),
        }
    }

    /// The state of all key domains that there are.
    ///
    /// # Errors
    /// If the card does not respond.
    pub fn key_domains(&mut self) -> Result<Vec<KeyDomainStatus>, HostError> {
        let mut domains = Vec::new();
        for domain in 0..=u8::MAX {
            match self.key_domain(domain) {
                Ok(status) => domains.extend(status),
                // Beyond the last slot, or no key domains at all.
                Err(HostError::Refused { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(domains)
    }

    /// Imports a share of the key-encryption key of a domain. It needs no login.
    ///
    /// # Errors
    /// `6985` if all shares are there, `6A88` if there is no domain in the slot, `6A86` if there is
    /// no such slot, `6D00` if the card has no DKEK.
    pub fn import_key_share(
        &mut self,
        domain: u8,
        share: &[u8; 32],
    ) -> Result<KeyDomainStatus, HostError> {
        let import = Zeroizing::new(command::import_share(domain, share));
        let data = self.ask(&import)?;
        key_domain_status(domain, &data)
    }

    /// Creates a key domain whose key-encryption key has so many shares; with 0 it is random.
    ///
    /// # Errors
    /// `6982` without login, `6985` if there is a domain in the slot.
    pub fn create_key_domain(
        &mut self,
        domain: u8,
        shares: u8,
    ) -> Result<KeyDomainStatus, HostError> {
        let data = self.ask(&[0x80, 0x52, 0x01, domain, 0x01, shares, 0x00])?;
        key_domain_status(domain, &data)
    }

    /// Creates a key domain for key exchange (XKEK). `signer` is the authenticated request of the
    /// group signer's key, `membership` its ECDSA signature in DER over [`membership_message`].
    ///
    /// # Errors
    /// `6982` without login; `6985` if a signature is wrong, or there is a domain in the slot;
    /// `6A88` if the certificates of the signer's card are not verified.
    pub fn create_exchange_key_domain(
        &mut self,
        domain: u8,
        signer: &[u8],
        membership: &[u8],
    ) -> Result<KeyDomainStatus, HostError> {
        let data = self.ask(&command::join(domain, signer, membership))?;
        key_domain_status(domain, &data)
    }

    /// Agrees on the key-encryption key of the domain that key `key` is in with another card, whose
    /// exchange key's authenticated request this is: DERIVE XKEK.
    ///
    /// # Errors
    /// `6982` without login, `6A88` if the certificates of the peer's card are not verified.
    pub fn derive_exchange_key(&mut self, key: u8, peer: &[u8]) -> Result<(), HostError> {
        self.ask_long([0x80, 0x62, key, 0x84], command::content(peer)).map(drop)
    }

    /// Deletes a key domain that no key is in.
    ///
    /// # Errors
    /// `6982` without login, `6A89` if keys are in it, `6A88` if there is no domain in the slot.
    pub fn delete_key_domain(&mut self, domain: u8) -> Result<(), HostError> {
        self.ask(&[0x80, 0x52, 0x03, domain, 0x00]).map(drop)
    }

    /// Clears the key-encryption key of a domain: all its shares are missing again.
    ///
    /// # Errors
    /// `6982` without login, `6A88` if there is no domain in the slot.
    pub fn clear_key_domain(&mut self, domain: u8) -> Result<(), HostError> {
        self.ask(&[0x80, 0x52, 0x04, domain, 0x00]).map(drop)
    }
}

fn key_domain_status(domain: u8, data: &[u8]) -> Result<KeyDomainStatus, HostError> {
    let malformed = HostError::Malformed { command: "MANAGE KEY DOMAIN" };
    KeyDomainStatus::parse(domain, data).ok_or(malformed)
}

/// What the signer of a group signs, with ECDSA and SHA-256, to make a card a member: `54`, and the
/// x coordinate of the device key that the certificates in its EF 2F02 are for. `None` if these are
/// no certificates with such a key: a signature over less would be worth nothing.
#[must_use]
pub fn membership_message(certificates: &[u8]) -> Option<Vec<u8>> {
    let point = tlv::at(certificates, &[0x7F21, 0x7F4E, 0x7F49, 0x86])?;
    Some([&[0x54], point.get(1..33)?].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vschsm_protocol::tlv::encode;

    #[test]
    fn a_membership_is_of_a_device_key_or_there_is_nothing_to_sign() {
        let certificate = |point: &[u8]| {
            [0x7F49, 0x7F4E, 0x7F21].iter().fold(encode(0x86, point), |it, tag| encode(*tag, &it))
        };
        let point = [&[0x04][..], &[0xAA; 32], &[0xBB; 32]].concat();
        let message = membership_message(&certificate(&point));
        assert_eq!(message, Some([&[0x54][..], &[0xAA; 32]].concat()));
        assert_eq!(membership_message(&certificate(&[0x04; 32])), None);
        assert_eq!(membership_message(&[]), None);
    }
}
