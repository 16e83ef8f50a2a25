//! DECIPHER — `80 62 id algorithm data Le`: decrypts, or agrees on a key.
//!
//! | P2   | input                          | output                                         |
//! |------|--------------------------------|------------------------------------------------|
//! | `21` | RSA cryptogram                 | block of the modulus' length, padding included |
//! | `22` | RSA cryptogram, PKCS#1 v1.5    | message                                        |
//! | `23` | RSA cryptogram, OAEP           | message; the hash is SHA-256 or SHA-1          |
//! | `80` | `04` ‖ x ‖ y, the peer's point | `04` ‖ x ‖ y, the shared point                 |
//! | `83` | 7F21, 42, 5F37                 | the same                                       |
//!
//! For `83` the peer is a key on another card, given by its authenticated request (the content of
//! tag 67); that card's certificates must have been verified. Data that is too long for an APDU is
//! in EF 2F10. `84` is DERIVE XKEK, a command in itself.
//!
//! A cryptogram whose padding turns out to be wrong has cost a use of a counted key.
//!
//! | SW     | when                                                                              |
//! |--------|-----------------------------------------------------------------------------------|
//! | `9000` | done                                                                              |
//! | `6982` | not logged in                                                                     |
//! | `6984` | no use of the key left                                                            |
//! | `6985` | the device key; a signature of the peer's request is wrong                        |
//! | `6A80` | cryptogram not as long as the modulus or not below it, bad padding, bad point,    |
//! |        | malformed request, or the peer's key on another curve                             |
//! | `6A81` | algorithm not of this firmware, not for this kind of key, or not in the key's list |
//! | `6A88` | no such key; no certificate was verified of the peer's card; no data of `83`      |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_decipher`; which hash OAEP has on a card is a guess.
//! `83`: the vendor's card service for Java, which has the same data as for `84`; that the response
//! is that of `80`, and the status words, are a guess.

use crate::context::Context;
use crate::key_agreement;
use crate::state::KeyId;
use vschsm_protocol::algorithm::{self, AUTHENTICATED_ECDH, Scheme};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::crypto::hash::Hash;
use vschsm_protocol::crypto::key_material::KeyMaterial;
use vschsm_protocol::crypto::padding;
use vschsm_protocol::cvc::AuthenticatedRequest;
use vschsm_protocol::tlv;
use zeroize::Zeroizing;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    let scheme = algorithm::scheme(command.p2);
    if scheme == Some(Scheme::AuthenticatedEcdh) {
        return agree_with_card(cx, command);
    }
    let output = cx.with_key(command.p1, command.p2, |key, _| match (key, scheme) {
        (
            KeyMaterial::Rsa(key),
            Some(Scheme::RsaRawDecryption | Scheme::RsaPkcs1Decryption | Scheme::RsaOaep),
        ) => key.private_operation(&command.data).ok_or(Status::WRONG_DATA),
        (KeyMaterial::Ec(key), Some(Scheme::Ecdh)) => {
            key.agree(&command.data).ok_or(Status::WRONG_DATA)
        }
        _ => Err(Status::FUNCTION_NOT_SUPPORTED),
    })?;
    let output = Zeroizing::new(output);
    let message = match scheme {
        Some(Scheme::RsaPkcs1Decryption) => padding::pkcs1_v15_unpad(&output),
        Some(Scheme::RsaOaep) => padding::oaep_unpad(Hash::Sha256, &output)
            .or_else(|| padding::oaep_unpad(Hash::Sha1, &output)),
        _ => Some(output.to_vec()),
    };
    Ok(Response::ok(message.ok_or(Status::WRONG_DATA)?))
}

fn agree_with_card(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    let user = cx.session.user()?;
    let key = cx.state.keys.get(KeyId::try_from(command.p1)?).ok_or(Status::REFERENCE_NOT_FOUND)?;
    cx.profile.allow_algorithm(AUTHENTICATED_ECDH)?;
    cx.state.keys.unlock(user, key, AUTHENTICATED_ECDH)?;
    let data = cx.long_data(command)?;
    let request = AuthenticatedRequest::parse(&tlv::parse(&data)?).ok_or(Status::WRONG_DATA)?;
    let peer = cx.session.requested_key(&request)?;
    let shared =
        cx.with_key(command.p1, AUTHENTICATED_ECDH, |key, _| key_agreement::agree(key, peer))?;
    Ok(Response::ok(shared))
}
