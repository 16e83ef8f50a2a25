//! MANAGE SECURITY ENVIRONMENT — `00 22 p1 p2 data`: sets what later commands work with.
//!
//! `81 B6 { 83 name }` chooses whose key verifies the next certificate. The name is the holder
//! reference (CHR) of a root, or of a certificate that VERIFY CERTIFICATE has verified since the
//! last reset. Clients also use it to find out which certificates they need not send.
//!
//! `81 A4 { 83 name }` chooses whose key signs the next challenge, by the holder reference (CHR)
//! under which it was registered.
//!
//! `41 A4 { 80 identifier }` chooses the protocol by which GENERAL AUTHENTICATE agrees on the keys
//! of secure messaging: the object identifier of chip authentication with AES-128 or with 3DES.
//!
//! | SW     | when                                                                   |
//! |--------|------------------------------------------------------------------------|
//! | `9000` | chosen                                                                 |
//! | `6985` | the key has authenticated the user already                             |
//! | `6A80` | malformed; not a protocol of this firmware; the choice stays as it was |
//! | `6A86` | another P1P2, or 81.. on a firmware before 2.0                         |
//! | `6A88` | the card knows no key of that name; the choice stays as it was         |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_select_pubkey` and `sc_hsm_perform_chip_authentication`;
//! the vendor's card service for Java, which takes 3DES where AES is `6A80`.

use crate::context::Context;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::secure_messaging::Protocol;
use vschsm_protocol::tlv;

/// Set for computation: the template for authentication.
const SET_CHIP_AUTHENTICATION: u16 = 0x41A4;
/// Set for verification: the template for authentication.
const SET_AUTHENTICATION_KEY: u16 = 0x81A4;
/// Set for verification: the template for digital signatures.
const SET_VERIFICATION_KEY: u16 = 0x81B6;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    match command.p1p2() {
        SET_CHIP_AUTHENTICATION => choose_protocol(cx, &command.data),
        SET_AUTHENTICATION_KEY if cx.profile.verifies_certificates() => {
            choose_authenticator(cx, &command.data)
        }
        SET_VERIFICATION_KEY if cx.profile.verifies_certificates() => {
            choose_issuer(cx, &command.data)
        }
        _ => Err(Status::INCORRECT_P1P2),
    }
}

fn choose_protocol(cx: &mut Context<'_>, data: &[u8]) -> Result<Response, Status> {
    let objects = tlv::parse(data)?;
    let identifier = tlv::find(&objects, 0x80).ok_or(Status::WRONG_DATA)?;

    let protocol = Protocol::ALL.into_iter().find(|known| known.identifier() == identifier);
    let protocol = protocol.filter(|protocol| cx.profile.has_protocol(*protocol));
    cx.session.protocol = Some(protocol.ok_or(Status::WRONG_DATA)?);
    Ok(Response::ok([]))
}

fn choose_authenticator(cx: &mut Context<'_>, data: &[u8]) -> Result<Response, Status> {
    let objects = tlv::parse(data)?;
    let holder = tlv::find(&objects, 0x83).ok_or(Status::WRONG_DATA)?;

    let keys = cx.state.configuration.authentication_keys.as_ref();
    let keys = keys.ok_or(Status::REFERENCE_NOT_FOUND)?;
    let number = keys.of_holder(holder).ok_or(Status::REFERENCE_NOT_FOUND)?;
    if keys.is_among(number, &cx.session.authenticated) {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    cx.session.authenticator = Some(number);
    Ok(Response::ok([]))
}

fn choose_issuer(cx: &mut Context<'_>, data: &[u8]) -> Result<Response, Status> {
    let objects = tlv::parse(data)?;
    let holder = tlv::find(&objects, 0x83).ok_or(Status::WRONG_DATA)?;

    let issuer = cx.session.trusted(holder).ok_or(Status::REFERENCE_NOT_FOUND)?;
    cx.session.issuer = Some(issuer);
    Ok(Response::ok([]))
}
