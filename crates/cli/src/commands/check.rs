//! `vschsm check`: checks cards against the vectors.

mod case;
mod flows;
mod import_bug;
mod in_process;
mod on_reader;
mod report;

use crate::host::connection::Connection;
use crate::text::failure::Failure;
use clap::{Args, Subcommand};
use import_bug::ImportBug;
use in_process::FirmwareUnderTest;
use indicatif::{ProgressBar, ProgressStyle};
use on_reader::OnReader;
use report::CheckReport;
use std::path::PathBuf;

/// Check whether cards respond as the vectors say
///
/// Runs vectors (commands and the expected response to each, with their source) and flows (checks
/// that need computation: signatures that verify, keys that are restored from a backup) on a new
/// card of every firmware in this process. For each failed check it prints the vector, its source,
/// the command, the expected and the actual response.
///
/// With --reader the card in a PC/SC reader is checked, virtual or real. Then only checks run that
/// change nothing, unless --destructive allows the card to be initialised: each change is
/// announced, and a wrong PIN is never sent to a card that the check has not initialised itself.
/// With --secure-messaging every command is sent in a secure channel, which is opened again after
/// each reset; checks of the channel itself, and of commands that cannot be protected, are skipped.
///
/// Exit codes: 0 passed, 3 a check has failed, 1 the check could not be run, 2 wrong usage.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  vschsm check
  vschsm check --firmware 3.4 --junit check.xml
  vschsm check --firmware ./mine.toml vectors/unwrap_key
  vschsm check --reader 'Nitrokey HSM'
  vschsm check --reader 'Nitrokey HSM' --secure-messaging
  vschsm check --reader 'Virtual PCD 00 00' --destructive --verbose
  vschsm check import-bug"
)]
pub(crate) struct Check {
    #[command(subcommand)]
    command: Option<CheckCommand>,

    /// Run these vectors instead of the built-in ones: files, or folders with files that end in
    /// `.apdu`
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Firmware of the cards: a name from `vschsm firmware`, or a file, from which the responses of
    /// its version are expected; may be repeated [default: all; with --reader that of the card]
    #[arg(long, value_name = "NAME|FILE")]
    firmware: Vec<String>,

    #[command(flatten)]
    on_reader: OnReader,

    /// Print a JSON document with the result of every vector and flow
    #[arg(long)]
    json: bool,

    /// Write a report in JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum CheckCommand {
    ImportBug(ImportBug),
}

/// Runs the checks, and fails with one sentence if a check fails.
pub(crate) fn run(options: &Check) -> Result<(), Failure> {
    if let Some(CheckCommand::ImportBug(options)) = &options.command {
        return import_bug::run(options);
    }
    let cases =
        if options.paths.is_empty() { case::built_in()? } else { case::read(&options.paths)? };
    let cards = match &options.on_reader.reader {
        None => in_process::play(&cases, &FirmwareUnderTest::named(&options.firmware)?)?,
        Some(name) => {
            let mut card = Connection::open(name, &options.on_reader.protection)?;
            let firmware = on_reader::firmware(&mut card, &options.firmware)?;
            vec![on_reader::play(&cases, &options.on_reader, &mut card, firmware)?]
        }
    };
    let report = CheckReport { cards };
    if options.json {
        report.print_json()?
    } else {
        report.print()?
    }
    if let Some(path) = &options.junit {
        report.write_junit(path)?;
    }
    report.verdict()
}

/// A progress bar for that many checks.
fn progress(checks: usize) -> ProgressBar {
    ProgressBar::new(checks as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos} of {len} checks")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}
