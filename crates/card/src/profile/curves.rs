//! The curves that a firmware has.

use super::error::InvalidEntry;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;
use vschsm_protocol::crypto::curve::{Curve, CurveParameters};

/// The curves that a firmware has.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Curves {
    /// All whose field has up to as many bits: the card takes parameters and knows no names.
    UpTo(usize),
    /// These, and no other.
    These(Vec<Curve>),
}

/// The line `curves` of a file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum CurvesLine {
    UpTo(usize),
    Named(Vec<String>),
}

impl Curves {
    /// The curves of a line.
    pub(super) fn parse(line: &CurvesLine) -> Result<Self, InvalidEntry> {
        match line {
            CurvesLine::UpTo(bits) if (Curve::SMALLEST..=Curve::LARGEST).contains(bits) => {
                Ok(Self::UpTo(*bits))
            }
            CurvesLine::UpTo(bits) => Err(InvalidEntry::unknown("curves", bits)),
            CurvesLine::Named(names) => {
                let curves = names.iter().map(|name| {
                    Curve::from_name(name).ok_or_else(|| InvalidEntry::unknown("curves", name))
                });
                Ok(Self::These(curves.collect::<Result<_, _>>()?))
            }
        }
    }

    /// Whether the firmware has that curve.
    pub(super) fn have(&self, parameters: &CurveParameters) -> bool {
        match self {
            Self::UpTo(bits) => (Curve::SMALLEST..=*bits).contains(&parameters.bits()),
            Self::These(curves) => curves.iter().any(|curve| curve.parameters() == parameters),
        }
    }
}
