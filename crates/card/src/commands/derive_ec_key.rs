//! DERIVE EC KEY — `80 76 id new 98 offset`: makes an EC key of another one.
//!
//! The new private key is that of key `id` and the offset, a big-endian number from 1 byte up to
//! the length of the order and not a multiple of it, added modulo the order of the curve. It
//! inherits the attributes of key `id`: its algorithm list and key domain, and its use counter or
//! quota, which both keys share from then on; this command already counts as one use. A key that
//! has the id `new` is replaced.
//!
//! | SW     | when                                                                              |
//! |--------|-----------------------------------------------------------------------------------|
//! | `9000` | derived                                                                           |
//! | `6982` | not logged in                                                                     |
//! | `6984` | no use of the key left                                                            |
//! | `6985` | either key is the device key                                                      |
//! | `6A80` | malformed; an offset too long, or one that gives the same key; the sum is zero    |
//! | `6A81` | not an EC key, or its list, if it has one at all, does not name `98`              |
//! | `6A84` | the memory is full                                                                |
//! | `6A88` | no such key                                                                       |
//!
//! Source: sc-hsm-embedded `token-sc-hsm.c`, `sc_hsm_C_DeriveKey`; Nitrokey support thread 2134 for
//! `6A81`. Offsets of other lengths than 32 bytes, and the inheritance of attributes, are a guess
//! on the safe side: a copied use counter would allow as many uses again with each derivation.

use crate::context::Context;
use crate::state::KeyId;
use vschsm_protocol::algorithm::EC_KEY_DERIVATION;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::crypto::key_material::KeyMaterial;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    cx.session.user()?;
    let new = KeyId::try_from(command.p2)?;
    let derived = cx.with_key(command.p1, EC_KEY_DERIVATION, |secret, _| {
        let KeyMaterial::Ec(key) = secret else { return Err(Status::FUNCTION_NOT_SUPPORTED) };
        match command.data.as_slice() {
            [EC_KEY_DERIVATION, offset @ ..] if key.is_offset(offset) => Ok(key.plus(offset)),
            _ => Err(Status::WRONG_DATA),
        }
    })?;
    let derived = KeyMaterial::Ec(derived.ok_or(Status::WRONG_DATA)?);

    let base = KeyId::try_from(command.p1)?;
    cx.state.derive_key(base, new, derived);
    Ok(Response::ok([]))
}
