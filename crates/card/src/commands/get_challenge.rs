//! GET CHALLENGE — `00 84 00 00 Le`: gives Le random bytes, 1 to 1,024. Eight of them are what the
//! next EXTERNAL AUTHENTICATE has signed.
//!
//! | SW     | when                              |
//! |--------|-----------------------------------|
//! | `9000` | given                             |
//! | `6700` | no Le, or more than 1,024 bytes   |
//! | `6A86` | P1 or P2 is not 00                |
//!
//! Source: openKex's tests on firmware 1.2 and 2.0: 1,024 works and 1,025 is refused.

use crate::context::Context;
use crate::randomness::Purpose;
use alloc::vec;
use rand_core::Rng;
use vschsm_protocol::apdu::{Command, Response, Status};

const LONGEST: usize = 1024;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    if command.p1p2() != 0 {
        return Err(Status::INCORRECT_P1P2);
    }
    let length = command.ne.filter(|ne| *ne <= LONGEST).ok_or(Status::WRONG_LENGTH)?;
    let mut challenge = vec![0; length];
    cx.randomness.stream(Purpose::Challenge).fill_bytes(&mut challenge);
    cx.session.challenge = challenge.as_slice().try_into().ok();
    Ok(Response::ok(challenge))
}
