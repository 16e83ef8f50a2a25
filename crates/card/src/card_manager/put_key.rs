//! PUT KEY — `80 D8 version 81 …`: replaces the issuer's keys.
//!
//! The data are the new version, and for each of the three keys `80 10`, the key, encrypted with
//! the channel's key for data, `03`, and the key check value. The response is the new version and
//! the check values. Version 00 means the current one. The channel stays open.
//!
//! | SW     | when                                                               |
//! |--------|--------------------------------------------------------------------|
//! | `9000` | replaced; the sequence counter is 0                                |
//! | `6A80` | malformed; a version above 127; a check value that is not the key's |
//! | `6A86` | P2 is not 81                                                       |
//! | `6A88` | the card has no keys of that version                               |
//!
//! Source: GlobalPlatform Card Specification 2.1.1, section 9.8. That a version may be 00 is ours.

use super::context::CardManagerContext;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::scp02::IssuerKeys;
use zeroize::Zeroizing;

/// P2: several keys, of which the first has number 1.
const SEVERAL: u8 = 0x81;

pub(super) fn run(cx: &mut CardManagerContext<'_>, command: &Command) -> Result<Response, Status> {
    if command.p2 != SEVERAL {
        return Err(Status::INCORRECT_P1P2);
    }
    if ![0, cx.state.issuer_keys.version()].contains(&command.p1) {
        return Err(Status::REFERENCE_NOT_FOUND);
    }
    let channel = cx.session.channel.as_ref().ok_or(Status::SECURITY_STATUS_NOT_SATISFIED)?;
    let (version, fields) = command.data.split_first().ok_or(Status::WRONG_DATA)?;
    let (fields, []) = fields.as_chunks::<22>() else { return Err(Status::WRONG_DATA) };
    let keys: [_; 3] = fields.try_into().map_err(|_| Status::WRONG_DATA)?;
    let mut given = [[0; 3]; 3];
    let mut decrypted = Zeroizing::new([[0; 16]; 3]);
    for ((field, value), key) in keys.iter().zip(&mut given).zip(decrypted.iter_mut()) {
        let [0x80, 0x10, field @ .., 0x03, a, b, c] = field else {
            return Err(Status::WRONG_DATA);
        };
        *key = *channel.decrypt_key(field);
        *value = [*a, *b, *c];
    }
    if IssuerKeys::check_values(&decrypted) != given {
        return Err(Status::WRONG_DATA);
    }

    let keys = IssuerKeys::restored(*version, &decrypted, 0).ok_or(Status::WRONG_DATA)?;
    cx.state.set_issuer_keys(keys);
    Ok(Response::ok([&[*version][..], given.as_flattened()].concat()))
}
