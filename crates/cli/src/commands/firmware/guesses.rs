//! What is only guessed about a firmware.

use super::facts_about;
use crate::card::personalisation;
use crate::text::failure::Failure;
use vschsm_card::profile::{self, Profile};
use vschsm_vectors::facts::{AppliedFact, Facts, Guess, Value, wrapped};

/// The longest line, in characters, without what is before it.
const WIDTH: usize = 94;

/// The guesses of the firmware that the user names, or of all genuine ones, oldest first.
pub(super) fn list(name: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = name {
        let firmware = personalisation::firmware(Some(name))?;
        return of(&firmware).ok_or_else(|| {
            Failure::Usage(format!(
                "{name} is not built in: only the comments in its file can tell what is a guess"
            ))
        });
    }
    let genuine = profile::BUILT_IN.iter().filter_map(|(name, _)| Profile::built_in(name));
    Ok(genuine.filter_map(|firmware| of(&firmware)).collect::<Vec<_>>().join("\n"))
}

/// The guesses of a firmware that is built in.
fn of(firmware: &Profile) -> Option<String> {
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    for key in Facts::built_in().keys() {
        for statement in facts_about(firmware, key)? {
            match statement.guess() {
                Some(Guess::Whole) => whole.push(entry(&statement, &statement.lines(WIDTH))),
                Some(Guess::Part(what)) => parts.push(entry(&statement, &wrapped(&what, WIDTH))),
                None => {}
            }
        }
    }
    let name = firmware.name();
    let rest = match whole.len() {
        1 => "1 line rests".into(),
        lines => format!("{lines} lines rest"),
    };
    Some(format!(
        "{name}: {rest} on a guess alone\n{}\n{name}: {} more are guessed in part\n{}",
        whole.concat(),
        parts.len(),
        parts.concat()
    ))
}

/// A line of the firmware's file, and the guess about it.
fn entry(statement: &AppliedFact<'_>, what: &[String]) -> String {
    let key = &statement.fact.key;
    let line = match &statement.fact.value {
        Value::Whole(value) => format!("{key} = {value}"),
        Value::Members(members) if statement.holds => format!("{key} has {}", members.join(", ")),
        Value::Members(members) => format!("{key} lacks {}", members.join(", ")),
    };
    let what = what.iter().map(|line| format!("      {line}\n"));
    format!("  {line}\n{}", what.collect::<String>())
}
