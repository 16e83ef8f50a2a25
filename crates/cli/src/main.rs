//! The program `vschsm`: the place with disks and terminals.

mod card;
mod commands;
mod control;
mod faults;
mod host;
mod process;
mod readers;
mod store;
mod text;
mod trace;

use commands::{Arguments, exec};
use process::{memory, signals};
use std::process::ExitCode;
use text::failure::Failure;
use text::output;

fn main() -> ExitCode {
    if let Some(code) = exec::become_command() {
        return code;
    }
    memory::close();
    match signals::outlive_limit_of_files().and_then(|()| Arguments::read().run()) {
        Ok(code) => code,
        Err(Failure::Unread) => output::end_unread(),
        Err(failure) => {
            output::warn(&failure);
            failure.exit_code()
        }
    }
}
