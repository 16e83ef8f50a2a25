//! `pkcs11-tool` with OpenSC's PKCS#11 module.

#![expect(clippy::panic, reason = "a mechanism that no test knows fails its test")]

mod decrypt;
mod derive;
mod objects;
mod pins;
mod sign;
