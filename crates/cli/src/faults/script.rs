//! The file of faults: effects and conditions.

use super::effect::{Atr, Effect};
use super::when::{CommandHeader, When};
use crate::text::failure::Failure;
use crate::text::input;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// Faults: the content of a file, and what `vschsm ctl` sends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct Script {
    #[serde(skip_serializing_if = "String::is_empty")]
    seed: String,
    fault: Vec<Fault>,
}

/// A fault: a condition and an effect.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    #[serde(default)]
    pub(crate) when: When,
    #[serde(rename = "do")]
    pub(crate) effect: Effect,
}

impl Fault {
    /// Whether it matches a command, without count and probability.
    pub(super) fn matches(&self, header: CommandHeader) -> bool {
        // An ATR is not the response to a command.
        !matches!(self.effect, Effect::Atr(_))
            && self.effect.scope().is_none_or(|scope| header.command().is_some_and(scope))
            && self.when.matches(header)
    }

    /// Why its condition and its effect contradict each other, in a sentence.
    fn contradiction(&self) -> Option<String> {
        if matches!(self.effect, Effect::Atr(_)) && !self.when.is_of_arrivals_alone() {
            let why =
                "an ATR is not the response to a command: leave out `when`, or all but `arrival`";
            return Some(why.into());
        }
        self.when.contradiction(self.effect.scope())
    }
}

/// A script whose faults may contradict themselves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    #[serde(default)]
    seed: String,
    #[serde(default)]
    fault: Vec<Fault>,
}

/// The positions of the faults in a script.
#[derive(Deserialize)]
struct Positions {
    #[serde(default)]
    fault: Vec<Spanned<IgnoredAny>>,
}

/// A fault whose condition and effect contradict each other.
struct FaultError {
    /// From 0.
    index: usize,
    why: String,
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}: {}", self.index + 1, self.why)
    }
}

impl TryFrom<Unchecked> for Script {
    type Error = FaultError;

    fn try_from(Unchecked { seed, fault }: Unchecked) -> Result<Self, FaultError> {
        let error = |(index, fault): (usize, &Fault)| {
            Some(FaultError { index, why: fault.contradiction()? })
        };
        match fault.iter().enumerate().find_map(error) {
            Some(error) => Err(error),
            None => Ok(Self { seed, fault }),
        }
    }
}

impl Script {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        Self::parse(&input::text(path)?, path)
    }

    /// Parses a text, which was read from `origin`.
    pub(crate) fn parse(text: &str, origin: &Path) -> Result<Self, Failure> {
        let wrong = |span: Option<Range<usize>>, why: &str| {
            let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
            let (line, why) = (before.matches('\n').count() + 1, why.trim().replace('\n', ", "));
            Failure::Usage(format!(
                "{} line {line}: {why}; `vschsm ctl set-faults --help` describes the format",
                origin.display()
            ))
        };
        let unchecked: Unchecked =
            toml::from_str(text).map_err(|error| wrong(error.span(), error.message()))?;
        Self::try_from(unchecked).map_err(|FaultError { index, why }| {
            let positions: Option<Positions> = toml::from_str(text).ok();
            let place = positions.and_then(|positions| Some(positions.fault.get(index)?.span()));
            wrong(place, &why)
        })
    }

    pub(crate) fn faults(&self) -> &[Fault] {
        &self.fault
    }

    /// The seed of the probabilities.
    pub(crate) fn seed(&self) -> &str {
        &self.seed
    }

    /// The answer to reset in the arrival of that number, if a fault replaces the card's.
    pub(super) fn atr(&self, arrival: u64) -> Option<&[u8]> {
        let mut faults = self.fault.iter().filter(|fault| fault.when.is_in_arrival(arrival));
        faults.find_map(|fault| match &fault.effect {
            Effect::Atr(atr) => Some(Atr::bytes(atr)),
            _ => None,
        })
    }

    /// A number from 0 to 1 that depends on the seed, the `fault` and the command only.
    pub(super) fn chance(&self, fault: u64, command: u64) -> f64 {
        let digest = Sha256::new()
            .chain_update("vschsm faults")
            .chain_update(fault.to_be_bytes())
            .chain_update(command.to_be_bytes())
            .chain_update(&self.seed)
            .finalize();
        let number = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
        // As many bits as an f64 holds exactly.
        (number >> 11) as f64 / (1_u64 << 53) as f64
    }
}
