//! GENERATE SYMMETRIC KEY — `00 48 id size [TLVs]`: makes an AES key.
//!
//! P2 is `B0` for 128, `B1` for 192 and `B2` for 256 bits.
//!
//! | tag | meaning                                                                        |
//! |-----|--------------------------------------------------------------------------------|
//! | 90  | use counter, 4 bytes, not 0                                                    |
//! | 91  | allowed algorithms, 1 to 16 bytes                                              |
//! | 92  | key domain, 1 byte                                                             |
//! | 93  | the AES key that alone may wrap this one, 1 byte                               |
//! | B4  | our extension: the key that refills the use counter                            |
//!
//! All of them may be absent, and may come in any order. A key that has the id already is replaced.
//!
//! The effect of tag 93 is a guess, on the safe side. The format in which one AES key wraps another
//! is not known, so the key never leaves the card: WRAP KEY, which would wrap it with the key of
//! its key domain, refuses it. SELECT returns 93. A firmware whose file does not list 93 refuses
//! the tag: it would be worse to generate a key without this attribute.
//!
//! | SW     | when                                                                           |
//! |--------|--------------------------------------------------------------------------------|
//! | `9000` | generated                                                                      |
//! | `6982` | not logged in                                                                  |
//! | `6985` | P1 or 93 is 00, the device key; 93 is P1; a signature in B4 is wrong           |
//! | `6A80` | malformed, or an object of a wrong length; the key of 93 is not an AES key        |
//! | `6A81` | another P2                                                                     |
//! | `6A84` | the memory is full                                                             |
//! | `6A86` | no such key domain                                                             |
//! | `6A88` | no key of 93; no certificate was verified of the card in B4                    |
//!
//! Source: sc-hsm-embedded `token-sc-hsm.c`, `sc_hsm_C_GenerateKey`; for 93 its attribute
//! `CKA_SC_HSM_WRAPPING_KEY_ID`, and `setWrappingKey` of the vendor's card service for Java.
//! Firmware 3.1 and 3.2 generate weak keys: the vendor's security advice, Nitrokey support thread
//! 1948.

use crate::context::Context;
use crate::randomness::Purpose;
use crate::state::{Key, KeyAttributes, KeyId};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::crypto::aes::AesKey;
use vschsm_protocol::crypto::key_material::KeyMaterial;
use vschsm_protocol::tlv::{self, Object};

/// The tag of the key that alone may wrap the new one.
const WRAPPING_KEY: u16 = 0x93;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    cx.session.user()?;
    let id = KeyId::try_from(command.p1)?;
    let length = match command.p2 {
        0xB0 => 16,
        0xB1 => 24,
        0xB2 => 32,
        _ => return Err(Status::FUNCTION_NOT_SUPPORTED),
    };
    let objects = tlv::parse(&command.data)?;
    let wrapping_key = wrapping_key(cx, id, &objects)?;
    let attributes = KeyAttributes { wrapping_key, ..cx.key_attributes(&objects)? };

    let is_weak = cx.profile.generates_weak_aes_keys();
    let generate = if is_weak { AesKey::generate_weak } else { AesKey::generate };
    let stream = cx.randomness.stream(Purpose::Key(id));
    let key = generate(length, stream).ok_or(Status::FUNCTION_NOT_SUPPORTED)?;
    cx.state.insert_key(id, Key::new(KeyMaterial::Aes(key), attributes));
    Ok(Response::ok([]))
}

/// The key of tag 93, which is to wrap key `id`.
fn wrapping_key(
    cx: &Context<'_>,
    id: KeyId,
    objects: &[Object<'_>],
) -> Result<Option<KeyId>, Status> {
    let Some(value) = tlv::find(objects, WRAPPING_KEY) else { return Ok(None) };
    if !cx.profile.has_key_attribute(WRAPPING_KEY) {
        return Err(Status::FUNCTION_NOT_SUPPORTED);
    }
    let &[number] = value else { return Err(Status::WRONG_DATA) };
    let wrapping_key = KeyId::try_from(number)?;
    if wrapping_key == id {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    let key = cx.state.keys.get(wrapping_key).ok_or(Status::REFERENCE_NOT_FOUND)?;
    if key.is_aes() { Ok(Some(wrapping_key)) } else { Err(Status::WRONG_DATA) }
}
