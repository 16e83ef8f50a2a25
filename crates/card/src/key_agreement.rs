//! ECDH with a key of another card.

use alloc::vec::Vec;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::ec::EcKey;
use vschsm_protocol::crypto::key_material::KeyMaterial;
use vschsm_protocol::cvc::VerificationKey;

/// The point in common with a key of another card: `04`, x, y.
///
/// `6A81` if `key` is not an EC key, `6A80` if it is on another curve.
pub(crate) fn agree(key: &KeyMaterial, peer: &VerificationKey) -> Result<Vec<u8>, Status> {
    ec_key(key, peer)?.agree(peer.point()).ok_or(Status::WRONG_DATA)
}

/// The EC key, if it is on the curve of that of another card; otherwise as above.
pub(crate) fn ec_key<'a>(
    key: &'a KeyMaterial,
    peer: &VerificationKey,
) -> Result<&'a EcKey, Status> {
    match key {
        KeyMaterial::Ec(key) if key.curve() == peer.curve() => Ok(key),
        KeyMaterial::Ec(_) => Err(Status::WRONG_DATA),
        KeyMaterial::Rsa(_) | KeyMaterial::Aes(_) => Err(Status::FUNCTION_NOT_SUPPORTED),
    }
}
