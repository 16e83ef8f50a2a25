//! The test root and the test issuer that are built in.
//!
//! Their private keys stand in this file, the same in every build for ever, and are worth nothing.

use crate::crypto::curve::Curve;
use crate::crypto::ec::EcKey;

/// Holder reference (CHR) of the test root: the pattern of the vendor's, with the user-assigned
/// country code ZZ.
pub const ROOT: &[u8] = b"ZZSRCAVS100001";

/// That of the test issuer.
pub const ISSUER: &[u8] = b"ZZDIVS0100001";

/// The private key of the test root. Published, worthless, and never to change: cards in the field
/// have certificates made with it.
pub const ROOT_KEY: [u8; 32] = *b"vschsm test root, worth nothing.";
/// That of the test issuer, likewise.
pub const ISSUER_KEY: [u8; 32] = *b"vschsm test issuer, worth naught";

/// The private key of the test root.
pub fn key() -> EcKey {
    built_in(&ROOT_KEY)
}

/// The private key of the test issuer.
pub fn issuer_key() -> EcKey {
    built_in(&ISSUER_KEY)
}

fn built_in(key: &[u8; 32]) -> EcKey {
    EcKey::from_scalar(&Curve::of_device_keys(), key)
        .expect("the constants are below the order of the curve")
}
