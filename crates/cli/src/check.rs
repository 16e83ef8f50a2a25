//! `vschsm check`: whether a card does what it should.

mod import_bug;

use crate::failure::Failure;
use clap::{Args, Subcommand};
use import_bug::ImportBug;

/// Check what cards do
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    ImportBug(ImportBug),
}

/// Does the check.
pub(crate) fn run(options: &Check) -> Result<(), Failure> {
    match &options.command {
        Command::ImportBug(options) => import_bug::run(options),
    }
}
