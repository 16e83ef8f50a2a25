//! The report of a check, in three formats.

mod json;
mod junit;

use super::case::Case;
use crate::text::failure::Failure;
use crate::text::{hex, names, output};
use crate::trace;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;
use vschsm_vectors::{Location, Mismatch};

/// How many bytes of a command or response a line shows.
const SHOWN: usize = 48;

/// Up to how many skipped checks are listed by name; JSON and JUnit list them all.
const LISTED: usize = 40;

/// All that was found.
pub(crate) struct CheckReport<'a> {
    pub(crate) cards: Vec<CardReport<'a>>,
}

/// What was found of one card, or of new cards of one firmware.
pub(crate) struct CardReport<'a> {
    /// What it is called: a firmware, or a reader.
    pub(crate) name: String,
    /// The firmware whose responses are expected.
    pub(crate) firmware: &'static str,
    pub(crate) findings: Vec<Finding<'a>>,
    /// Why the check ended early, if it did.
    pub(crate) stopped: Option<String>,
}

/// What was found of one vector or flow.
#[derive(Clone)]
pub(crate) struct Finding<'a> {
    pub(crate) case: &'a Case,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}

/// The result of one vector or flow.
#[derive(Clone)]
pub(crate) enum Verdict {
    Holds,
    Deviates(Mismatch),
    /// It was skipped, for this reason.
    Skipped(&'static str),
}

impl CheckReport<'_> {
    /// Prints a paragraph for each card, and the verdict if all checks passed.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        let cards: String = self.cards.iter().map(ToString::to_string).collect();
        let fine = self.verdict().map_or("", |()| "All checks passed.\n");
        output::print(format_args!("{cards}{fine}"))
    }

    /// Fails with a sentence: why the check ended early, or on which cards checks failed.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        if let Some(sentence) = self.cards.iter().find_map(|card| card.stopped.as_ref()) {
            return Err(Failure::Failed(sentence.clone()));
        }
        let deviating = self.cards.iter().filter(|card| card.deviations().next().is_some());
        let names: Vec<_> = deviating.map(|card| card.name.as_str()).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(Failure::Defect(format!("checks failed: {}", names.join(", "))))
    }
}

impl<'a> CardReport<'a> {
    pub(crate) fn new(name: &str, firmware: &'static str) -> Self {
        Self { name: name.into(), firmware, findings: Vec::new(), stopped: None }
    }

    /// Puts the findings in the order of their names.
    pub(crate) fn sort(&mut self) {
        self.findings.sort_by(|one, other| one.case.name.cmp(&other.case.name));
    }

    fn deviations(&self) -> impl Iterator<Item = (&Finding<'a>, &Mismatch)> {
        self.findings.iter().filter_map(|finding| match &finding.verdict {
            Verdict::Deviates(mismatch) => Some((finding, mismatch)),
            _ => None,
        })
    }

    /// The names of skipped checks, by reason.
    fn skipped(&self) -> BTreeMap<&'static str, Vec<&str>> {
        let mut skipped = BTreeMap::<_, Vec<_>>::new();
        for finding in &self.findings {
            if let Verdict::Skipped(reason) = finding.verdict {
                skipped.entry(reason).or_default().push(finding.case.name.as_str());
            }
        }
        skipped
    }
}

impl fmt::Display for CardReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holding =
            self.findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Holds));
        let hold = names::count(holding.count(), "check");
        write!(f, "{:<7} {hold} passed", self.name)?;
        let deviating = self.deviations().count();
        if deviating > 0 {
            write!(f, ", {deviating} failed")?;
            let guesses = self.deviations().filter(|(found, _)| found.case.is_guess()).count();
            if guesses > 0 {
                write!(f, " ({guesses} of them guesses, at least in part)")?;
            }
        }
        let skipped = self.skipped();
        if !skipped.is_empty() {
            write!(f, ", {} skipped", skipped.values().map(Vec::len).sum::<usize>())?;
        }
        f.write_char('\n')?;
        for (finding, mismatch) in self.deviations() {
            describe(f, finding.case, mismatch)?;
        }
        for (reason, names) in skipped {
            let listed = if names.len() > LISTED { "" } else { &format!(": {}", names.join(", ")) };
            writeln!(f, "  {} skipped: each {reason}{listed}", names.len())?;
        }
        Ok(())
    }
}

/// A mismatch, a line for each thing that somebody asks about it.
fn describe(f: &mut fmt::Formatter<'_>, case: &Case, mismatch: &Mismatch) -> fmt::Result {
    writeln!(f, "  {}", case.name)?;
    writeln!(f, "    says     {}", case.title())?;
    writeln!(f, "    source   {}", case.source())?;
    writeln!(f, "    step     {}", place(mismatch))?;
    writeln!(f, "    command  {}", excerpt(&hex::upper(&mismatch.command), 0))?;
    writeln!(f, "    expected {}", expected(mismatch))?;
    writeln!(f, "    got      {}", actual(mismatch))
}

/// Where it happened, and the command in words.
fn place(mismatch: &Mismatch) -> String {
    let command = trace::describe_command(&mismatch.command);
    match &mismatch.location {
        Location::Preparation(words) => format!("before 1, {words}: {command}"),
        Location::Step { number, line: Some(line) } => format!("{number}, line {line}: {command}"),
        Location::Step { number, line: None } => format!("{number}: {command}"),
    }
}

/// What was wanted, with the words of its status word.
fn expected(mismatch: &Mismatch) -> String {
    let Mismatch { expected, actual, .. } = mismatch;
    let split = expected.len().checked_sub(4).and_then(|middle| expected.split_at_checked(middle));
    let status =
        split.and_then(|(data, digits)| Some((data, u16::from_str_radix(digits, 16).ok()?)));
    match status {
        Some((data, status)) => {
            with_status(&excerpt(data, first_difference(expected, actual)), status)
        }
        None => expected.clone(),
    }
}

/// What came, with the words of its status word.
pub(crate) fn actual(mismatch: &Mismatch) -> String {
    let Mismatch { expected, actual, .. } = mismatch;
    match actual.split_last_chunk() {
        Some((data, status)) => {
            let data = excerpt(&hex::upper(data), first_difference(expected, actual));
            with_status(&data, u16::from_be_bytes(*status))
        }
        None => "nothing".into(),
    }
}

fn with_status(data: &str, status: u16) -> String {
    let space = if data.is_empty() { "" } else { " " };
    format!("{data}{space}{}", trace::describe_status(status))
}

/// The first byte that is not as wanted; the beginning where a run of any bytes hides which it is.
fn first_difference(expected: &str, actual: &[u8]) -> usize {
    let expected = expected.as_bytes().chunks(2);
    let same = |(expected, actual): (&[u8], &u8)| {
        expected == b".." || expected.eq_ignore_ascii_case(hex::upper(&[*actual]).as_bytes())
    };
    if expected.clone().flatten().any(|character| *character == b'*') {
        return 0;
    }
    expected.zip(actual).take_while(|pair| same(*pair)).count()
}

/// Digits, cut where a line would not end, so that byte `matters` is among them.
fn excerpt(digits: &str, matters: usize) -> String {
    let total = digits.len().div_ceil(2);
    if total <= SHOWN {
        return digits.into();
    }
    let start = if matters < SHOWN { 0 } else { (matters - 8).min(total - SHOWN) };
    let from = if start > 0 { format!("from byte {start} on …") } else { String::new() };
    let shown = digits.get(2 * start..).and_then(|rest| rest.get(..2 * SHOWN).or(Some(rest)));
    let end = if start + SHOWN < total { "…" } else { "" };
    format!("{from}{}{end} ({total} bytes)", shown.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_long_responses_that_part_is_shown_which_differs() {
        let mut actual = vec![0x5A; 100];
        actual.extend([0x90, 0x00]);
        let expected = format!("{}{}9000", "..".repeat(80), "5B".repeat(20));
        assert_eq!(first_difference(&expected, &actual), 80);
        let told = Mismatch {
            location: Location::Step { number: 1, line: None },
            command: vec![],
            expected,
            actual,
        };
        assert!(
            super::expected(&told).starts_with("from byte 52 on …...."),
            "{}",
            super::expected(&told)
        );
        assert!(super::actual(&told).ends_with("5A (100 bytes) 9000"), "{}", super::actual(&told));
        assert_eq!(excerpt("AABB", 9), "AABB");
        assert_eq!(first_difference("6A80", &[0x6A, 0x82]), 1);
        assert_eq!(first_difference("30*9000", &[0x30, 0x6A, 0x82]), 0);
    }
}
