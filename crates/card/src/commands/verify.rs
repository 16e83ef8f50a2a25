//! VERIFY — `00 20 p1 p2 [PIN]`: checks a PIN, or returns its state if there is no data.
//!
//! P2 is `81` for the user PIN (6 to 16 bytes) and `88` for the SO-PIN (8 bytes). P1 is `00`, or
//! `01` to keep the login when secure messaging ends, the open channel's or the next one's. If the
//! card also requires public keys to authenticate the user, the PIN alone does not log in. The
//! session PIN is accepted in place of the user PIN, as long as that has tries left. A value that
//! has the length of neither is not compared, and costs no try.
//!
//! P2 `85` and `86` are biometric templates, which other products of the vendor have.
//!
//! | SW     | when                                                                           |
//! |--------|--------------------------------------------------------------------------------|
//! | `9000` | PIN right; or no data and the user is logged in                                |
//! | `63Cx` | PIN wrong (a wrong user PIN logs out); or no data and not logged in: x tries left |
//! | `6300` | no data, and the card has public keys to authenticate with and no PIN          |
//! | `6700` | PIN longer or shorter than the card's; SO-PIN not 8 bytes         |
//! | `6983` | no tries left, the last one spent just now or before                           |
//! | `6984` | the user PIN is a transport PIN, which must be changed first; on a firmware    |
//! |        | without those the card has no such PIN                                         |
//! | `6A86` | P1 is not 00 or 01, P2 not 81 or 88; on some firmwares a template              |
//! | `6A88` | the card has no such PIN; on other firmwares a template                        |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_pin_cmd`; OpenSC issue 2432 for `6984`, and 1655 for
//! `6700`. The vendor's note of release 2.1 says that VERIFY keeps the login, and that P1 `01` does
//! it is a guess; so is that a login outlives a PIN that is not compared.

use crate::context::Context;
use crate::state::{Options, Pin};
use subtle::ConstantTimeEq;
use vschsm_protocol::apdu::{Command, Response, Status};

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    if command.p1 > 0x01 {
        return Err(Status::INCORRECT_P1P2);
    }
    let response = match (command.p2, command.data.as_slice()) {
        (0x81, []) => user_state(cx),
        (0x81, pin) => verify_user(cx, pin),
        (0x88, []) => return Err(so_pin(cx)?.status()),
        (0x88, code) => return verify_so_pin(cx, code),
        (0x85 | 0x86, _) => return Err(cx.profile.behaviour().verify_biometric),
        _ => return Err(Status::INCORRECT_P1P2),
    }?;
    if command.p1 == 0x01 {
        cx.session.keep_login();
    }
    Ok(response)
}

fn user_state(cx: &Context<'_>) -> Result<Response, Status> {
    if cx.session.user().is_ok() {
        return Ok(Response::ok([]));
    }
    match user(cx) {
        Err(_) if cx.state.configuration.authentication_keys.is_some() => {
            Err(Status::AUTHENTICATION_FAILED)
        }
        Err(status) => Err(status),
        Ok(pin) if pin.tries() > 0 && is_transport(cx) => Err(Status::REFERENCE_DATA_NOT_USABLE),
        Ok(pin) => Err(pin.status()),
    }
}

fn verify_user(cx: &mut Context<'_>, pin: &[u8]) -> Result<Response, Status> {
    let known = user(cx)?;
    let session_pin = cx.session.session_pin.as_ref();
    let lengths = [Some(known.length()), session_pin.map(|session_pin| session_pin.len())];
    if !lengths.contains(&Some(pin.len())) {
        return Err(Status::WRONG_LENGTH);
    }
    if known.tries() > 0 && is_transport(cx) {
        return Err(Status::REFERENCE_DATA_NOT_USABLE);
    }

    let user = cx.state.pins_mut().user_mut()?;
    match session_pin {
        Some(known) if user.tries() > 0 && bool::from(known.ct_eq(pin)) => {}
        _ => user.verify(pin).inspect_err(|_| cx.session.log_out())?,
    }
    cx.session.verify_pin();
    cx.authenticate();
    Ok(Response::ok([]))
}

/// Verifying the SO-PIN does not log in: commands that need the SO-PIN verify it themselves.
fn verify_so_pin(cx: &mut Context<'_>, code: &[u8]) -> Result<Response, Status> {
    so_pin(cx)?;
    if code.len() != Pin::SO_PIN_LENGTH {
        return Err(Status::WRONG_LENGTH);
    }
    cx.state.pins_mut().so_pin_mut()?.verify(code)?;
    Ok(Response::ok([]))
}

fn so_pin<'a>(cx: &'a Context<'_>) -> Result<&'a Pin, Status> {
    cx.state.pins.so_pin().ok_or(Status::REFERENCE_NOT_FOUND)
}

fn user<'a>(cx: &'a Context<'_>) -> Result<&'a Pin, Status> {
    cx.state.pins.user().ok_or(cx.profile.behaviour().verify_not_initialised)
}

fn is_transport(cx: &Context<'_>) -> bool {
    cx.state.configuration.options.has(Options::TRANSPORT_PIN)
}
