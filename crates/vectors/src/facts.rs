//! What is known of each firmware: facts, with the firmwares that each holds for, and its evidence.
//!
//! `firmware/facts.toml` has them, and describes its form. The flat files beside it are written
//! from them by `cargo xtask firmware`; `vschsm firmware --diff` and `--guesses` show their
//! evidence.

mod evidence;
mod parse;

pub use evidence::{Guess, wrapped};
pub use parse::FactsError;

use std::sync::LazyLock;

/// The facts that are built in; whoever never asks for them never parses them.
static BUILT_IN: LazyLock<Facts> = LazyLock::new(|| {
    Facts::parse(include_str!("../firmware/facts.toml")).expect("a test parses it")
});

/// All that is known of firmwares.
#[derive(Clone, Debug)]
pub struct Facts {
    firmwares: Vec<KnownFirmware>,
    facts: Vec<Fact>,
}

/// A firmware.
#[derive(Clone, Debug)]
pub struct KnownFirmware {
    /// Its version, such as `3.4`; of an extension, that of the firmware it extends, `+` and a
    /// name.
    pub name: String,
    /// What it is, in sentences.
    pub about: String,
    /// What is not known of it.
    pub not_known: Option<String>,
    /// Year, or year and month, of the first public mention; empty if there is none.
    pub known_since: String,
    /// Where that, and its version, come from.
    pub evidence: String,
}

/// One line of a firmware's file, or some members of a list there.
#[derive(Clone, Debug)]
pub struct Fact {
    /// The key of the line, such as `curves`; one in a table has the table's name and a dot before
    /// it, as in `refuse.query-memory`.
    pub key: String,
    /// What the line says.
    pub value: Value,
    range: Range,
    what: Option<String>,
    sources: Vec<FactSource>,
    vectors: Vec<String>,
    without: Option<Vec<String>>,
    tests: Vec<String>,
}

/// What a line says, as it is written in a firmware's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// All of it, such as `1232`, or `"JCOP 3"` with its quotes.
    Whole(String),
    /// Members of a list, each as it is written.
    Members(Vec<String>),
}

/// Some firmwares.
#[derive(Clone, Debug)]
struct Range {
    /// As vectors write it.
    words: String,
    /// The names of all that are in it.
    names: Vec<String>,
}

/// Where a fact comes from.
#[derive(Clone, Debug)]
struct FactSource {
    kind: SourceKind,
    /// The firmwares it is for; without any, all that the fact holds for.
    range: Option<Range>,
    text: String,
}

/// How good a source is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SourceKind {
    Observed,
    Published,
    Derived,
    Guess,
}

/// A fact, as it concerns one firmware.
#[derive(Clone, Copy, Debug)]
pub struct AppliedFact<'a> {
    /// The fact.
    pub fact: &'a Fact,
    /// Whether it holds for the firmware. If not, it is about members of a list that this firmware
    /// is without.
    pub holds: bool,
    firmware: &'a str,
}

impl Facts {
    /// The facts that are built in.
    #[must_use]
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// The firmwares, oldest first, and then the extensions.
    #[must_use]
    pub fn firmwares(&self) -> &[KnownFirmware] {
        &self.firmwares
    }

    /// The keys of all lines, in the order of the files.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        let mut keys = Vec::new();
        for fact in &self.facts {
            if !keys.contains(&fact.key.as_str()) {
                keys.push(&fact.key);
            }
        }
        keys
    }

    /// What is known of a line of that firmware's file: one fact, or no fact if it has no such
    /// line; of a list, each fact about its members, those that the firmware is without included.
    /// Of a firmware that does not exist, nothing is known.
    #[must_use]
    pub fn about<'a>(&'a self, firmware: &'a str, key: &str) -> Vec<AppliedFact<'a>> {
        if self.firmwares.iter().all(|known| known.name != firmware) {
            return Vec::new();
        }
        let of_key = || self.facts.iter().filter(|fact| fact.key == key);
        // What an extension says itself takes the place of what its firmware says.
        let is_changed = of_key().any(|fact| !fact.is_list() && fact.range.names(firmware));
        let statements = of_key().filter_map(|fact| {
            let inherits = (fact.is_list() || !is_changed) && fact.range.names(base(firmware));
            let holds = fact.range.names(firmware) || inherits;
            let is_told = holds || fact.is_list() && !fact.is_ours();
            is_told.then_some(AppliedFact { fact, holds, firmware })
        });
        statements.collect()
    }
}

impl Fact {
    fn is_list(&self) -> bool {
        matches!(self.value, Value::Members(_))
    }

    /// Whether it holds for extensions of ours alone.
    fn is_ours(&self) -> bool {
        self.range.names.iter().all(|name| is_extension(name))
    }
}

impl Range {
    fn names(&self, firmware: &str) -> bool {
        self.names.iter().any(|name| name == firmware)
    }
}

/// Whether it is the name of an extension.
#[must_use]
pub fn is_extension(firmware: &str) -> bool {
    firmware.contains('+')
}

/// The firmware that an extension extends; of any other, itself.
#[must_use]
pub fn base(firmware: &str) -> &str {
    firmware.split('+').next().unwrap_or(firmware)
}

#[cfg(test)]
mod tests;
