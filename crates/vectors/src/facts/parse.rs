//! Facts, from the text of their file.

use super::{Fact, FactSource, Facts, KnownFirmware, Range, SourceKind, Value, is_extension};
use crate::selection::select;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// Why a text is not a file of facts: a sentence, with the line where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactsError(String);

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FactsError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactsFile {
    firmware: Vec<FirmwareTable>,
    fact: Vec<Spanned<FactTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FirmwareTable {
    name: String,
    about: String,
    not_known: Option<String>,
    known_since: String,
    evidence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactTable {
    key: String,
    #[serde(default = "all")]
    firmware: String,
    // A value is text of the flat files, and read from there: only its place is taken.
    value: Option<Spanned<IgnoredAny>>,
    has: Option<Vec<Spanned<IgnoredAny>>>,
    what: Option<String>,
    observed: Option<EvidenceField>,
    published: Option<EvidenceField>,
    derived: Option<EvidenceField>,
    guess: Option<EvidenceField>,
    #[serde(default)]
    vectors: Vec<String>,
    without: Option<Vec<String>>,
    #[serde(default)]
    tests: Vec<String>,
}

/// A source, for all firmwares of its fact or by range.
#[derive(Deserialize)]
#[serde(untagged)]
enum EvidenceField {
    ForAll(String),
    ByRange(BTreeMap<String, String>),
}

fn all() -> String {
    "-".into()
}

impl Facts {
    /// Parses a file of facts.
    ///
    /// # Errors
    /// If it is not one; if a firmware has two values in a line, or a line is missing; if a fact
    /// has no source, or one for a firmware that it does not hold for.
    pub fn parse(text: &str) -> Result<Self, FactsError> {
        let line = |place: usize| {
            1 + text.get(..place).unwrap_or_default().bytes().filter(|byte| *byte == b'\n').count()
        };
        let file: FactsFile = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = line(error.span().map_or(0, |span| span.start));
            FactsError(format!("line {line}: {}", error.message()))
        })?;
        let firmwares: Vec<_> = file.firmware.into_iter().map(KnownFirmware::from).collect();
        let facts = file.fact.into_iter().map(|table| {
            let line = line(table.span().start);
            fact(text, &firmwares, table.into_inner())
                .map_err(|what| FactsError(format!("the fact in line {line}: {what}")))
        });
        let facts = Self { facts: facts.collect::<Result<_, _>>()?, firmwares };
        facts.check().map_err(FactsError)?;
        Ok(facts)
    }

    /// Whether each firmware has one value in each line, but in those of a table, which may be
    /// missing, and no member of a list twice.
    fn check(&self) -> Result<(), String> {
        for (key, name) in self
            .keys()
            .into_iter()
            .flat_map(|key| self.firmwares.iter().map(move |it| (key, &it.name)))
        {
            let of_key = || self.facts.iter().filter(|fact| fact.key == key);
            if of_key().any(Fact::is_list) != of_key().all(Fact::is_list) {
                return Err(format!("{key} is a list in some facts only"));
            }
            let told: Vec<_> = self.about(name, key).into_iter().filter(|it| it.holds).collect();
            let mut members = Vec::new();
            for statement in &told {
                match &statement.fact.value {
                    Value::Members(these) => members.extend(these),
                    Value::Whole(_) if told.len() > 1 => {
                        return Err(format!("{key} of {name} has two values"));
                    }
                    Value::Whole(_) => {}
                }
            }
            members.sort();
            if let Some([member, _]) = members.windows(2).find(|pair| pair.first() == pair.last()) {
                return Err(format!("{key} of {name} has {member} twice"));
            }
            if told.is_empty() && !key.contains('.') && !of_key().all(Fact::is_list) {
                return Err(format!("{name} has no {key}"));
            }
        }
        Ok(())
    }
}

impl From<FirmwareTable> for KnownFirmware {
    fn from(table: FirmwareTable) -> Self {
        let FirmwareTable { name, about, not_known, known_since, evidence } = table;
        Self { name, about, not_known, known_since, evidence }
    }
}

fn fact(text: &str, firmwares: &[KnownFirmware], table: FactTable) -> Result<Fact, String> {
    let written = |value: &Spanned<IgnoredAny>| {
        text.get(value.span()).map(ToOwned::to_owned).unwrap_or_default()
    };
    let value = match (&table.value, &table.has) {
        (Some(value), None) => Value::Whole(written(value)),
        (None, Some(members)) => Value::Members(members.iter().map(written).collect()),
        _ => return Err("it has not one of value and has".into()),
    };
    let range = range(firmwares, &table.firmware)?;
    let kinds = [
        (SourceKind::Observed, table.observed),
        (SourceKind::Published, table.published),
        (SourceKind::Derived, table.derived),
        (SourceKind::Guess, table.guess),
    ];
    let mut sources = Vec::new();
    for (kind, evidence) in kinds.into_iter().filter_map(|(kind, it)| Some((kind, it?))) {
        match evidence {
            EvidenceField::ForAll(text) => sources.push(FactSource { kind, range: None, text }),
            EvidenceField::ByRange(by_range) => {
                for (words, text) in by_range {
                    let of = self::range(firmwares, &words)?;
                    if let Some(name) = of.names.iter().find(|name| !range.names(name)) {
                        return Err(format!(
                            "it has a source for {name}, and does not hold for it"
                        ));
                    }
                    sources.push(FactSource { kind, range: Some(of), text });
                }
            }
        }
    }
    let fact = Fact {
        key: table.key,
        value,
        range,
        what: table.what,
        sources,
        vectors: table.vectors,
        without: table.without,
        tests: table.tests,
    };
    if fact.sources.is_empty() && !fact.is_ours() {
        return Err("it has no source".into());
    }
    Ok(fact)
}

fn range(firmwares: &[KnownFirmware], words: &str) -> Result<Range, String> {
    let names = firmwares.iter().map(|firmware| firmware.name.as_str());
    let (extensions, genuine): (Vec<_>, Vec<_>) = names.partition(|name| is_extension(name));
    let names = select(words, &genuine, &extensions)?;
    if names.is_empty() {
        return Err("it holds for no firmware".into());
    }
    Ok(Range { words: words.into(), names: names.into_iter().map(Into::into).collect() })
}
