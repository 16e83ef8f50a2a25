//! EXTERNAL AUTHENTICATE — `84 82 level 00 cryptogram MAC`: the issuer shows that they have the
//! keys.
//!
//! The level says how commands in the channel are secured: `00` not at all, `01` by a MAC, `03` by
//! a MAC and encrypted.
//!
//! | SW     | when                                                                     |
//! |--------|--------------------------------------------------------------------------|
//! | `9000` | the channel is open                                                      |
//! | `6300` | the cryptogram is wrong                                                  |
//! | `6700` | not 16 bytes                                                             |
//! | `6982` | the class is not 84                                                      |
//! | `6985` | INITIALIZE UPDATE was not the command before, or the keys are used up    |
//! | `6988` | the MAC is wrong                                                         |
//! | `6A86` | P1 is no level of this card, or P2 is not 00                             |
//!
//! Source: GlobalPlatform Card Specification 2.1.1, E.5.2.

use super::context::CardManagerContext;
use super::session::CardManagerSession;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::scp02::Level;

pub(super) fn run(cx: &mut CardManagerContext<'_>, command: &Command) -> Result<Response, Status> {
    let CardManagerSession { initiation, .. } = core::mem::take(cx.session);
    if command.cla != 0x84 {
        return Err(Status::SECURITY_STATUS_NOT_SATISFIED);
    }
    let level = Level::try_from(command.p1)?;
    if command.p2 != 0 {
        return Err(Status::INCORRECT_P1P2);
    }
    let initiation = initiation.ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    let channel = initiation.authenticate(level, command)?;

    let keys = cx.state.issuer_keys.after_channel().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    cx.state.set_issuer_keys(keys);
    cx.session.channel = Some(channel);
    Ok(Response::ok([]))
}
