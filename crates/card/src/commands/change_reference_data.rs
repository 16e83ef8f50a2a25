//! CHANGE REFERENCE DATA — `00 24 00 p2 old ‖ new`: replaces a PIN.
//!
//! P2 is `81` for the user PIN and `88` for the SO-PIN. The card knows how long the
//! current PIN is and so where the new one begins. The right user PIN logs in, a transport PIN is
//! one no longer, and the session PIN ends.
//!
//! | SW     | when                                                                   |
//! |--------|------------------------------------------------------------------------|
//! | `9000` | changed                                                                |
//! | `63Cx` | current PIN wrong, x tries are left; a wrong user PIN logs out         |
//! | `6700` | data shorter or longer than two PINs can be, or shorter than the       |
//! |        | current one; on some firmwares the new PIN longer or shorter than it   |
//! | `6983` | no tries left, the last one spent just now or before                   |
//! | `6A80` | new user PIN not 6 to 16 bytes, or too short for its number of tries   |
//! | `6A86` | P1 is not 00, P2 not 81 or 88                                          |
//! | `6A88` | the card has no such PIN                                               |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_pin_cmd`; sc-hsm-embedded `token-sc-hsm.c`.

use crate::context::Context;
use crate::state::{Options, Pin};
use vschsm_protocol::apdu::{Command, Response, Status};

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    match (command.p1, command.p2) {
        (0x00, 0x81) => change_user(cx, &command.data),
        (0x00, 0x88) => change_so_pin(cx, &command.data),
        _ => Err(Status::INCORRECT_P1P2),
    }
}

fn change_user(cx: &mut Context<'_>, data: &[u8]) -> Result<Response, Status> {
    let current = cx.state.pins.user().ok_or(Status::REFERENCE_NOT_FOUND)?;
    let (shortest, longest) = (*Pin::USER_LENGTH.start(), *Pin::USER_LENGTH.end());
    if !(2 * shortest..=2 * longest).contains(&data.len()) {
        return Err(Status::WRONG_LENGTH);
    }
    let parts = data.split_at_checked(current.length());
    let (old, new) = parts.ok_or(Status::WRONG_LENGTH)?;
    cx.allow_length_of(new)?;

    let pin = cx.state.pins_mut().user_mut()?;
    pin.verify(old).inspect_err(|_| cx.session.log_out())?;
    *pin = Pin::user(new, pin.limit())?;
    cx.state.change_configuration(|configuration| {
        configuration.options = configuration.options.without(Options::TRANSPORT_PIN);
    });
    cx.session.session_pin = None;
    cx.session.verify_pin();
    cx.authenticate();
    Ok(Response::ok([]))
}

fn change_so_pin(cx: &mut Context<'_>, data: &[u8]) -> Result<Response, Status> {
    cx.state.pins.so_pin().ok_or(Status::REFERENCE_NOT_FOUND)?;
    if data.len() != 2 * Pin::SO_PIN_LENGTH {
        return Err(Status::WRONG_LENGTH);
    }
    let (old, new) = data.split_at(Pin::SO_PIN_LENGTH);

    let pin = cx.state.pins_mut().so_pin_mut()?;
    pin.verify(old)?;
    *pin = Pin::so_pin(new)?;
    Ok(Response::ok([]))
}
