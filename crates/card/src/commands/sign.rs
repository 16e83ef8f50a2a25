//! SIGN — `80 68 id algorithm data Le`: signs with a private key.
//!
//! | P2      | input                                 | signature                             |
//! |---------|---------------------------------------|---------------------------------------|
//! | `20`    | block of the modulus' length          | RSA                                   |
//! | `30`    | DigestInfo                            | RSA, PKCS#1 v1.5                      |
//! | `31-35` | message for SHA-1, -, 256, 384, 512   | RSA, PKCS#1 v1.5                      |
//! | `40`    | hash: 20, 32, 48 or 64 bytes          | RSA, PSS with the hash of that length |
//! | `41-45` | message for SHA-1, -, 256, 384, 512   | RSA, PSS                              |
//! | `70`    | hash, 1 to 66 bytes                   | ECDSA                                 |
//! | `71-75` | message for SHA-1, 224, 256, 384, 512 | ECDSA                                 |
//!
//! An RSA signature is as long as the modulus, an ECDSA one is `30 { 02 r, 02 s }`: in DER, or, by
//! firmwares that do so, with leading zeros up to the length of the curve's order. It is returned
//! whole whatever Le says, and without one: so do cards with T=1.
//!
//! | SW     | when                                                                              |
//! |--------|-----------------------------------------------------------------------------------|
//! | `9000` | signed                                                                            |
//! | `6982` | not logged in                                                                     |
//! | `6984` | no use of the key left                                                            |
//! | `6985` | the device key                                                                    |
//! | `6A80` | input of a length that the algorithm does not take, or not below the modulus;     |
//! |        | by firmwares that refuse it, `40` with a hash of 48 or 64 bytes                   |
//! | `6A81` | algorithm not of this firmware, not for this kind of key, or not in the key's list |
//! | `6A88` | no such key                                                                       |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_compute_signature`; Nitrokey support thread 1726
//! for `6A81`.

use crate::context::Context;
use crate::profile::{EcdsaEncoding, Restriction};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::crypto::ec;
use vschsm_protocol::crypto::key_material::KeyMaterial;
use vschsm_protocol::signature;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    let profile = cx.profile;
    let signature = cx.with_key(command.p1, command.p2, |key, rng| {
        if matches!((key, command.p2, command.data.len()), (KeyMaterial::Rsa(_), 0x40, 48 | 64)) {
            profile.restrict(Restriction::SignPssOfLongHash)?;
        }
        let signature = signature::sign(command.p2, key, &command.data, rng)?;
        Ok(match key {
            KeyMaterial::Ec(key) => match profile.behaviour().ecdsa_signature.on(key.curve()) {
                EcdsaEncoding::Minimal => ec::signature_to_der(&signature),
                EcdsaEncoding::Fixed => ec::signature_to_fixed(&signature),
            },
            KeyMaterial::Rsa(_) | KeyMaterial::Aes(_) => signature,
        })
    })?;
    Ok(Response::ok(signature))
}
