//! EC keys on secp256r1.

use super::Dialogue;
use crate::process::seed::Seed;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::{PublicKey, SecretKey};
use vschsm_host::command;
use vschsm_protocol::crypto::curve::Curve;
use vschsm_protocol::tlv;
use vschsm_vectors::PlayError;

const MESSAGE: &[u8] = b"vschsm check";

/// The parts of a certificate request that a flow checks.
struct KeyRequest<'a> {
    point: &'a [u8],
    signed: &'a [u8],
    signature: &'a [u8],
}

impl<'a> KeyRequest<'a> {
    /// Parses 67 { 7F21 { 7F4E { 7F49 { 86 point } }, 5F37 }, 42, 5F37 }.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let objects = tlv::parse(tlv::at(bytes, &[0x67, 0x7F21])?).ok()?;
        let body = objects.iter().find(|object| object.tag == 0x7F4E)?;
        Some(Self {
            point: tlv::at(body.value, &[0x7F49, 0x86])?,
            signed: body.encoded,
            signature: tlv::find(&objects, 0x5F37)?,
        })
    }

    fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        Signature::from_slice(self.signature)
            .is_ok_and(|signature| key.verify(self.signed, &signature).is_ok())
    }
}

/// GENERATE ASYMMETRIC KEY PAIR of key `id` on secp256r1; `attributes` are objects such as tag 91.
pub(super) fn generate(
    card: &mut Dialogue<'_>,
    id: u8,
    attributes: &[u8],
) -> Result<VerifyingKey, PlayError> {
    let curve = Curve::from_name("secp256r1").expect("it is built in");
    let template = command::ec_template(curve.parameters(), attributes);
    let request = card.ask(command::generate(id, &template))?;
    let request = card.there(KeyRequest::parse(&request), "a request for an EC key")?;
    let key = VerifyingKey::from_sec1_bytes(request.point).ok();
    let key = card.there(key, "a request for a point on secp256r1")?;
    card.must(request.is_signed_by(&key), "a request that is signed by its own key")?;
    Ok(key)
}

/// SIGN with ECDSA and SHA-256, which `key` must verify.
pub(super) fn sign(card: &mut Dialogue<'_>, id: u8, key: &VerifyingKey) -> Result<(), PlayError> {
    let signature = card.ask(command::with_le([0x80, 0x68, id, 0x73], MESSAGE))?;
    // Cards may put zeros in front of its numbers, which DER forbids.
    let genuine = Signature::from_slice(&command::raw_signature(&signature))
        .is_ok_and(|signature| key.verify(MESSAGE, &signature).is_ok());
    card.must(genuine, "a signature of the key that was generated")
}

/// SIGN with ECDSA of a hash that the host has made.
pub(super) fn unlisted(id: u8) -> Vec<u8> {
    command::with_le([0x80, 0x68, id, 0x70], &[0x5A; 32])
}

pub(super) fn key_signs(card: &mut Dialogue<'_>) -> Result<(), PlayError> {
    let key = generate(card, 1, &[])?;
    sign(card, 1, &key)
}

pub(super) fn both_sides_agree(card: &mut Dialogue<'_>) -> Result<(), PlayError> {
    let theirs = PublicKey::from(generate(card, 1, &[])?);
    let seed: [u8; 32] = Seed::random().map_err(|none| PlayError::Failed(none.to_string()))?.into();
    // All but one of 2^32 numbers are below the order of the curve.
    let ours = SecretKey::from_slice(&seed).map_err(|_| {
        PlayError::Failed("the random number is not a private key: try again".into())
    })?;

    let point = ours.public_key().to_sec1_bytes();
    let agreed = card.ask(command::with_le([0x80, 0x62, 0x01, 0x80], &point))?;
    let shared = theirs.to_projective() * *ours.to_nonzero_scalar();
    let shared = PublicKey::from_affine(shared.to_affine()).map(|point| point.to_sec1_bytes());
    card.must(shared.is_ok_and(|shared| *agreed == *shared), "the point that both keys make")
}
