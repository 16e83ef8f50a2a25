//! Chip authentication: the card shows that it has the device key, and both sides derive session
//! keys. Source: TR-03110 part 3; OpenSC `card-sc-hsm.c`, `sc_hsm_perform_chip_authentication`.

use super::protected_session::{ProtectedSession, SecureMessagingError, short, split};
use crate::certificates::VerifiedDevice;
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use subtle::ConstantTimeEq;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::ec::EcKey;
use vschsm_protocol::secure_messaging::{Protocol, SessionKeys};
use vschsm_protocol::tlv;
use zeroize::Zeroizing;

/// Chip authentication with a card, from the first command to the session keys.
#[derive(Debug)]
pub struct ChipAuthentication {
    protocol: Protocol,
    /// The key pair that the host has made for this channel.
    key: EcKey,
    device: Vec<u8>,
}

impl ChipAuthentication {
    /// Chip authentication with the card of that device; `seed`, from which the host's key is made,
    /// must be fresh randomness.
    #[must_use]
    pub fn new(protocol: Protocol, device: &VerifiedDevice, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let key = EcKey::generate(device.key().curve(), &mut rng);
        Self::with(protocol, key, device.key().point().to_vec())
    }

    /// The same with that key of the host and that point of the device.
    pub(super) fn with(protocol: Protocol, key: EcKey, device: Vec<u8>) -> Self {
        Self { protocol, key, device }
    }

    /// MANAGE SECURITY ENVIRONMENT: chooses the protocol; `6A80` from a card that does not have it.
    #[must_use]
    pub fn mse_set_at(&self) -> Vec<u8> {
        let identifier = tlv::encode(0x80, &self.protocol.identifier());
        short([0x00, 0x22, 0x41, 0xA4], &identifier)
    }

    /// GENERAL AUTHENTICATE: asks the card for its half.
    #[must_use]
    pub fn general_authenticate(&self) -> Vec<u8> {
        let point = tlv::encode(0x80, &self.key.public_point());
        let mut command = short([0x00, 0x86, 0x00, 0x00], &tlv::encode(0x7C, &point));
        command.push(0x00);
        command
    }

    /// The session after that response to [`general_authenticate`](Self::general_authenticate).
    ///
    /// # Errors
    /// If the card has refused, or not shown that it has the device key.
    pub fn complete(self, response: &[u8]) -> Result<ProtectedSession, SecureMessagingError> {
        let (data, status) = split(response)?;
        if status != Status::OK {
            return Err(SecureMessagingError::Refused(status));
        }
        let find = |tag| tlv::at(data, &[0x7C, tag]).and_then(|value| value.try_into().ok());
        let (nonce, token): ([u8; 8], [u8; 8]) =
            find(0x81).zip(find(0x82)).ok_or(SecureMessagingError::Malformed)?;
        let shared = self.key.agree(&self.device).map(Zeroizing::new);
        let secret = shared.as_deref().and_then(|point| point.get(1..)?.first_chunk());
        let keys = SessionKeys::new(
            self.protocol,
            secret.ok_or(SecureMessagingError::WrongToken)?,
            &nonce,
        );
        let expected = keys.token(self.protocol, &self.key.public_point());
        if !bool::from(expected.ct_eq(&token)) {
            return Err(SecureMessagingError::WrongToken);
        }
        Ok(ProtectedSession::new(keys))
    }
}
