//! DERIVE EC KEY — `80 76 id new 98 offset`: makes an EC key of another one.
//!
//! The new private key is that of key `id` and the offset, a big-endian number of 1 byte up to the
//! length of the order, added up modulo the order of the curve. It gets the limits of key `id`, the
//! use that this is counted already; if they are a quota, both share it from then on. A key that
//! has the id `new` is replaced.
//!
//! | SW     | when                                                                              |
//! |--------|-----------------------------------------------------------------------------------|
//! | `9000` | derived                                                                           |
//! | `6982` | not logged in                                                                     |
//! | `6984` | no use of the key left                                                            |
//! | `6985` | either key is the device key                                                      |
//! | `6A80` | malformed; an offset too long; the sum is zero                                    |
//! | `6A81` | not an EC key, or its list, if it has one at all, does not name `98`              |
//! | `6A84` | the memory is full                                                                |
//! | `6A88` | no such key                                                                       |
//!
//! Source: sc-hsm-embedded `token-sc-hsm.c`, `sc_hsm_C_DeriveKey`; Nitrokey forum 2134 for `6A81`.
//! What offsets may be but 32 bytes, and what becomes of the limits, is a guess.

use super::{Answer, Context};
use crate::apdu::{Command, Response, Status};
use crate::state::{KeyId, Secret};

/// The algorithm, as the data begins with it.
pub(super) const ALGORITHM: u8 = 0x98;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Answer {
    cx.session.user()?;
    let new = KeyId::try_from(command.p2)?;
    let derived = cx.with_key(command.p1, ALGORITHM, |secret, _| {
        let Secret::Ec(key) = secret else { return Err(Status::FUNCTION_NOT_SUPPORTED) };
        match command.data.as_slice() {
            [ALGORITHM, offset @ ..] if !offset.is_empty() => key.plus(offset),
            _ => None,
        }
        .ok_or(Status::WRONG_DATA)
    })?;

    let id = KeyId::try_from(command.p1)?;
    let base = cx.state.keys.get(id).ok_or(Status::REFERENCE_NOT_FOUND)?;
    let key = base.derived(id, Secret::Ec(derived));
    cx.state.change().keys.insert(new, key);
    Ok(Response::ok([]))
}
