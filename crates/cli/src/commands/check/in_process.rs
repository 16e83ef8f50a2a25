//! Cards of each firmware in this process, a new one for each vector and flow.

use super::case::Case;
use super::report::{CardReport, Finding, Verdict};
use crate::card::personalisation;
use crate::process::seed::Seed;
use crate::text::failure::Failure;
use indicatif::ProgressBar;
use std::num::NonZero;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;
use vschsm_card::Card;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::{BUILT_IN, Profile};
use vschsm_vectors::{PlayError, extension, of_version};

/// A firmware, and the ones whose responses are expected from it: its own first, if it is an
/// extension.
pub(crate) struct FirmwareUnderTest {
    profile: Profile,
    expected: &'static str,
    extension: Option<&'static str>,
}

impl FirmwareUnderTest {
    /// The firmwares that the user names, or all that are built in.
    pub(crate) fn named(names: &[String]) -> Result<Vec<Self>, Failure> {
        if names.is_empty() {
            return BUILT_IN.iter().map(|(name, _)| Self::new(name)).collect();
        }
        names.iter().map(|name| Self::new(name)).collect()
    }

    fn new(name: &str) -> Result<Self, Failure> {
        let profile = personalisation::firmware(Some(name))?;
        let (major, minor) = profile.version();
        let expected = of_version((major, minor)).ok_or_else(|| {
            let sentence =
                format!("there is no vector for version {major}.{minor}, the version of {name}");
            Failure::Usage(sentence)
        })?;
        let extension = extension(profile.name());
        Ok(Self { profile, expected, extension })
    }

    /// The firmware whose responses to a case are expected, if the case is for this one.
    fn expected_for(&self, case: &Case) -> Option<&'static str> {
        let names = [self.extension, Some(self.expected)];
        names.into_iter().flatten().find(|name| case.is_for(name))
    }

    fn deliver(&self) -> Result<Card, PlayError> {
        let seed = Seed::random().map_err(|none| PlayError::Failed(none.to_string()))?;
        Card::new(&PersonalisationData::default(), self.profile.clone(), seed.into())
            .map_err(|error| PlayError::Failed(format!("cannot make a card: {error}")))
    }

    /// Runs a case on new cards.
    fn run(&self, case: &Case) -> Result<(), PlayError> {
        let expected = self.expected_for(case).unwrap_or(self.expected);
        case.card().for_each_example(|| self.deliver(), |card| case.run(expected, card))
    }
}

/// Runs every case on every firmware that it is for, on all processors.
pub(crate) fn play<'a>(
    cases: &'a [Case],
    subjects: &[FirmwareUnderTest],
) -> Result<Vec<CardReport<'a>>, Failure> {
    let tasks = subjects.iter().enumerate().flat_map(|(index, subject)| {
        let cases = cases.iter().filter(|case| subject.expected_for(case).is_some());
        cases.map(move |case| (index, subject, case))
    });
    let tasks: Vec<_> = tasks.collect();
    let bar = super::progress(tasks.len());
    let tasks = Mutex::new(tasks.into_iter());
    let next = || tasks.lock().ok()?.next();
    let work = || -> Result<Vec<(usize, Finding<'a>)>, Failure> {
        std::iter::from_fn(next)
            .map(|(index, subject, case)| Ok((index, find(subject, case, &bar)?)))
            .collect()
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let found: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join()).collect()
    });
    bar.finish_and_clear();

    let mut reports: Vec<_> = subjects
        .iter()
        .map(|subject| CardReport::new(subject.profile.name(), subject.expected))
        .collect();
    for worker in found {
        let findings = worker
            .map_err(|_| Failure::Failed("internal error: a check has panicked".into()))??;
        for (index, finding) in findings {
            reports
                .get_mut(index)
                .into_iter()
                .for_each(|report| report.findings.push(finding.clone()));
        }
    }
    reports.iter_mut().for_each(CardReport::sort);
    Ok(reports)
}

fn find<'a>(
    subject: &FirmwareUnderTest,
    case: &'a Case,
    bar: &ProgressBar,
) -> Result<Finding<'a>, Failure> {
    let start = Instant::now();
    let verdict = match subject.run(case) {
        Ok(()) => Verdict::Holds,
        Err(PlayError::Mismatch(mismatch)) => Verdict::Deviates(mismatch),
        Err(PlayError::Failed(sentence)) => return Err(Failure::because(&case.name, sentence)),
    };
    bar.inc(1);
    Ok(Finding { case, verdict, took: start.elapsed() })
}
