//! Keys of custodians, who together log in at a card: the files in which their public keys travel.
//!
//! ```text
//! new: 30 { 06 1.3.6.1.4.1.24991.4.3.1, 61 { 7F21 issuer }, 62 { 7F21 device }, 63 { 67 } }
//! old: 30 { 67, 7F21 device, 7F21 issuer }
//! ```
//!
//! Source: the vendor's scripts for the new layout; OpenSC's `sc-hsm-tool` for the old one.

use crate::error::HostError;
use crate::smart_card_hsm::SmartCardHsm;
use crate::transport::Transport;
use vschsm_protocol::tlv::{self, encode};

/// 1.3.6.1.4.1.24991.4.3.1.
const NEW_LAYOUT: [u8; 11] = [0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x04, 0x03, 0x01];

/// A custodian's public key, and the certificates of the device that has requested it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodianKey {
    /// The authenticated request, tag 67.
    pub request: Vec<u8>,
    /// As in EF 2F02: the certificate of the device, and that of its issuer.
    pub certificates: Vec<u8>,
}

impl CustodianKey {
    /// Reads the public key of key `key` from the files of a custodian's card. It needs no login.
    ///
    /// # Errors
    /// [`HostError::Unsupported`] if there is a certificate in the place of the request, `6A82` if
    /// there is neither.
    pub fn read<T: Transport>(card: &mut SmartCardHsm<T>, key: u8) -> Result<Self, HostError> {
        let request = card.read_file(u16::from_be_bytes([0xCE, key]))?;
        if tlv::at(&request, &[0x67]).is_none() {
            return Err(HostError::Unsupported(
                "the card has a certificate in the place of the key's request",
            ));
        }
        Ok(Self { request, certificates: card.device_certificates()? })
    }

    /// Parses a file of either layout; `None` if it is neither.
    #[must_use]
    pub fn parse(file: &[u8]) -> Option<Self> {
        let objects = tlv::parse(tlv::at(file, &[0x30])?).ok()?;
        let of = |request: &[u8], device: &[u8], issuer: &[u8]| Self {
            request: request.to_vec(),
            certificates: [device, issuer].concat(),
        };
        match objects.iter().map(|object| object.tag).collect::<Vec<_>>().as_slice() {
            [0x67, 0x7F21, 0x7F21] => {
                let [request, device, issuer] = *objects.as_slice() else { return None };
                Some(of(request.encoded, device.encoded, issuer.encoded))
            }
            [0x06, 0x61, 0x62, 0x63] => {
                let [layout, issuer, device, request] = *objects.as_slice() else { return None };
                (layout.value == NEW_LAYOUT).then(|| of(request.value, device.value, issuer.value))
            }
            _ => None,
        }
    }

    /// The file, in the new layout; `None` if there are not two certificates.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let [device, issuer] = *tlv::parse(&self.certificates).ok()?.as_slice() else {
            return None;
        };
        let objects = [
            encode(0x06, &NEW_LAYOUT),
            encode(0x61, issuer.encoded),
            encode(0x62, device.encoded),
            encode(0x63, &self.request),
        ];
        Some(encode(0x30, &objects.concat()))
    }

    /// The holder reference (CHR) of the key.
    #[must_use]
    pub fn holder(&self) -> &[u8] {
        tlv::at(&self.request, &[0x67, 0x7F21, 0x7F4E, 0x5F20]).unwrap_or_default()
    }

    /// How many bytes r and s of the key's signatures have; `None` without domain parameters.
    #[must_use]
    pub fn order_length(&self) -> Option<usize> {
        let order = tlv::at(&self.request, &[0x67, 0x7F21, 0x7F4E, 0x7F49, 0x85])?;
        Some(order.iter().skip_while(|byte| **byte == 0).count())
    }
}

/// r ‖ s of that many bytes each, of an ECDSA signature in DER; `None` if it is not that.
#[must_use]
pub fn raw_signature(der: &[u8], length: usize) -> Option<Vec<u8>> {
    let [r, s] = *tlv::parse(tlv::at(der, &[0x30])?).ok()?.as_slice() else { return None };
    let mut raw = Vec::with_capacity(2 * length);
    for number in [r.value, s.value] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = number.get(zeros..)?;
        raw.resize(raw.len() + length.checked_sub(digits.len())?, 0);
        raw.extend(digits);
    }
    Some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_read_and_the_new_one_is_written() {
        let certificate = |byte| encode(0x7F21, &[byte; 200]);
        let (device, issuer, request) = (certificate(1), certificate(2), encode(0x67, &[3; 300]));
        let file = CustodianKey {
            request: request.clone(),
            certificates: [device.clone(), issuer.clone()].concat(),
        };

        let old = encode(0x30, &[&request[..], &device, &issuer].concat());
        assert_eq!(CustodianKey::parse(&old).as_ref(), Some(&file));
        let new = file.encode().unwrap_or_default();
        assert!(new.get(4..).is_some_and(|rest| rest.starts_with(&encode(0x06, &NEW_LAYOUT))));
        assert_eq!(CustodianKey::parse(&new).as_ref(), Some(&file));

        let other = new.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 10));
        assert_eq!(CustodianKey::parse(&other.collect::<Vec<_>>()), None, "another identifier");
        assert_eq!(CustodianKey::parse(&request), None);
        let three = [&file.certificates[..], &issuer].concat();
        assert_eq!(CustodianKey { certificates: three, ..file }.encode(), None);
    }

    #[test]
    fn both_numbers_of_a_signature_are_as_wide_as_the_order() {
        let der = [0x30, 0x07, 0x02, 0x02, 0x00, 0x80, 0x02, 0x01, 0x05];
        assert_eq!(raw_signature(&der, 3), Some(vec![0, 0, 0x80, 0, 0, 5]));
        assert_eq!(raw_signature(&der, 1), Some(vec![0x80, 5]));
        assert_eq!(raw_signature(&der, 0), None);
        assert_eq!(raw_signature(&[0x80, 0x05], 1), None);
    }
}
