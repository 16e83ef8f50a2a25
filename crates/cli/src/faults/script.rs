//! The file that says what goes wrong, and when.

use super::effect::{Atr, Effect};
use super::when::{Header, When};
use crate::text::failure::Failure;
use crate::text::input;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// What goes wrong, and when: the content of a file, and what `vschsm ctl` sends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct Script {
    #[serde(skip_serializing_if = "String::is_empty")]
    seed: String,
    fault: Vec<Fault>,
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    #[serde(default)]
    pub(crate) when: When,
    #[serde(rename = "do")]
    pub(crate) effect: Effect,
}

impl Fault {
    /// Whether it may strike a command, count and chance aside.
    pub(super) fn fits(&self, header: Header) -> bool {
        // No command asks for an ATR.
        !matches!(self.effect, Effect::Atr(_))
            && self.effect.scope().is_none_or(|concerns| header.command().is_some_and(concerns))
            && self.when.fits(header)
    }

    /// Why its parts do not go together, in a sentence.
    fn misfit(&self) -> Option<String> {
        if matches!(self.effect, Effect::Atr(_)) && !self.when.is_of_arrivals_alone() {
            let why = "an ATR is no answer to a command: leave out `when`, or all but `arrival`";
            return Some(why.into());
        }
        self.when.misfit(self.effect.scope())
    }
}

/// A script whose parts may not go together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    #[serde(default)]
    seed: String,
    #[serde(default)]
    fault: Vec<Fault>,
}

/// Where the faults of a script stand in it.
#[derive(Deserialize)]
struct Places {
    #[serde(default)]
    fault: Vec<Spanned<IgnoredAny>>,
}

/// A fault whose parts do not go together.
struct Misfit {
    /// From 0.
    index: usize,
    why: String,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}: {}", self.index + 1, self.why)
    }
}

impl TryFrom<Unchecked> for Script {
    type Error = Misfit;

    fn try_from(Unchecked { seed, fault }: Unchecked) -> Result<Self, Misfit> {
        let misfit = |(index, fault): (usize, &Fault)| Some(Misfit { index, why: fault.misfit()? });
        match fault.iter().enumerate().find_map(misfit) {
            Some(misfit) => Err(misfit),
            None => Ok(Self { seed, fault }),
        }
    }
}

impl Script {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        Self::parse(&input::text(path)?, path)
    }

    /// What a text says, which comes from `origin`.
    pub(crate) fn parse(text: &str, origin: &Path) -> Result<Self, Failure> {
        let wrong = |span: Option<Range<usize>>, why: &str| {
            let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
            let (line, why) = (before.matches('\n').count() + 1, why.trim().replace('\n', ", "));
            Failure::Usage(format!(
                "{} line {line}: {why}; `vschsm ctl set-faults --help` tells what it may say",
                origin.display()
            ))
        };
        let unchecked: Unchecked =
            toml::from_str(text).map_err(|error| wrong(error.span(), error.message()))?;
        Self::try_from(unchecked).map_err(|Misfit { index, why }| {
            let places: Option<Places> = toml::from_str(text).ok();
            let place = places.and_then(|places| Some(places.fault.get(index)?.span()));
            wrong(place, &why)
        })
    }

    pub(crate) fn faults(&self) -> &[Fault] {
        &self.fault
    }

    /// What chances are made of.
    pub(crate) fn seed(&self) -> &str {
        &self.seed
    }

    /// The answer to reset of a card that has come for the time of that number, if it is another
    /// than the card's.
    pub(super) fn atr(&self, arrival: u64) -> Option<&[u8]> {
        let mut faults = self.fault.iter().filter(|fault| fault.when.is_in_arrival(arrival));
        faults.find_map(|fault| match &fault.effect {
            Effect::Atr(atr) => Some(Atr::bytes(atr)),
            _ => None,
        })
    }

    /// A number from 0 to 1 that depends on nothing but the seed, the `fault` and the command.
    pub(super) fn chance(&self, fault: u64, command: u64) -> f64 {
        let digest = Sha256::new()
            .chain_update("vschsm faults")
            .chain_update(fault.to_be_bytes())
            .chain_update(command.to_be_bytes())
            .chain_update(&self.seed)
            .finalize();
        let number = digest.first_chunk().copied().map_or(0, u64::from_be_bytes);
        // As many bits as a number of this kind holds.
        (number >> 11) as f64 / (1_u64 << 53) as f64
    }
}
