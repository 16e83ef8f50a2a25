//! `vschsm check import-bug`: firmware 3.1 exports a key with an algorithm list, and does not
//! import it again.

mod in_use;
mod initialised;
mod virtual_card;

use super::flows::Outcome;
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
/// answers 6F00 to the blob; keys without a list are not affected, and 3.2 imports what 3.1 has
/// exported. The check makes both kinds of key on a new card in memory, exports, deletes and
/// imports them, and has them sign.
///
/// With --reader it does so on the card in a PC/SC reader. With --pin that is a card in use which
/// has a DKEK: nothing changes on it but for one key, which is made for the check and deleted. With
/// --destructive it is one that the check may initialise.
///
/// Exit codes: 0 fine, 3 defect present, 1 the check could not be done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm check import-bug
  vschsm check import-bug --firmware 3.1
  vschsm check import-bug --firmware 3.1 --import-on 3.2
  vschsm check import-bug --reader 'Nitrokey HSM' --pin 648219")]
pub(crate) struct ImportBug {
    /// Firmware of the card, again for each one: a name from `vschsm firmware`, or a file
    /// [default: all that there are]
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "reader")]
    firmware: Vec<String>,

    /// Import the blobs on a second card, of this firmware, under the same DKEK
    #[arg(long, value_name = "NAME|FILE", conflicts_with = "reader")]
    import_on: Option<String>,

    #[command(flatten)]
    on_reader: OnReader,

    /// User PIN of a card in use that has a DKEK; a wrong one is sent once, and never as the last
    /// try
    #[arg(long, requires = "reader", conflicts_with = "destructive")]
    pin: Option<Secret>,

    /// Number of the key that is made on a card in use [default: the first that is free]
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

/// What was found.
#[derive(Serialize)]
struct Findings {
    ways: Vec<Way>,
    defect: bool,
}

/// From a card to a card, which may be the same.
#[derive(Serialize)]
struct Way {
    from: String,
    to: String,
    #[serde(serialize_with = "in_a_word")]
    without_list: Outcome,
    #[serde(serialize_with = "in_a_word")]
    with_list: Outcome,
}

/// Checks; fails with the verdict if there is the defect.
pub(crate) fn run(options: &ImportBug) -> Result<(), Failure> {
    let ways = match &options.on_reader.reader {
        Some(name) => vec![on_card(name, options)?],
        None => virtual_card::check(&options.firmware, options.import_on.as_deref())?,
    };
    let mut defective: Vec<&str> =
        ways.iter().filter(|way| way.is_defective()).map(|way| way.to.as_str()).collect();
    defective.dedup();
    let verdict = defective.join(", ");
    let findings = Findings { defect: !defective.is_empty(), ways };
    findings.print(options.json)?;
    findings.ways.iter().try_for_each(Way::means_something)?;
    if findings.defect {
        return Err(Failure::Defect(format!(
            "defect present: {verdict} does not import a key that has an algorithm list"
        )));
    }
    Ok(())
}

/// Checks the card in a reader.
fn on_card(name: &str, options: &ImportBug) -> Result<Way, Failure> {
    let allowed = options.on_reader.destructive;
    let connect = || Connection::open(name, &options.on_reader.protection);
    match &options.pin {
        Some(pin) => in_use::check(&mut connect()?, pin, options.key),
        None if allowed => initialised::check(&mut connect()?, &options.on_reader),
        None => Err(Failure::Usage(
            "the check makes a key on the card: --pin is for a card in use that has a DKEK, and \
             --destructive for one that may be initialised"
                .into(),
        )),
    }
}

impl Findings {
    fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return output::print_json(self);
        }
        let ways: String = self.ways.iter().map(ToString::to_string).collect();
        let verdict = if !self.ways.iter().all(Way::is_fine) {
            ""
        } else if self.ways.iter().any(|way| way.with_list == Outcome::WorksWithoutList) {
            "Fine: keys are imported, with an algorithm list where there are lists.\n"
        } else {
            "Fine: keys are imported with an algorithm list and without one.\n"
        };
        output::print(format_args!("{ways}{verdict}"))
    }
}

impl Way {
    fn is_fine(&self) -> bool {
        let Self { without_list, with_list, .. } = self;
        *without_list == Outcome::Works && !matches!(with_list, Outcome::Refused(_))
    }

    /// Whether the card imports a key, and none that has a list.
    fn is_defective(&self) -> bool {
        self.without_list == Outcome::Works && matches!(self.with_list, Outcome::Refused(_))
    }

    /// Fails where no key is imported at all.
    fn means_something(&self) -> Result<(), Failure> {
        let Outcome::Refused(status) = self.without_list else { return Ok(()) };
        let (to, status) = (&self.to, trace::status_told(status));
        Err(Failure::Failed(format!("{to} does not import a key even without a list: {status}")))
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, .. } = self;
        if from == to { writeln!(f, "{to}") } else { writeln!(f, "{from} to {to}") }?;
        for (kind, outcome) in [
            ("without an algorithm list", self.without_list),
            ("with the list 73 92", self.with_list),
        ] {
            write!(f, "  {kind:<25}  ")?;
            match outcome {
                Outcome::Works => writeln!(f, "exported, imported, signs")?,
                Outcome::WorksWithoutList => writeln!(f, "no such list: the key has no limits")?,
                Outcome::Refused(status) => {
                    let status = trace::status_told(status);
                    writeln!(f, "exported; UNWRAP KEY answers {status}")?;
                }
            }
        }
        Ok(())
    }
}

fn in_a_word<S: Serializer>(outcome: &Outcome, serializer: S) -> Result<S::Ok, S::Error> {
    match outcome {
        Outcome::Works => serializer.serialize_str("works"),
        Outcome::WorksWithoutList => serializer.serialize_str("no lists"),
        Outcome::Refused(status) => serializer.serialize_str(&format!("{status:04X}")),
    }
}

/// The state of a card on which the check may do what it wants.
fn state() -> Result<CardState, Failure> {
    CardState::parse(CARD).map_err(Failure::Failed)
}

/// The sentence for a card on which the check cannot be done.
fn stopped(card: &str, trouble: PlayError) -> Failure {
    Failure::Failed(match trouble {
        PlayError::Failed(sentence) => sentence,
        PlayError::Mismatch(mismatch) => {
            let command = trace::command_told(&mismatch.command);
            let (wanted, got) = (&mismatch.expected, actual(&mismatch));
            format!("{card} answers {got} to {command}, and not {wanted}")
        }
    })
}
