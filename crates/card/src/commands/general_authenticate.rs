//! GENERAL AUTHENTICATE — `00 86 00 00 7C { 80 point } Le`: agrees on the keys of secure messaging.
//!
//! The point is that of a key pair which the host has made on brainpoolP256r1; the card's is the
//! device key, whose certificate is in EF 2F02. The response is 7C { 81 nonce, 82 token }, 8 bytes
//! each: with the nonce the host derives the keys, and the token shows that the card has them.
//! MANAGE SECURITY ENVIRONMENT has chosen the protocol. From the next command on the host may
//! [protect](vschsm_protocol::secure_messaging) its commands. The response itself is plain, or
//! protected with the keys of the channel that the new one replaces.
//!
//! | SW     | when                                                             |
//! |--------|------------------------------------------------------------------|
//! | `9000` | agreed                                                           |
//! | `6985` | no protocol was chosen since the last reset                      |
//! | `6A80` | malformed; not `04`, x, y of a point on the curve                |
//! | `6A86` | P1 or P2 is not 00                                               |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_perform_chip_authentication`; the vendor's scripts; that
//! the response is protected with the older keys: TR-03110 part 3 and the vendor's eID simulator.

use crate::context::Context;
use crate::randomness::Purpose;
use rand_core::Rng;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::secure_messaging::{Channel, SessionKeys};
use vschsm_protocol::tlv;
use zeroize::Zeroizing;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    if command.p1p2() != 0 {
        return Err(Status::INCORRECT_P1P2);
    }
    let protocol = cx.session.protocol.ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    let point = tlv::at(&command.data, &[0x7C, 0x80]).ok_or(Status::WRONG_DATA)?;
    let shared = cx.state.device.key().agree(point).map(Zeroizing::new);
    let shared = shared.ok_or(Status::WRONG_DATA)?;
    let x = shared.get(1..).and_then(<[u8]>::first_chunk).expect("a point of the device curve");

    let mut nonce = [0; 8];
    cx.randomness.stream(Purpose::SecureMessaging).fill_bytes(&mut nonce);
    let keys = SessionKeys::new(protocol, x, &nonce);
    let token = keys.token(protocol, point);
    cx.session.channel = Some(Channel::new(keys));
    let proof = [tlv::encode(0x81, &nonce), tlv::encode(0x82, &token)];
    Ok(Response::ok(tlv::encode(0x7C, &proof.concat())))
}
