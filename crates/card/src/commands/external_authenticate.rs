//! EXTERNAL AUTHENTICATE — `00 82 00 00 signature`: a custodian's key has signed the challenge.
//!
//! MANAGE SECURITY ENVIRONMENT has chosen the key, and GET CHALLENGE has given eight bytes. What is
//! signed, by ECDSA with SHA-256, is the holder reference (CHR) of this card's device certificate
//! and the challenge; the signature is r ‖ s, or a SEQUENCE of both. A challenge is good for one
//! attempt. When as many keys have authenticated as are required, and all are registered, the user
//! is logged in, unless the options want the PIN as well.
//!
//! | SW     | when                                                        |
//! |--------|-------------------------------------------------------------|
//! | `9000` | the signature is right                                      |
//! | `6300` | the signature is wrong                                      |
//! | `6700` | no data                                                     |
//! | `6985` | there is no challenge of eight bytes                        |
//! | `6A86` | P1 or P2 is not 00                                          |
//! | `6A88` | no key was chosen                                           |
//!
//! Source: the vendor's card service for Java, for what is signed and that `6300` may follow; it
//! has r ‖ s wherever it signs. That DER is taken too, `6985`, and that one challenge is good for
//! one attempt are a guess.

use crate::context::Context;
use vschsm_protocol::apdu::{Command, Response, Status};

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    if command.p1p2() != 0 {
        return Err(Status::INCORRECT_P1P2);
    }
    let number = cx.session.authenticator.ok_or(Status::REFERENCE_NOT_FOUND)?;
    let keys = cx.state.configuration.authentication_keys.as_ref();
    let key = keys.ok_or(Status::REFERENCE_NOT_FOUND)?.key(number)?.key();
    if command.data.is_empty() {
        return Err(Status::WRONG_LENGTH);
    }
    let challenge = cx.session.challenge.take().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;

    let signed = [cx.state.device.reference(), &challenge].concat();
    if !key.signed(&command.data, &signed) {
        return Err(Status::AUTHENTICATION_FAILED);
    }
    cx.session.authenticator = None;
    cx.session.authenticated.insert(number);
    cx.authenticate();
    Ok(Response::ok([]))
}
