//! MANAGE KEY DOMAIN — `80 52 what domain [data] [Le]`: what keys are wrapped with.
//!
//! | P1   | data     | what is done                                                        |
//! |------|----------|---------------------------------------------------------------------|
//! | `00` | none     | nothing but the answer                                              |
//! | `00` | 32 bytes | a share of the key-encryption key is imported                       |
//! | `01` | 1 byte   | a domain with as many shares is created; with 0 it has a random key |
//! | `03` | none     | the domain is deleted, and the answer has no data                   |
//! | `04` | none     | the key-encryption key is cleared: all its shares are missing again |
//!
//! P2 is the domain. The answer is the number of shares, that of the missing ones, and the check
//! value of the key-encryption key (8 bytes), which is zero until the key is complete.
//!
//! A key-encryption key is the exclusive or of its shares. To import them needs no login. P1 `02`,
//! which creates a domain for key exchange between cards (XKEK), is not there yet.
//!
//! | SW     | when                                                                       |
//! |--------|----------------------------------------------------------------------------|
//! | `9000` | done                                                                       |
//! | `6700` | a share not of 32 bytes, a number of shares not of 1                       |
//! | `6982` | P1 01, 03 or 04 without login                                              |
//! | `6985` | a share for a domain that misses none; a domain created where there is one |
//! | `6A86` | another P1, or one that the firmware does not have; a slot beyond the last |
//! | `6A88` | no domain in the slot                                                      |
//! | `6A89` | a domain to be deleted has keys                                            |
//! | `6D00` | the card was initialised without DKEK shares and without key domains       |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_import_dkek_share`, and pull request 3786 for P1 01, 03
//! and 04; the vendor's card service for Java for the answers.

use super::{Answer, Context};
use crate::apdu::{Command, Response, Status};
use crate::state::KeyDomain;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Answer {
    cx.state.domains.check(command.p2)?;
    match command.p1 {
        0x00 => {}
        0x01 | 0x03 | 0x04 if cx.profile.has_key_domains() => {
            cx.session.user()?;
        }
        _ => return Err(Status::INCORRECT_P1P2),
    }
    match (command.p1, command.data.as_slice()) {
        (0x00, []) => {}
        (0x00, share) => import(cx, command.p2, share)?,
        (0x01, shares) => create(cx, command.p2, shares)?,
        (0x03, _) => return delete(cx, command.p2),
        (_, _) => cx.state.change().domains.domain_mut(command.p2)?.clear(),
    }
    let domain = cx.state.domains.domain(command.p2)?;
    let check_value = domain.check_value().unwrap_or_default();
    Ok(Response::ok([&[domain.shares(), domain.missing()], check_value.as_slice()].concat()))
}

fn import(cx: &mut Context<'_>, number: u8, share: &[u8]) -> Result<(), Status> {
    cx.state.domains.domain(number)?;
    let share = share.try_into().map_err(|_| Status::WRONG_LENGTH)?;
    cx.state.change().domains.domain_mut(number)?.import(share)
}

fn create(cx: &mut Context<'_>, number: u8, shares: &[u8]) -> Result<(), Status> {
    let slot = cx.state.change().domains.slot_mut(number)?;
    if slot.is_some() {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    let &[shares] = shares else { return Err(Status::WRONG_LENGTH) };
    *slot = Some(KeyDomain::new(shares, cx.rng));
    Ok(())
}

fn delete(cx: &mut Context<'_>, number: u8) -> Answer {
    cx.state.domains.domain(number)?;
    if cx.state.keys().any(|(_, key)| key.effective_domain() == number) {
        return Err(Status::KEYS_IN_DOMAIN);
    }
    *cx.state.change().domains.slot_mut(number)? = None;
    Ok(Response::ok([]))
}
