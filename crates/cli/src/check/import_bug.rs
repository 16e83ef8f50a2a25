//! `vschsm check import-bug`: firmware 3.1 exports a key with an algorithm list, and does not
//! import it again.

use super::flows::{self, Dialogue, LIST, Outcome};
use crate::failure::Failure;
use crate::seed::Seed;
use crate::{new_card, output, trace};
use card::Card;
use card::factory::Order;
use card::profile::{BUILT_IN, Profile};
use clap::Args;
use std::fmt;
use vectors::{State, Trouble};

/// Check whether keys with an algorithm list survive export and import
///
/// On firmware 3.1 a key that was generated with an algorithm list can be exported, but UNWRAP KEY
/// answers 6F00 to the blob; keys without a list are not affected, and 3.2 imports what 3.1 has
/// exported. The check makes both kinds of key on a new card in memory, exports, deletes and
/// imports them, and has them sign.
///
/// Exit codes: 0 fine, 3 defect present, 1 the check could not be done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm check import-bug
  vschsm check import-bug --firmware 3.1
  vschsm check import-bug --firmware 3.1 --import-on 3.2")]
pub(crate) struct ImportBug {
    /// Firmware of the card, again for each one: a name from `vschsm firmware`, or a file
    /// [default: all that there are]
    #[arg(long, value_name = "NAME|FILE")]
    firmware: Vec<String>,

    /// Import the blobs on a second card, of this firmware, under the same DKEK
    #[arg(long, value_name = "NAME|FILE")]
    import_on: Option<String>,
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

/// Checks each firmware; fails with the verdict if one has the defect.
pub(crate) fn run(options: &ImportBug) -> Result<(), Failure> {
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
        return output::print("Fine: keys are imported with an algorithm list and without one.\n");
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

/// A card in memory that is initialised for the check; the user is logged in.
fn prepared(firmware: &Profile) -> Result<Card, Failure> {
    let card = Card::new(&Order::default(), firmware.clone(), Seed::random()?.into());
    let mut card = card.map_err(|error| Failure::because("cannot make the card", error))?;
    let state = State::parse(CARD).map_err(Failure::Failed)?;
    state.prepare(&mut card).map_err(|trouble| stopped(firmware.name(), trouble))?;
    Ok(card)
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
