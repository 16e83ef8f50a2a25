//! The program as a user and a reader meet it.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod access;
mod apdu;
mod blob;
mod check;
mod ctl;
mod disk;
mod dkek;
mod doctor;
mod encryption;
mod exec;
mod faults;
mod firmware;
mod import_bug;
mod input;
mod interfaces;
mod keys;
mod kill;
mod leaks;
mod list;
mod memory;
mod new;
mod pcsc;
#[cfg(feature = "pcsc")]
mod pka;
mod prompt;
mod provision;
mod quota;
mod reader;
#[cfg(feature = "pcsc")]
mod readers;
mod run;
mod saving;
mod secrets;
#[cfg(feature = "pcsc")]
mod secure_messaging;
mod signals;
mod template;
#[cfg(feature = "pcsc")]
mod update;
mod verify;
mod vschsm;
mod watch;
mod weak_aes;
