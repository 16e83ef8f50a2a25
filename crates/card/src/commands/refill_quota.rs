//! REFILL QUOTA — `80 3E id 00 { B4, 5F37 }`: sets a key's use counter, authorised by
//! the holder of its refill key.
//!
//! **An extension of ours, which no genuine card has**; `firmware/README.md` describes it. The
//! refill key was named when the key was made, in tag B4. It has signed the B4 object, by ECDSA
//! with SHA-256; the signature is r ‖ s, or a SEQUENCE of both:
//!
//! | tag | length  | meaning                                                                |
//! |-----|---------|------------------------------------------------------------------------|
//! | 42  | 8 to 16 | the card: holder reference (CHR) of its device certificate             |
//! | 83  | 1       | the key: its number                                                    |
//! | 80  | 8       | the key: its identifier, which differs from that of any other key      |
//! | 81  | 4       | how often the key was refilled before                                  |
//! | 90  | 4       | the new number of uses, not 0                                          |
//!
//! No login is needed: the signature authorises the refill, once.
//!
//! | SW     | when                                                                            |
//! |--------|---------------------------------------------------------------------------------|
//! | `9000` | refilled                                                                        |
//! | `6300` | the signature is wrong, or not the refill key's                                 |
//! | `6985` | P1 is 00; or signed for another card, another key, or another number of refills |
//! | `6A80` | malformed                                                                       |
//! | `6A81` | the key has no quota of its own                                                 |
//! | `6A86` | P2 is not 00                                                                    |
//! | `6A88` | no such key                                                                     |
//!
//! Source: our extension.

use crate::context::{Context, use_counter};
use crate::state::{KeyId, Quota, refill_token};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::tlv;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    if command.p2 != 0 {
        return Err(Status::INCORRECT_P1P2);
    }
    let id = KeyId::try_from(command.p1)?;
    let objects = tlv::parse(&command.data)?;
    let [token, signature] = *objects.as_slice() else { return Err(Status::WRONG_DATA) };
    if (token.tag, signature.tag) != (0xB4, 0x5F37) {
        return Err(Status::WRONG_DATA);
    }
    let uses = tlv::find(&tlv::parse(token.value)?, 0x90).ok_or(Status::WRONG_DATA)?;
    let uses = use_counter(uses)?;
    let key = cx.state.keys.get(id).ok_or(Status::REFERENCE_NOT_FOUND)?;
    let Some(Quota::Own { identifier, refills, refill_key }) = key.quota() else {
        return Err(Status::FUNCTION_NOT_SUPPORTED);
    };
    if !refill_key.key().signed(signature.value, token.encoded) {
        return Err(Status::AUTHENTICATION_FAILED);
    }
    let expected = refill_token(cx.state.device.reference(), id, *identifier, *refills, uses);
    if token.encoded != expected {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }

    let refilled = key.refilled(uses).ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    cx.state.insert_key(id, refilled);
    Ok(Response::ok([]))
}
