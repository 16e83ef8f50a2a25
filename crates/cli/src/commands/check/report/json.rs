//! The report as one JSON document.

use super::{CardReport, CheckReport, Finding, Verdict, place};
use crate::text::failure::Failure;
use crate::text::{hex, output};
use serde::Serialize;
use vschsm_vectors::Mismatch;

#[derive(Serialize)]
struct Document<'a> {
    passed: usize,
    failed: usize,
    skipped: usize,
    cards: Vec<JsonCard<'a>>,
}

#[derive(Serialize)]
struct JsonCard<'a> {
    name: &'a str,
    firmware: &'a str,
    /// Why the check ended early, if it did.
    stopped: Option<&'a str>,
    checks: Vec<JsonCheck<'a>>,
}

#[derive(Serialize)]
struct JsonCheck<'a> {
    name: &'a str,
    sentence: &'a str,
    source: &'a str,
    #[serde(flatten)]
    outcome: JsonOutcome<'a>,
}

#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
enum JsonOutcome<'a> {
    Passed,
    Failed { step: String, command: String, wanted: &'a str, got: String },
    Skipped { reason: &'a str },
}

impl CheckReport<'_> {
    /// Prints the document.
    pub(crate) fn print_json(&self) -> Result<(), Failure> {
        let count = |kind: fn(&Verdict) -> bool| {
            let findings = self.cards.iter().flat_map(|card| &card.findings);
            findings.filter(|finding| kind(&finding.verdict)).count()
        };
        let document = Document {
            passed: count(|verdict| matches!(verdict, Verdict::Holds)),
            failed: count(|verdict| matches!(verdict, Verdict::Deviates(_))),
            skipped: count(|verdict| matches!(verdict, Verdict::Skipped(_))),
            cards: self.cards.iter().map(JsonCard::from).collect(),
        };
        output::print_json(&document)
    }
}

impl<'a> From<&'a CardReport<'_>> for JsonCard<'a> {
    fn from(report: &'a CardReport<'_>) -> Self {
        let checks = report.findings.iter().map(JsonCheck::from).collect();
        let stopped = report.stopped.as_deref();
        Self { name: &report.name, firmware: report.firmware, stopped, checks }
    }
}

impl<'a> From<&'a Finding<'_>> for JsonCheck<'a> {
    fn from(Finding { case, verdict, .. }: &'a Finding<'_>) -> Self {
        let outcome = match verdict {
            Verdict::Holds => JsonOutcome::Passed,
            Verdict::Skipped(reason) => JsonOutcome::Skipped { reason },
            Verdict::Deviates(mismatch) => JsonOutcome::from(mismatch),
        };
        Self { name: &case.name, sentence: case.title(), source: case.source(), outcome }
    }
}

impl<'a> From<&'a Mismatch> for JsonOutcome<'a> {
    fn from(mismatch: &'a Mismatch) -> Self {
        Self::Failed {
            step: place(mismatch),
            command: hex::upper(&mismatch.command),
            wanted: &mismatch.expected,
            got: hex::upper(&mismatch.actual),
        }
    }
}
