//! CIPHER — `80 78 id algorithm data Le`: uses an AES key.
//!
//! | P2   | input                     | output                                                    |
//! |------|---------------------------|-----------------------------------------------------------|
//! | `10` | blocks of 16 bytes        | AES-CBC encrypted; the initialisation vector is zero      |
//! | `11` | blocks of 16 bytes        | AES-CBC decrypted, likewise                               |
//! | `18` | any bytes, or none        | AES-CMAC, 16 bytes                                        |
//! | `99` | a label of 1 to 127 bytes | a derived key, 32 bytes                                   |
//!
//! A host that has an initialisation vector folds it into the first block itself.
//!
//! The key that `99` derives **does not agree with that of a real card**. It is published that the
//! derivation is the extraction-then-expansion of NIST SP 800-56C, but not with which MAC, salt and
//! layout, nor any response of a card. Here it has HMAC-SHA-256, the default salt, and nothing
//! but the label to expand, which is a guess.
//!
//! | SW     | when                                                                                |
//! |--------|-------------------------------------------------------------------------------------|
//! | `9000` | done                                                                                |
//! | `6982` | not logged in                                                                       |
//! | `6984` | no use of the key left                                                              |
//! | `6985` | the device key                                                                      |
//! | `6A80` | no input, or not whole blocks; no label, or one too long                            |
//! | `6A81` | algorithm not of this firmware, not for this kind of key, or not in the key's list  |
//! | `6A88` | no such key                                                                         |
//!
//! Source: sc-hsm-embedded `token-sc-hsm.c`, and `sc-hsm-pkcs11.h` for the derivation; its key
//! generator for the length of the label; Nitrokey support thread 2134 for `6A81`.

use crate::context::Context;
use vschsm_protocol::algorithm::{self, Scheme};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::crypto::kdf;
use vschsm_protocol::crypto::key_material::KeyMaterial;
use zeroize::Zeroizing;

/// The longest label that a key is derived with, in bytes.
const LONGEST_LABEL: usize = 127;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    let input = command.data.as_slice();
    let output = cx.with_key(command.p1, command.p2, |secret, _| {
        let KeyMaterial::Aes(key) = secret else { return Err(Status::FUNCTION_NOT_SUPPORTED) };
        match (algorithm::scheme(command.p2), input.len()) {
            (Some(Scheme::AesCbcEncryption), _) => key.encrypt(input).ok_or(Status::WRONG_DATA),
            (Some(Scheme::AesCbcDecryption), _) => key.decrypt(input).ok_or(Status::WRONG_DATA),
            (Some(Scheme::AesCmac), _) => Ok(key.mac(input)),
            (Some(Scheme::KeyDerivation), 1..=LONGEST_LABEL) => {
                Ok(Zeroizing::new(kdf::extract_then_expand(key.bytes(), input)).to_vec())
            }
            (Some(Scheme::KeyDerivation), _) => Err(Status::WRONG_DATA),
            _ => Err(Status::FUNCTION_NOT_SUPPORTED),
        }
    })?;
    Ok(Response::ok(output))
}
