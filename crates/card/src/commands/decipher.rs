//! DECIPHER — `80 62 id algorithm data Le`: decrypts, or agrees on a key.
//!
//! | P2   | input                          | output                                         |
//! |------|--------------------------------|------------------------------------------------|
//! | `21` | RSA cryptogram                 | block of the modulus' length, padding included |
//! | `22` | RSA cryptogram, PKCS#1 v1.5    | message                                        |
//! | `23` | RSA cryptogram, OAEP           | message; the hash is SHA-256 or SHA-1          |
//! | `80` | `04` ‖ x ‖ y, the peer's point | `04` ‖ x ‖ y, the shared point                 |
//!
//! `84` is DERIVE XKEK, a command in itself.
//!
//! | SW     | when                                                                              |
//! |--------|-----------------------------------------------------------------------------------|
//! | `9000` | done                                                                              |
//! | `6982` | not logged in                                                                     |
//! | `6984` | no use of the key left                                                            |
//! | `6985` | the device key                                                                    |
//! | `6A80` | cryptogram not as long as the modulus or not below it, bad padding, bad point     |
//! | `6A81` | algorithm not of this firmware, not for this kind of key, or not in the key's list |
//! | `6A88` | no such key                                                                       |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_decipher`; which hash OAEP has on a card is a guess.

use super::{Answer, Context};
use crate::apdu::{Command, Response, Status};
use crate::crypto::hash::Hash;
use crate::crypto::padding;
use crate::state::Secret;

/// The algorithms, as P2 has them.
pub(super) const ALGORITHMS: [u8; 4] = [0x21, 0x22, 0x23, 0x80];

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Answer {
    let output = cx.with_key(command.p1, command.p2, |key, _| match (key, command.p2) {
        (Secret::Rsa(key), 0x21..=0x23) => {
            let block = key.private_operation(&command.data).ok_or(Status::WRONG_DATA)?;
            let message = match command.p2 {
                0x21 => Some(block),
                0x22 => padding::pkcs1_v15_unpad(&block),
                _ => padding::oaep_unpad(Hash::Sha256, &block)
                    .or_else(|| padding::oaep_unpad(Hash::Sha1, &block)),
            };
            message.ok_or(Status::WRONG_DATA)
        }
        (Secret::Ec(key), 0x80) => key.agree(&command.data).ok_or(Status::WRONG_DATA),
        _ => Err(Status::FUNCTION_NOT_SUPPORTED),
    })?;
    Ok(Response::ok(output))
}
