//! The program as a user and a reader meet it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod apdu;
mod blob;
mod check;
mod disk;
mod dkek;
mod exec;
mod firmware;
mod import_bug;
mod keys;
mod kill;
mod new;
mod pcsc;
mod provision;
mod reader;
mod run;
mod vschsm;
