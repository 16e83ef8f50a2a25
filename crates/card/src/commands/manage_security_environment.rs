//! MANAGE SECURITY ENVIRONMENT — `00 22 81 B6 { 83 name }`: chooses whose key verifies the next
//! certificate.
//!
//! The name is the holder reference (CHR) of a root, or of a certificate that VERIFY CERTIFICATE
//! has taken since the last reset. Clients also ask with it which certificates they can spare.
//!
//! | SW     | when                                                       |
//! |--------|------------------------------------------------------------|
//! | `9000` | chosen                                                     |
//! | `6A80` | malformed                                                  |
//! | `6A86` | P1P2 is not 81B6                                           |
//! | `6A88` | the card knows no key of that name; the choice stays as it was |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_select_pubkey`; the vendor's card service for Java.

use super::{Answer, Context};
use crate::apdu::{Command, Response, Status};
use crate::tlv;

/// Set for verification: the template for digital signatures.
const SET_VERIFICATION_KEY: u16 = 0x81B6;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Answer {
    if command.p1p2() != SET_VERIFICATION_KEY {
        return Err(Status::INCORRECT_P1P2);
    }
    let objects = tlv::parse(&command.data)?;
    let holder = tlv::find(&objects, 0x83).ok_or(Status::WRONG_DATA)?;

    let issuer = cx.session.trusted(holder).ok_or(Status::REFERENCE_NOT_FOUND)?;
    cx.session.issuer = Some(issuer);
    Ok(Response::ok([]))
}
