//! GENERATE SYMMETRIC KEY — `00 48 id size [TLVs]`: makes an AES key.
//!
//! P2 is `B0` for 128, `B1` for 192 and `B2` for 256 bits.
//!
//! | tag | meaning                                                                        |
//! |-----|--------------------------------------------------------------------------------|
//! | 90  | use counter, 4 bytes, not 0                                                    |
//! | 91  | allowed algorithms, 1 to 16 bytes                                              |
//! | 92  | key domain, 1 byte                                                             |
//! | 93  | a key that must wrap this one                                                  |
//! | B4  | our extension: who refills the use counter                                     |
//!
//! All of them may be absent, and may come in any order. A key that has the id already is replaced.
//!
//! Tag 93 is refused: what a card does with such a key is not known, and a key without the limit
//! that it was to have would be the worse answer. That it is refused so is a guess.
//!
//! | SW     | when                                                                           |
//! |--------|--------------------------------------------------------------------------------|
//! | `9000` | generated                                                                      |
//! | `6982` | not logged in                                                                  |
//! | `6985` | P1 is 00, the device key; a signature in B4 is wrong                           |
//! | `6A80` | malformed, or an object of a wrong length                                      |
//! | `6A81` | another P2; tag 93                                                             |
//! | `6A84` | the memory is full                                                             |
//! | `6A86` | no such key domain                                                             |
//! | `6A88` | no certificate was verified of the card in B4                                  |
//!
//! Source: sc-hsm-embedded `token-sc-hsm.c`, `sc_hsm_C_GenerateKey`. Firmware 3.1 and 3.2 generate
//! weak keys: the vendor's security advice, Nitrokey support thread 1948.

use super::{Answer, Context};
use crate::apdu::{Command, Response, Status};
use crate::crypto::aes::AesKey;
use crate::randomness::Purpose;
use crate::state::{Key, KeyId, Secret};
use crate::tlv;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Answer {
    cx.session.user()?;
    let id = KeyId::try_from(command.p1)?;
    let length = match command.p2 {
        0xB0 => 16,
        0xB1 => 24,
        0xB2 => 32,
        _ => return Err(Status::FUNCTION_NOT_SUPPORTED),
    };
    let objects = tlv::parse(&command.data)?;
    if tlv::find(&objects, 0x93).is_some() {
        return Err(Status::FUNCTION_NOT_SUPPORTED);
    }
    let limits = cx.limits(&objects)?;

    let is_weak = cx.profile.generates_weak_aes_keys();
    let generate = if is_weak { AesKey::generate_weak } else { AesKey::generate };
    let stream = cx.randomness.stream(Purpose::Key(id));
    let key = generate(length, stream).ok_or(Status::FUNCTION_NOT_SUPPORTED)?;
    cx.state.change().keys.insert(id, Key::new(Secret::Aes(key), limits));
    Ok(Response::ok([]))
}
