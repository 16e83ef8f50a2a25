//! The device key, by which a card is known.

use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use vschsm_protocol::crypto::ec::EcKey;

/// The device authentication key, CC00, on brainpoolP256r1.
#[derive(Clone, PartialEq)]
pub struct DeviceKey {
    key: EcKey,
    reference: Vec<u8>,
}

impl DeviceKey {
    /// The length of a holder reference (CHR), in characters.
    pub(crate) const REFERENCE_LENGTH: RangeInclusive<usize> = 8..=16;

    /// `reference` is the holder reference (CHR) of the key's certificate.
    pub(crate) fn new(key: EcKey, reference: Vec<u8>) -> Self {
        Self { key, reference }
    }

    pub(crate) fn key(&self) -> &EcKey {
        &self.key
    }

    /// The holder reference (CHR) of the device certificate, 8 to 16 characters.
    #[must_use]
    pub fn reference(&self) -> &[u8] {
        &self.reference
    }

    /// The serial number that clients show: the holder reference without its last five digits.
    ///
    /// Source: OpenSC `pkcs15-sc-hsm.c`, `sc_pkcs15emu_sc_hsm_init`.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        self.reference
            .split_at_checked(self.reference.len().saturating_sub(5))
            .unwrap_or_default()
            .0
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceKey").field("reference", &self.reference).finish_non_exhaustive()
    }
}
