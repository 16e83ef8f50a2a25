//! INITIALIZE UPDATE — `80 50 version 00 challenge`: begins a channel with the issuer.
//!
//! The challenge has eight bytes. The response has 28: ten that identify the card, so that the
//! issuer can derive its keys, their version, `02` for SCP02, sequence counter (2) and card
//! challenge (6), and the card's cryptogram (8). Version 00 means whatever the card has.
//!
//! | SW     | when                                 |
//! |--------|--------------------------------------|
//! | `9000` | begun; an earlier channel has ended  |
//! | `6700` | the challenge is not eight bytes     |
//! | `6A86` | P2 is not 00                         |
//! | `6A88` | the card has no keys of that version |
//!
//! Source: GlobalPlatform Card Specification 2.1.1, E.5.1.

use super::context::CardManagerContext;
use super::session::CardManagerSession;
use crate::randomness::Purpose;
use rand_core::Rng;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::scp02::{Initiation, IssuerKeys};

/// SCP02.
const PROTOCOL: u8 = 0x02;

pub(super) fn run(cx: &mut CardManagerContext<'_>, command: &Command) -> Result<Response, Status> {
    *cx.session = CardManagerSession::default();
    if command.p2 != 0 {
        return Err(Status::INCORRECT_P1P2);
    }
    let challenge = <[u8; 8]>::try_from(command.data.as_slice());
    let challenge = challenge.map_err(|_| Status::WRONG_LENGTH)?;
    let keys = &cx.state.issuer_keys;
    if ![0, keys.version()].contains(&command.p1) {
        return Err(Status::REFERENCE_NOT_FOUND);
    }

    let mut random = [0; 6];
    cx.randomness.stream(Purpose::CardManager).fill_bytes(&mut random);
    let initiation = Initiation::new(keys, cx.profile.scp02_options(), challenge, random);
    let diversification = IssuerKeys::diversification(cx.state.device.serial());
    let response = [
        &diversification[..],
        &[keys.version(), PROTOCOL],
        initiation.card_challenge(),
        &initiation.card_cryptogram(),
    ];
    let response = response.concat();
    cx.session.initiation = Some(initiation);
    Ok(Response::ok(response))
}
