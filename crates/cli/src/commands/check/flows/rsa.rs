//! RSA keys of 2048 bits.

use super::Dialogue;
use crate::process::seed::Seed;
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use rsa::{BoxedUint, Pkcs1v15Encrypt, Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest, Sha256};
use vschsm_host::command;
use vschsm_protocol::tlv;
use vschsm_vectors::PlayError;

const BITS: u16 = 2048;
const MESSAGE: &[u8] = b"vschsm check";

pub(super) fn key_signs_and_decrypts(card: &mut Dialogue<'_>) -> Result<(), PlayError> {
    let request = card.ask(command::generate(1, &command::rsa_template(BITS, &[])))?;
    let key = card.there(public_key(&request), "a request for an RSA key of 2048 bits")?;

    let signature = card.ask(command::with_le([0x80, 0x68, 0x01, 0x33], MESSAGE))?;
    let scheme = Pkcs1v15Sign::new::<Sha256>();
    let genuine = key.verify(scheme, &Sha256::digest(MESSAGE), &signature).is_ok();
    card.must(genuine, "a signature of the key that was generated")?;

    let seed = Seed::random().map_err(|none| PlayError::Failed(none.to_string()))?;
    let cryptogram = key
        .encrypt(&mut ChaCha20Rng::from_seed(seed.into()), Pkcs1v15Encrypt, MESSAGE)
        .map_err(|error| PlayError::Failed(format!("cannot encrypt: {error}")))?;
    // Raw, as every firmware has it: the card leaves the padding to the host.
    let block = card.ask(command::with_le([0x80, 0x62, 0x01, 0x21], &cryptogram))?;
    let padded = block.strip_suffix(MESSAGE).and_then(|padded| padded.strip_suffix(&[0x00]));
    card.must(padded.is_some_and(|padded| padded.starts_with(&[0x00, 0x02])), "what was encrypted")
}

/// The key in a request, 67 { 7F21 { 7F4E { 7F49 { 81 modulus, 82 exponent } } } }.
fn public_key(request: &[u8]) -> Option<RsaPublicKey> {
    let key = tlv::at(request, &[0x67, 0x7F21, 0x7F4E, 0x7F49])?;
    let number = |tag, bits| BoxedUint::from_be_slice(tlv::at(key, &[tag])?, bits).ok();
    RsaPublicKey::new(number(0x81, BITS.into())?, number(0x82, 64)?).ok()
}
