//! What a SmartCard-HSM and its hosts have in common: the formats of everything that goes between
//! them, and the cryptography of these.
//!
//! Nothing here has a state but the ends of a secure channel. There is no I/O, no clock, and no
//! randomness but the streams that callers give.
//!
//! | module               | what                                                               |
//! |----------------------|--------------------------------------------------------------------|
//! | [`apdu`]             | command and response APDUs, status words                           |
//! | [`tlv`]              | BER-TLV data objects                                               |
//! | [`instruction`]      | the commands, a row each                                           |
//! | [`algorithm`]        | the algorithms, a row each                                         |
//! | [`aid`]              | application identifiers                                            |
//! | [`cvc`]              | card verifiable certificates and requests                          |
//! | [`trust`]            | trust anchors, and certificates that are verified with them        |
//! | [`test_root`]        | the published test root with its private key                       |
//! | [`key_blob`]         | keys that are wrapped with a key-encryption key                    |
//! | [`signature`]        | signatures, by all algorithms of SIGN                              |
//! | [`secure_messaging`] | protected commands and responses of the applet                     |
//! | [`scp02`]            | the secure channel of the card manager                             |
//! | [`load_file`]        | a firmware as a load file, which the card manager loads            |
//! | [`transport`]        | ways to a card: commands there, responses back                     |
//! | [`crypto`]           | RSA, elliptic curves, AES, 3DES, paddings, hashes, key derivation  |

#![no_std]

extern crate alloc;

pub mod aid;
pub mod algorithm;
pub mod apdu;
pub mod crypto;
pub mod cvc;
pub mod instruction;
pub mod key_blob;
pub mod load_file;
pub mod scp02;
pub mod secure_messaging;
pub mod signature;
pub mod test_root;
pub mod tlv;
pub mod transport;
pub mod trust;
