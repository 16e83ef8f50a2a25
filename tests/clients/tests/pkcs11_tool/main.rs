//! `pkcs11-tool` with OpenSC's PKCS#11 module.

mod decrypt;
mod derive;
mod objects;
mod pins;
mod sign;
