//! `vschsm check`: whether a card does what it should.

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
use in_process::Subject;
use indicatif::{ProgressBar, ProgressStyle};
use on_reader::OnReader;
use report::Report;
use std::path::PathBuf;

/// Check whether cards answer as the vectors say
///
/// Plays vectors (commands and the response to each, every one with its source) and flows (what
/// must compute: signatures that verify, keys that come back from a backup) to a new card of every
/// firmware in this process. Where a card deviates it names the vector, its source, the command,
/// what was wanted and what came.
///
/// With --reader the card in a PC/SC reader is checked, virtual or real. What is played to it then
/// changes nothing, unless --destructive lets the check initialise the card: it says what it will
/// change before it does, and sends no wrong PIN to a card that it has not initialised itself.
/// With --secure-messaging every command goes through a channel that is opened for it, and again
/// after each reset; what is about the channel itself, or cannot be sealed, is not played.
///
/// Exit codes: 0 fine, 3 a card deviates, 1 the check could not be done, 2 wrong usage.
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
    command: Option<Command>,

    /// Play these vectors instead of those that are built in: files, or folders of files that end
    /// in `.apdu`
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Firmware of the cards, again for each one: a name from `vschsm firmware`, or a file, which
    /// owes the answers of its version [default: all that there are; with --reader what the card
    /// says]
    #[arg(long, value_name = "NAME|FILE")]
    firmware: Vec<String>,

    #[command(flatten)]
    on_reader: OnReader,

    /// Print one JSON document with every vector and flow
    #[arg(long)]
    json: bool,

    /// Write a report in JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    ImportBug(ImportBug),
}

/// Does the check; fails with one sentence if a card deviates.
pub(crate) fn run(options: &Check) -> Result<(), Failure> {
    if let Some(Command::ImportBug(options)) = &options.command {
        return import_bug::run(options);
    }
    let cases =
        if options.paths.is_empty() { case::built_in()? } else { case::read(&options.paths)? };
    let cards = match &options.on_reader.reader {
        None => in_process::play(&cases, &Subject::named(&options.firmware)?)?,
        Some(name) => {
            let mut card = Connection::open(name, &options.on_reader.protection)?;
            let firmware = on_reader::firmware(&mut card, &options.firmware)?;
            vec![on_reader::play(&cases, &options.on_reader, &mut card, firmware)?]
        }
    };
    let report = Report { cards };
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

/// A bar on the terminal for so many checks.
fn progress(checks: usize) -> ProgressBar {
    ProgressBar::new(checks as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos} of {len} checks")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}
