//! `vschsm check import-bug`: checks for the defect of firmware 3.1, which cannot import a key with
//! an algorithm list that it has exported.

mod in_use;
mod initialised;
mod virtual_card;

use super::flows::ImportOutcome;
use super::on_reader::OnReader;
use super::report::actual;
use crate::host::connection::Connection;
use crate::text::failure::Failure;
use crate::text::output;
use crate::text::secret::Secret;
use crate::trace;
use clap::Args;
use serde::{Serialize, Serializer};
use std::fmt;
use vschsm_vectors::{CardState, PlayError};

/// Check whether keys with an algorithm list survive export and import
///
/// On firmware 3.1 a key that was generated with an algorithm list can be exported, but UNWRAP KEY
/// returns 6F00 for its blob; keys without a list are not affected, and 3.2 imports the blobs of
/// 3.1. The check generates a key with a list and one without on a new card in memory, exports,
/// deletes and imports them, and verifies a signature of each.
///
/// With --reader it uses the card in a PC/SC reader: with --pin a card in use that has a DKEK, on
/// which only one key is generated for the check and deleted afterwards; with --destructive a card
/// that the check may initialise.
///
/// Exit codes: 0 no defect, 3 defect found, 1 the check could not be run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm check import-bug
  vschsm check import-bug --firmware 3.1
  vschsm check import-bug --firmware 3.1 --import-on 3.2
  vschsm check import-bug --reader 'Nitrokey HSM' --pin 648219")]
pub(crate) struct ImportBug {
    /// Firmware of the card: a name from `vschsm firmware`, or a file; may be repeated [default:
    /// all]
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "reader")]
    firmware: Vec<String>,

    /// Import the blobs on a second card with this firmware and the same DKEK
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "reader")]
    import_on: Option<String>,

    #[command(flatten)]
    on_reader: OnReader,

    /// User PIN of a card in use that has a DKEK; a wrong PIN is sent only once, and never as the
    /// last try
    #[arg(long, requires = "reader", conflicts_with = "destructive")]
    pin: Option<Secret>,

    /// Number of the key to generate on a card in use [default: the first free number]
    #[arg(long, value_name = "NUMBER", requires = "pin")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..))]
    key: Option<u8>,

    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

/// The state of the cards that are made for the check.
const CARD: &str = "shares 1, share A5, logged in";
/// The key that it makes.
const KEY: u8 = 1;

/// The result.
#[derive(Serialize)]
struct ImportBugReport {
    #[serde(rename = "ways")]
    transfers: Vec<Transfer>,
    defect: bool,
}

/// The results of an export from one card and the import on another one or the same.
#[derive(Serialize)]
struct Transfer {
    from: String,
    to: String,
    #[serde(serialize_with = "in_a_word")]
    without_list: ImportOutcome,
    #[serde(serialize_with = "in_a_word")]
    with_list: ImportOutcome,
}

/// Checks, and fails if a card has the defect.
pub(crate) fn run(options: &ImportBug) -> Result<(), Failure> {
    let transfers = match &options.on_reader.reader {
        Some(name) => vec![on_card(name, options)?],
        None => virtual_card::check(&options.firmware, options.import_on.as_deref())?,
    };
    let mut defective: Vec<&str> = transfers
        .iter()
        .filter(|transfer| transfer.is_defective())
        .map(|transfer| transfer.to.as_str())
        .collect();
    defective.dedup();
    let verdict = defective.join(", ");
    let findings = ImportBugReport { defect: !defective.is_empty(), transfers };
    findings.print(options.json)?;
    findings.transfers.iter().try_for_each(Transfer::means_something)?;
    if findings.defect {
        return Err(Failure::Defect(format!(
            "defect found: {verdict} cannot import a key with an algorithm list"
        )));
    }
    Ok(())
}

/// Checks the card in a reader.
fn on_card(name: &str, options: &ImportBug) -> Result<Transfer, Failure> {
    let allowed = options.on_reader.destructive;
    let connect = || Connection::open(name, &options.on_reader.protection);
    match &options.pin {
        Some(pin) => in_use::check(&mut connect()?, pin, options.key),
        None if allowed => initialised::check(&mut connect()?, &options.on_reader),
        None => Err(Failure::Usage(
            "the check generates a key on the card: give --pin for a card in use that has a DKEK, \
             or --destructive for a card that may be initialised"
                .into(),
        )),
    }
}

impl ImportBugReport {
    fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return output::print_json(self);
        }
        let transfers: String = self.transfers.iter().map(ToString::to_string).collect();
        let verdict = if !self.transfers.iter().all(Transfer::is_fine) {
            ""
        } else if self
            .transfers
            .iter()
            .any(|transfer| transfer.with_list == ImportOutcome::WorksWithoutList)
        {
            "No defect: keys are imported, with an algorithm list where lists are supported.\n"
        } else {
            "No defect: keys are imported with an algorithm list and without one.\n"
        };
        output::print(format_args!("{transfers}{verdict}"))
    }
}

impl Transfer {
    fn is_fine(&self) -> bool {
        let Self { without_list, with_list, .. } = self;
        *without_list == ImportOutcome::Works && !matches!(with_list, ImportOutcome::Refused(_))
    }

    /// Whether the card imports a key, but not if it has a list.
    fn is_defective(&self) -> bool {
        self.without_list == ImportOutcome::Works
            && matches!(self.with_list, ImportOutcome::Refused(_))
    }

    /// Fails if the card does not import any key.
    fn means_something(&self) -> Result<(), Failure> {
        let ImportOutcome::Refused(status) = self.without_list else { return Ok(()) };
        let (to, status) = (&self.to, trace::describe_status(status));
        Err(Failure::Failed(format!("{to} cannot import a key even without a list: {status}")))
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, .. } = self;
        if from == to { writeln!(f, "{to}") } else { writeln!(f, "{from} to {to}") }?;
        for (kind, outcome) in [
            ("without an algorithm list", self.without_list),
            ("with the list 73 92", self.with_list),
        ] {
            write!(f, "  {kind:<25}  ")?;
            match outcome {
                ImportOutcome::Works => writeln!(f, "exported, imported, signs")?,
                ImportOutcome::WorksWithoutList => {
                    writeln!(f, "lists are not supported: the key may do everything")?
                }
                ImportOutcome::Refused(status) => {
                    let status = trace::describe_status(status);
                    writeln!(f, "exported; UNWRAP KEY returns {status}")?;
                }
            }
        }
        Ok(())
    }
}

fn in_a_word<S: Serializer>(outcome: &ImportOutcome, serializer: S) -> Result<S::Ok, S::Error> {
    match outcome {
        ImportOutcome::Works => serializer.serialize_str("works"),
        ImportOutcome::WorksWithoutList => serializer.serialize_str("no lists"),
        ImportOutcome::Refused(status) => serializer.serialize_str(&format!("{status:04X}")),
    }
}

/// The state of a card that the check may initialise.
fn state() -> Result<CardState, Failure> {
    CardState::parse(CARD).map_err(Failure::Failed)
}

/// The error for a card on which the check cannot be run.
fn stopped(card: &str, trouble: PlayError) -> Failure {
    Failure::Failed(match trouble {
        PlayError::Failed(sentence) => sentence,
        PlayError::Mismatch(mismatch) => {
            let command = trace::describe_command(&mismatch.command);
            let (wanted, got) = (&mismatch.expected, actual(&mismatch));
            format!("{card} returns {got} to {command}, not {wanted}")
        }
    })
}
