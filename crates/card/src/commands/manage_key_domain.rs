//! MANAGE KEY DOMAIN — `80 52 what domain [data] [Le]`: what keys are wrapped with.
//!
//! | P1   | data     | what is done                                                        |
//! |------|----------|---------------------------------------------------------------------|
//! | `00` | none     | nothing; the state is returned                                      |
//! | `00` | 32 bytes | a share of the key-encryption key is imported                       |
//! | `01` | 1 byte   | a domain with as many shares is created; with 0 it has a random key |
//! | `02` | TLVs     | a domain for key exchange (XKEK) is created                         |
//! | `03` | none     | the domain is deleted; the response has no data                     |
//! | `04` | none     | the key-encryption key is cleared: all its shares are missing again |
//!
//! P2 is the domain. The response has the number of shares, the number of missing shares, and the
//! key check value of the key-encryption key (8 bytes), which is zero until the key is complete;
//! for a domain for key exchange it has `FF` `00`, the check value, and the domain's UID.
//!
//! A key-encryption key is the exclusive or of its shares, which need no login, or what two cards
//! agree on with DERIVE XKEK. Cards in a domain for key exchange are a group: its signer is a key
//! of some card, whose public point x ‖ y is the domain's UID. The data of P1 `02` is the content
//! of the authenticated request (tag 67) for the signer's certificate, 7F21, 42 and 5F37, by a card
//! whose certificates were verified; and a membership, 54, the signer's ECDSA signature r ‖ s with
//! SHA-256 over `54` and the x coordinate of this card's device key.
//!
//! | SW     | when                                                                       |
//! |--------|----------------------------------------------------------------------------|
//! | `9000` | done                                                                       |
//! | `6700` | a share not of 32 bytes, a number of shares not of 1                       |
//! | `6982` | P1 01, 02, 03 or 04 without login                                          |
//! | `6985` | no share is missing; the domain to be created exists;                      |
//! |        | a signature of P1 02 is wrong                                              |
//! | `6A80` | the data of P1 02 is malformed                                             |
//! | `6A86` | another P1, or one that the firmware does not have; a slot beyond the last |
//! | `6A88` | no domain in the slot; no certificate was verified of the signer's card    |
//! | `6A89` | a domain to be deleted has keys                                            |
//! | `6D00` | the card was initialised without DKEK shares and without key domains       |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_import_dkek_share`, and pull request 3786 for P1 01, 03
//! and 04; the vendor's card service for Java for the responses. P1 02 is known from files that its
//! scripts make for it, and from what others have made of them; `FF` `00` is a guess.

use crate::context::Context;
use crate::randomness::Purpose;
use crate::state::{KekSource, KeyDomain};
use alloc::vec::Vec;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::crypto::hash::Hash;
use vschsm_protocol::cvc::{AuthenticatedRequest, VerificationKey};
use vschsm_protocol::tlv;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    cx.state.domains.check(command.p2)?;
    match command.p1 {
        0x00 => {}
        0x01..=0x04 if cx.profile.has_key_domains() => {
            cx.session.user()?;
        }
        _ => return Err(Status::INCORRECT_P1P2),
    }
    match (command.p1, command.data.as_slice()) {
        (0x00, []) => {}
        (0x00, share) => import(cx, command.p2, share)?,
        (0x01, shares) => create(cx, command.p2, shares)?,
        (0x02, membership) => join(cx, command.p2, membership)?,
        (0x03, _) => return delete(cx, command.p2),
        (_, _) => cx.state.change_domain(command.p2, |domain| {
            domain.clear();
            Ok(())
        })?,
    }
    Ok(Response::ok(information(cx.state.domains.domain(command.p2)?)))
}

fn information(domain: &KeyDomain) -> Vec<u8> {
    let (shares, uid) = match domain.kek_source() {
        KekSource::Shares { number, missing } => ([*number, *missing], &[][..]),
        KekSource::Exchange { uid } => ([0xFF, 0x00], uid.as_slice()),
    };
    [&shares, domain.check_value().unwrap_or_default().as_slice(), uid].concat()
}

fn import(cx: &mut Context<'_>, number: u8, share: &[u8]) -> Result<(), Status> {
    cx.state.domains.domain(number)?;
    let share = share.try_into().map_err(|_| Status::WRONG_LENGTH)?;
    cx.state.change_domain(number, |domain| domain.import(share))
}

fn create(cx: &mut Context<'_>, number: u8, shares: &[u8]) -> Result<(), Status> {
    check_empty(cx, number)?;
    let &[shares] = shares else { return Err(Status::WRONG_LENGTH) };
    let domain = KeyDomain::of_shares(shares, cx.randomness.stream(Purpose::KeyDomain(number)));
    fill(cx, number, domain)
}

/// Creates a domain for key exchange in the group that this card is a member of.
fn join(cx: &mut Context<'_>, number: u8, data: &[u8]) -> Result<(), Status> {
    check_empty(cx, number)?;
    let objects = tlv::parse(data)?;
    let (membership, request) = objects.split_last().ok_or(Status::WRONG_DATA)?;
    let request = AuthenticatedRequest::parse(request).ok_or(Status::WRONG_DATA)?;
    if membership.tag != 0x54 {
        return Err(Status::WRONG_DATA);
    }
    let signer = cx.session.requested_key(&request)?;
    let device = VerificationKey::on_device_curve(cx.state.device.key().public_point());
    let (x, _) = device.coordinates();
    if !signer.made_with(Hash::Sha256, membership.value, &[&[0x54], x].concat()) {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }

    let (x, y) = signer.coordinates();
    fill(cx, number, KeyDomain::of_exchange([x, y].concat()))
}

/// `6985` if there is a domain in the slot.
fn check_empty(cx: &Context<'_>, number: u8) -> Result<(), Status> {
    match cx.state.domains.domain(number) {
        Ok(_) => Err(Status::CONDITIONS_NOT_SATISFIED),
        Err(_) => Ok(()),
    }
}

fn fill(cx: &mut Context<'_>, number: u8, domain: KeyDomain) -> Result<(), Status> {
    cx.state.set_domain(number, Some(domain))
}

fn delete(cx: &mut Context<'_>, number: u8) -> Result<Response, Status> {
    cx.state.domains.domain(number)?;
    if cx.state.keys().any(|(_, key)| key.effective_domain() == number) {
        return Err(Status::KEYS_IN_DOMAIN);
    }
    cx.state.set_domain(number, None)?;
    Ok(Response::ok([]))
}
