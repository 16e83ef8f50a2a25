//! GENERATE SESSION PIN — `80 5A 01 81 Le`: gives a PIN that VERIFY takes as well as the user PIN,
//! until the card is reset or the applet selected, or CHANGE REFERENCE DATA or RESET RETRY COUNTER
//! gives the user another PIN or new tries.
//!
//! It is for programs that pass a login on to others without keeping the PIN. It has 8 random
//! bytes, and another one replaces it.
//!
//! | SW     | when                                              |
//! |--------|---------------------------------------------------|
//! | `9000` | given                                             |
//! | `6982` | not logged in, or not under secure messaging      |
//! | `6985` | option 0004 is not set                            |
//! | `6A86` | P1P2 is not 0181                                  |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_pin_cmd`, which says that it needs secure messaging; the
//! form of the PIN, when it ends, the status words and their order are guesses.

use crate::context::Context;
use crate::randomness::Purpose;
use crate::state::Options;
use rand_core::Rng;
use vschsm_protocol::apdu::{Command, Response, Status};
use zeroize::Zeroizing;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    if command.p1p2() != 0x0181 {
        return Err(Status::INCORRECT_P1P2);
    }
    if !cx.state.configuration.options.has(Options::SESSION_PIN) {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    cx.session.user()?;
    // A plain command has ended the channel, if there was one.
    if cx.session.channel.is_none() {
        return Err(Status::SECURITY_STATUS_NOT_SATISFIED);
    }

    let mut pin = Zeroizing::new([0; 8]);
    cx.randomness.stream(Purpose::SessionPin).fill_bytes(pin.as_mut());
    let response = Response::ok(pin.to_vec());
    cx.session.session_pin = Some(pin);
    Ok(response)
}
