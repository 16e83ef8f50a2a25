//! Certificate requests for keys that are on the card already.

use crate::state::{KeyId, State};
use alloc::format;
use alloc::vec::Vec;
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::hash::Hash;
use vschsm_protocol::crypto::public_key::PublicKey;
use vschsm_protocol::cvc::{self, Body};
use vschsm_protocol::signature;

/// The request in EF CE`id` if it is for the key of that number, or else a new one; none if the key
/// has no public half.
pub(crate) fn of_key(state: &State, id: KeyId) -> Option<Vec<u8>> {
    let public_key = state.keys.get(id)?.public_key()?;
    let stored = state.files.content(id.request_fid());
    match stored.filter(|request| cvc::is_request_for(request, &public_key)) {
        Some(request) => Some(request.to_vec()),
        None => make(state, id, &public_key).ok(),
    }
}

/// A request that is the same whenever it is made: its nonces follow from keys and content.
fn make(state: &State, id: KeyId, public_key: &PublicKey) -> Result<Vec<u8>, Status> {
    let (oid, algorithm) = match public_key {
        PublicKey::Rsa { .. } => (cvc::RSA_SHA256, 0x33),
        PublicKey::Ec { .. } => (cvc::ECDSA_SHA256, 0x73),
    };
    let key = state.keys.get(id).ok_or(Status::REFERENCE_NOT_FOUND)?;
    let (secret, attributes) = key.parts();
    let device = state.device();
    let holder = [device.serial(), format!("{:05}", id.number()).as_bytes()].concat();

    let mut same = ChaCha20Rng::from_seed([0; 32]);
    let mut request = Body::request(None, &cvc::public_key(&oid, public_key), &holder);
    if let Some(uid) = state.domains.uid_of_exchange_key(attributes) {
        request = request.for_key_domain(uid);
    }
    let request = request.signed(|body| signature::sign(algorithm, secret, body, &mut same))?;
    cvc::authenticated(request, device.reference(), |content| {
        Ok(device.key().sign_deterministic(&Hash::Sha256.digest(content)))
    })
}
