//! `vschsm check import-bug`: firmware 3.1 exports a key with an algorithm list, and does not
//! import it again.

mod in_use;

use super::flows::{self, Dialogue, LIST, Outcome};
use super::on_reader::{self, OnReader};
use super::reader::Reader;
use crate::failure::Failure;
use crate::seed::Seed;
use crate::{new_card, output, trace};
use card::Card;
use card::factory::Order;
use card::profile::{BUILT_IN, Profile};
use clap::Args;
use std::fmt;
use vectors::{Medium, State, Trouble};

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
    pin: Option<String>,

    /// Number of the key that is made on a card in use [default: the first that is free]
    #[arg(long, value_name = "NUMBER", requires = "pin")]
    key: Option<u8>,
}

/// The state of the cards that are made for the check.
const CARD: &str = "shares 1, share A5, logged in";
/// The key that it makes.
const KEY: u8 = 1;

/// What came of a key without an algorithm list, and of one with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Findings {
    without: Outcome,
    with: Outcome,
}

/// The last sentence where nothing is wrong.
const FINE: &str = "Fine: keys are imported with an algorithm list and without one.\n";

/// Checks; fails with the verdict if there is the defect.
pub(crate) fn run(options: &ImportBug) -> Result<(), Failure> {
    match &options.on_reader.reader {
        Some(name) => check_reader(name, options),
        None => check_firmwares(options),
    }
}

/// Checks the card in a reader.
fn check_reader(name: &str, options: &ImportBug) -> Result<(), Failure> {
    if options.pin.is_none() && !options.on_reader.destructive {
        return Err(Failure::Usage(
            "the check makes a key on the card: --pin is for a card in use that has a DKEK, and \
             --destructive for one that may be initialised"
                .into(),
        ));
    }
    let mut reader = Reader::open(name)?;
    let name = format!("the card in {}", reader.name());
    let findings = match &options.pin {
        Some(pin) => in_use::check(&mut reader, pin, options.key)?,
        None => {
            on_reader::take_over(&mut reader, &options.on_reader)?;
            let carried = |limits, card: &mut Reader| {
                prepare(card)
                    .and_then(|()| flows::carry_over(&mut Dialogue::with(card), KEY, limits))
            };
            let failed = |trouble| stopped(&name, trouble);
            let without = carried(&[], &mut reader).map_err(failed)?;
            let with = carried(&LIST, &mut reader).map_err(failed)?;
            on_reader::leave(&mut reader)?;
            Findings { without, with }
        }
    };
    output::print(format_args!("{}\n{findings}", reader.name()))?;
    if findings.show_defect(&name)? {
        return Err(Failure::Defect(format!(
            "defect present: {name} does not import a key that has an algorithm list"
        )));
    }
    output::print(FINE)
}

/// Checks new cards in memory of each firmware.
fn check_firmwares(options: &ImportBug) -> Result<(), Failure> {
    let firmwares: Vec<&str> = if options.firmware.is_empty() {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    } else {
        options.firmware.iter().map(String::as_str).collect()
    };
    let mut defective = Vec::new();
    for name in firmwares {
        let exporting = new_card::firmware(Some(name))?;
        let importing = match &options.import_on {
            Some(name) => new_card::firmware(Some(name))?,
            None => exporting.clone(),
        };
        let carried = |limits| carry_over(&exporting, &importing, limits);
        let findings = Findings { without: carried(&[])?, with: carried(&LIST)? };
        let (from, to) = (exporting.name(), importing.name());
        output::print(format_args!("{from} to {to}\n{findings}"))?;
        if findings.show_defect(to)? {
            defective.push(to.to_owned());
        }
    }
    if defective.is_empty() {
        return output::print(FINE);
    }
    defective.dedup();
    let defective = defective.join(", ");
    Err(Failure::Defect(format!(
        "defect present: firmware {defective} does not import a key that has an algorithm list"
    )))
}

impl Findings {
    /// Whether a card named `name` imports the one and not the other.
    fn show_defect(self, name: &str) -> Result<bool, Failure> {
        match self {
            Self { without: Outcome::Works, with } => Ok(with != Outcome::Works),
            Self { without: Outcome::Refused(status), .. } => Err(Failure::Failed(format!(
                "{name} does not import a key without a list either: {}",
                trace::status_told(status)
            ))),
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, outcome) in
            [("without an algorithm list", self.without), ("with the list 73 92", self.with)]
        {
            write!(f, "  {kind:<25}  ")?;
            match outcome {
                Outcome::Works => writeln!(f, "exported, imported, signs")?,
                Outcome::Refused(status) => {
                    let status = trace::status_told(status);
                    writeln!(f, "exported; UNWRAP KEY answers {status}")?;
                }
            }
        }
        Ok(())
    }
}

/// Makes a key on a card of one firmware, exports it, and imports it on a card of the other.
fn carry_over(exporting: &Profile, importing: &Profile, limits: &[u8]) -> Result<Outcome, Failure> {
    let troubled = |profile: &Profile| {
        let name = profile.name().to_owned();
        move |trouble| stopped(&name, trouble)
    };
    let mut home = prepared(exporting)?;
    if exporting == importing {
        return flows::carry_over(&mut Dialogue::with(&mut home), KEY, limits)
            .map_err(troubled(exporting));
    }
    let exported = flows::export(&mut Dialogue::with(&mut home), KEY, limits);
    let exported = exported.map_err(troubled(exporting))?;
    let mut away = prepared(importing)?;
    flows::import(&mut Dialogue::with(&mut away), KEY, &exported).map_err(troubled(importing))
}

/// A card in memory that is prepared.
fn prepared(firmware: &Profile) -> Result<Card, Failure> {
    let card = Card::new(&Order::default(), firmware.clone(), Seed::random()?.into());
    let mut card = card.map_err(|error| Failure::because("cannot make the card", error))?;
    prepare(&mut card).map_err(|trouble| stopped(firmware.name(), trouble))?;
    Ok(card)
}

/// Initialises the card with a DKEK, and logs in.
fn prepare(card: &mut dyn Medium) -> Result<(), Trouble> {
    State::parse(CARD).map_err(Trouble::Broken)?.prepare(card)
}

/// The sentence for a card on which the check cannot be done.
fn stopped(card: &str, trouble: Trouble) -> Failure {
    Failure::Failed(match trouble {
        Trouble::Broken(sentence) => sentence,
        Trouble::Deviates(deviation) => {
            let command = trace::command_told(&deviation.command);
            let (wanted, got) = (&deviation.wanted, super::report::got(&deviation));
            format!("{card} answers {got} to {command}, and not {wanted}")
        }
    })
}
