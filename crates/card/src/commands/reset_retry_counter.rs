//! RESET RETRY COUNTER — `00 2C p1 81 SO-PIN [‖ new PIN]`: unblocks the user PIN.
//!
//! The data begins with the SO-PIN (8 bytes). P1 is `00` to set a new PIN and `01` to keep the old
//! one. The user is not logged in afterwards, and the session PIN has ended.
//!
//! | SW     | when                                                                     |
//! |--------|--------------------------------------------------------------------------|
//! | `9000` | unblocked                                                                |
//! | `63Cx` | SO-PIN wrong, x tries are left                                           |
//! | `6700` | data not 8 bytes (P1 01), or not 14 to 24 bytes (P1 00); on some         |
//! |        | firmwares the new PIN longer or shorter than the old one                 |
//! | `6983` | no tries of the SO-PIN left, the last one spent just now or before       |
//! | `6985` | option 0001 is not set; or P1 is 00 and option 0020 is set               |
//! | `6A80` | new PIN too short for the retry counter                                  |
//! | `6A86` | P1 is not 00 or 01, P2 not 81                                            |
//! | `6A88` | the card has no user PIN                                                 |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_pin_cmd`; OpenSC pull request 3786 for option 0020.

use crate::context::Context;
use crate::state::{Options, Pin};
use vschsm_protocol::apdu::{Command, Response, Status};

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    let (shortest, longest) = match (command.p1, command.p2) {
        (0x00, 0x81) => (*Pin::USER_LENGTH.start(), *Pin::USER_LENGTH.end()),
        (0x01, 0x81) => (0, 0),
        _ => return Err(Status::INCORRECT_P1P2),
    };
    cx.state.pins.user().ok_or(Status::REFERENCE_NOT_FOUND)?;
    let options = cx.state.configuration.options;
    let sets_pin = command.p1 == 0x00;
    if !options.has(Options::RESET_RETRY_COUNTER) || sets_pin && options.has(Options::NO_PIN_RESET)
    {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    let parts = command.data.split_at_checked(Pin::SO_PIN_LENGTH);
    let (code, new) = parts.ok_or(Status::WRONG_LENGTH)?;
    if !(shortest..=longest).contains(&new.len()) {
        return Err(Status::WRONG_LENGTH);
    }
    if sets_pin {
        cx.allow_length_of(new)?;
    }

    let pins = cx.state.pins_mut();
    pins.so_pin_mut()?.verify(code)?;
    let user = pins.user_mut()?;
    if sets_pin {
        *user = Pin::user(new, user.limit())?;
    }
    user.unblock();
    cx.session.session_pin = None;
    cx.session.log_out();
    Ok(Response::ok([]))
}
