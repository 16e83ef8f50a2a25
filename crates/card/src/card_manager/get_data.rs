//! GET DATA — `80 CA tag`: what the card says of itself.
//!
//! | tag    | what                                                                          |
//! |--------|-------------------------------------------------------------------------------|
//! | `0066` | card recognition data: GlobalPlatform 2.1.1, SCP02 and its options            |
//! | `00C1` | the sequence counter of the issuer's keys                                     |
//! | `00E0` | numbers, version, algorithm (80, DES) and length of the issuer's keys         |
//! | `9F7F` | production: manufacturer of the chip (4790, NXP), and its serial number       |
//!
//! | SW     | when                 |
//! |--------|----------------------|
//! | `9000` | the object, tag first |
//! | `6A88` | the card has no such |
//!
//! Source: GlobalPlatform Card Specification 2.1.1, section 9.3 and appendix F. That all of 9F7F
//! but the manufacturer is zero or derived from the serial number is ours.

use super::context::CardManagerContext;
use alloc::vec::Vec;
use hex_literal::hex;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::scp02::{IDENTIFIER, IssuerKeys};
use vschsm_protocol::tlv;

pub(super) fn run(cx: &mut CardManagerContext<'_>, command: &Command) -> Result<Response, Status> {
    let tag = command.p1p2();
    let keys = &cx.state.issuer_keys;
    let value = match tag {
        0x0066 => recognition(cx.profile.scp02_options()),
        0x00C1 => keys.sequence().to_be_bytes().to_vec(),
        0x00E0 => [1, 2, 3].map(|key| [0xC0, 0x04, key, keys.version(), 0x80, 0x10]).concat(),
        0x9F7F => production(cx.state.device.serial()),
        _ => return Err(Status::REFERENCE_NOT_FOUND),
    };
    Ok(Response::ok(tlv::encode(tag, &value)))
}

fn recognition(options: u8) -> Vec<u8> {
    let scheme = [&IDENTIFIER[..], &[options]].concat();
    let objects = [
        tlv::encode(0x06, &hex!("2A864886FC6B01")),
        tlv::encode(0x60, &tlv::encode(0x06, &hex!("2A864886FC6B02020101"))),
        tlv::encode(0x63, &tlv::encode(0x06, &hex!("2A864886FC6B03"))),
        tlv::encode(0x64, &tlv::encode(0x06, &scheme)),
    ];
    tlv::encode(0x73, &objects.concat())
}

/// Card production life cycle data: 42 bytes.
fn production(serial: &[u8]) -> Vec<u8> {
    let [a, b, c, d, ..] = IssuerKeys::diversification(serial);
    [&hex!("4790")[..], &[0; 10], &[a, b, c, d], &[0; 26]].concat()
}
