//! Quotas: use counters of keys that the holder of a refill key refills. An extension of ours,
//! which no genuine card has.

use super::SmartCardHsm;
use super::keys::{KEY, fid};
use crate::command;
use crate::error::HostError;
use crate::transport::Transport;
use vschsm_protocol::tlv;

impl<T: Transport> SmartCardHsm<T> {
    /// The refill token that gives a key so many uses, not 0. The refill key signs it with ECDSA
    /// and SHA-256. It is for the next refill of this key on this card.
    ///
    /// # Errors
    /// [`HostError::Unsupported`] if there is no such key, or it has no quota.
    pub fn refill_token(&mut self, key: u8, uses: u32) -> Result<Vec<u8>, HostError> {
        let information = self.select_file(fid(KEY, key))?;
        let proprietary = information.map(|file| file.proprietary).unwrap_or_default();
        let find = |tag| tlv::at(&proprietary, &[0xB4, tag]);
        let refills = find(0x81).and_then(|refills| refills.try_into().ok());
        let (Some(identifier), Some(refills)) = (find(0x80), refills) else {
            return Err(HostError::Unsupported("the key has no quota"));
        };
        let device = self.device_reference()?;
        Ok(command::refill_token(&device, key, identifier, u32::from_be_bytes(refills), uses))
    }

    /// Refills the quota of a key with a [token](Self::refill_token) and the signature of its
    /// refill key, in DER or r ‖ s. It needs no login: REFILL QUOTA.
    ///
    /// # Errors
    /// `6300` if the signature is wrong; `6985` for a token for another card, key or refill; `6A81`
    /// if the key has no quota; `6A88` if there is no such key; `6D00` from firmware without
    /// quotas.
    pub fn refill_quota(
        &mut self,
        key: u8,
        token: &[u8],
        signature: &[u8],
    ) -> Result<(), HostError> {
        self.ask(&command::refill(key, token, signature)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use crate::error::HostError;
    use crate::smart_card_hsm::{
        DeviceInitialisation, KeyInformation, KeyTemplate, SignAlgorithm, SmartCardHsm,
    };
    use std::error::Error;
    use vschsm_card::Card;
    use vschsm_card::personalisation::PersonalisationData;
    use vschsm_card::profile::Profile;
    use vschsm_protocol::apdu::Status;

    const PIN: &str = "648219";

    /// A new card whose user is logged in.
    fn card(seed: u8) -> Result<SmartCardHsm<Card>, Box<dyn Error>> {
        let firmware = Profile::built_in("3.4+quota").ok_or("no such firmware")?;
        let card = Card::new(&PersonalisationData::default(), firmware, [seed; 32])?;
        let mut card = SmartCardHsm::select(card)?;
        card.initialise(&DeviceInitialisation {
            pin: Some(PIN.parse()?),
            ..DeviceInitialisation::default()
        })?;
        card.verify_pin(PIN)?;
        Ok(card)
    }

    #[test]
    fn a_quota_is_refilled_once_with_a_token_that_the_refill_key_has_signed()
    -> Result<(), Box<dyn Error>> {
        let (mut card, mut holder) = (card(1)?, card(2)?);
        let spec = "ec:secp256r1".parse()?;
        let algorithms = KeyTemplate { algorithms: vec![0x73], ..KeyTemplate::default() };
        let refill_key = holder.generate_key(1, &spec, &algorithms)?;
        card.verify_certificates(&holder.device_certificates()?)?;
        let template = KeyTemplate { uses: Some(1), refill_key, ..algorithms };
        card.generate_key(7, &spec, &template)?;
        let mut sign = |message: &[u8]| holder.sign(1, SignAlgorithm::EcdsaSha256, message);

        let token = card.refill_token(7, 5)?;
        let other = card.refill_token(7, 6)?;
        let signature = sign(&token)?;
        let refused = |result: Result<(), HostError>| result.err().and_then(|it| it.status());
        let wrong = card.refill_quota(7, &other, &signature);
        assert_eq!(refused(wrong), Some(Status::AUTHENTICATION_FAILED));
        card.refill_quota(7, &token, &signature)?;
        let uses = |key: KeyInformation| key.uses;
        assert_eq!(card.key_information(7)?.and_then(uses), Some(5));
        let again = card.refill_quota(7, &token, &signature);
        assert_eq!(refused(again), Some(Status::CONDITIONS_NOT_SATISFIED));

        card.generate_key(8, &spec, &KeyTemplate::default())?;
        for without_quota in [8, 9] {
            let token = card.refill_token(without_quota, 5);
            assert!(matches!(token, Err(HostError::Unsupported(_))), "{token:?}");
        }
        Ok(())
    }
}
