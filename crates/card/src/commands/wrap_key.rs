//! WRAP KEY — `80 72 id 92 Le`: exports a key as a blob, which cards with the same DKEK can import.
//!
//! The key-encryption key is that of the key's domain, or of domain 0 if it has no such attribute.
//! The blob has the key's algorithm list.
//!
//! | SW     | when                                                          |
//! |--------|---------------------------------------------------------------|
//! | `9000` | wrapped                                                       |
//! | `6982` | not logged in                                                 |
//! | `6985` | the device key, or a key whose uses are counted; a key that   |
//! |        | was generated for another key to wrap it                      |
//! | `6A81` | the key has a list, and `92` is not in it                     |
//! | `6A86` | P2 is not 92                                                  |
//! | `6A88` | no such key, or its domain has no complete key-encryption key |
//! | `6D00` | the card was initialised without DKEK shares and key domains  |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_wrap_key`, and `sc-hsm-tool.c` for `6D00`; Nitrokey
//! forum 1783 for the list. That counted keys stay on the card is a guess: a copy would have all
//! uses again. So is that those do which another key is to wrap (tag 93 of GENERATE SYMMETRIC KEY):
//! in which form is not known. So is that `6D00` comes before `6982`.

use crate::context::Context;
use crate::randomness::Purpose;
use crate::state::KeyId;
use rand_core::Rng;
use vschsm_protocol::algorithm::WRAP;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::key_blob;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    cx.state.domains.configured()?;
    let user = cx.session.user()?;
    if command.p2 != WRAP {
        return Err(Status::INCORRECT_P1P2);
    }
    let id = KeyId::try_from(command.p1)?;
    let key = cx.state.keys.get(id).ok_or(Status::REFERENCE_NOT_FOUND)?;
    if cx.state.keys.uses_left(key).is_some() || key.wrapping_key().is_some() {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    let secret = cx.state.keys.unlock(user, key, WRAP)?;
    let kek = cx.state.domains.kek(key.effective_domain())?;

    let mut random = [0; 8];
    cx.randomness.stream(Purpose::Wrap(id)).fill_bytes(&mut random);
    Ok(Response::ok(key_blob::wrap(secret, key.algorithms(), kek, random)?))
}
