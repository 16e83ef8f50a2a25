//! Files with a custodian's public key.
//!
//! ```text
//! new: 30 { 06 1.3.6.1.4.1.24991.4.3.1, 61 { 7F21 issuer }, 62 { 7F21 device }, 63 { 67 } }
//! old: 30 { 67, 7F21 device, 7F21 issuer }
//! ```
//!
//! Source: the vendor's scripts for the new layout; OpenSC's `sc-hsm-tool` for the old one.

use vschsm_protocol::tlv::{self, encode};

/// 1.3.6.1.4.1.24991.4.3.1.
const NEW_LAYOUT: [u8; 11] = [0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x04, 0x03, 0x01];

/// A custodian's public key, and the certificates for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyFile {
    /// The 67 object.
    pub(super) request: Vec<u8>,
    /// As in EF 2F02: the certificate of the device, and that of its issuer.
    pub(super) certificates: Vec<u8>,
}

impl KeyFile {
    /// Parses a file in either layout.
    pub(super) fn parse(file: &[u8]) -> Option<Self> {
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

    /// The file, in the new layout; none if there are not two certificates.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
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
    pub(super) fn holder(&self) -> &[u8] {
        tlv::at(&self.request, &[0x67, 0x7F21, 0x7F4E, 0x5F20]).unwrap_or_default()
    }

    /// The length of r and s in the key's signatures, in bytes; `None` without curve parameters.
    pub(super) fn order_length(&self) -> Option<usize> {
        let order = tlv::at(&self.request, &[0x67, 0x7F21, 0x7F4E, 0x7F49, 0x85])?;
        Some(order.iter().skip_while(|byte| **byte == 0).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_are_read_and_the_new_one_is_written() {
        let certificate = |byte| encode(0x7F21, &[byte; 200]);
        let (device, issuer, request) = (certificate(1), certificate(2), encode(0x67, &[3; 300]));
        let file = KeyFile {
            request: request.clone(),
            certificates: [device.clone(), issuer.clone()].concat(),
        };

        let old = encode(0x30, &[&request[..], &device, &issuer].concat());
        assert_eq!(KeyFile::parse(&old).as_ref(), Some(&file));
        let new = file.encode().unwrap_or_default();
        assert!(new.get(4..).is_some_and(|rest| rest.starts_with(&encode(0x06, &NEW_LAYOUT))));
        assert_eq!(KeyFile::parse(&new).as_ref(), Some(&file));

        let other = new.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 10));
        assert_eq!(KeyFile::parse(&other.collect::<Vec<_>>()), None, "another identifier");
        assert_eq!(KeyFile::parse(&request), None);
        let three = [&file.certificates[..], &issuer].concat();
        assert_eq!(KeyFile { certificates: three, ..file }.encode(), None);
    }
}
