//! The program `vschsm`: the place with disks and terminals.

mod aes_keys;
mod apdu;
mod arguments;
mod blob;
mod check;
mod client;
mod control;
mod ctl;
mod disk;
mod dkek;
mod doctor;
mod exec;
mod failure;
mod faults;
mod firmware;
mod hex;
mod input;
mod kept;
mod keys;
mod list;
mod memory;
mod new;
mod new_card;
mod open_files;
mod output;
mod passphrase;
mod pka;
mod pkcs15;
mod prompt;
mod provision;
mod readers;
mod ready;
mod root;
mod run;
mod seal;
mod sealing;
mod secret;
mod seed;
mod server;
mod show;
mod signals;
mod slot;
mod socket;
mod trace;
mod unsaved;
mod update;
mod verify;
mod vpcd;
mod watch;
mod words;

use arguments::Arguments;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = exec::become_command() {
        return code;
    }
    memory::close();
    match Arguments::read().run() {
        Ok(code) => code,
        Err(Failure::Unread) => output::end_unread(),
        Err(failure) => {
            output::warn(&failure);
            failure.exit_code()
        }
    }
}
