//! The differences between two firmwares, key by key, with the evidence: from the facts for a
//! built-in firmware, and from the comment above the line for a user's file.

use super::facts_about;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vschsm_card::profile::{FORMERLY_OUTSIDE, Profile};
use vschsm_vectors::facts::Value;

/// Keys that differ by definition: they are in the heading.
const IDENTITY: [&str; 3] = ["name", "version", "known-since"];

/// The longest line of evidence, in characters.
const WIDTH: usize = 96;

/// A line of a firmware file, such as `curves = 521`.
struct Line<'a> {
    /// The key; one in a table has the table's name and a dot before it. So has one that stands
    /// before all tables in an older file.
    key: String,
    /// The value as it is written; a list has several.
    values: Vec<&'a str>,
    is_list: bool,
    /// The comment above it.
    comment: Vec<&'a str>,
}

/// The differences in the newer firmware's order, then the lines that only the older one has.
pub(super) fn between(older: &Profile, newer: &Profile) -> String {
    let (lines_before, lines_after) = (lines(older.source()), lines(newer.source()));
    let find = |lines: &[Line<'_>], key: &str| lines.iter().position(|line| line.key == key);
    let mut text = String::new();
    for line in &lines_after {
        let before = find(&lines_before, &line.key).and_then(|place| lines_before.get(place));
        let values = before.map(|line| line.values.as_slice()).unwrap_or_default();
        if line.values != values {
            let mut evidence = line.evidence(newer, values);
            // Of what an extension adds, nothing is known of the firmware that it extends.
            let is_silent = evidence.is_empty() && facts_about(newer, &line.key).is_some();
            if let Some(before) = before.filter(|_| is_silent) {
                evidence = before.evidence(older, &line.values);
            }
            describe(&mut text, line, values, &line.values, &evidence);
        }
    }
    for line in lines_before.iter().filter(|line| find(&lines_after, &line.key).is_none()) {
        describe(&mut text, line, &line.values, &[], &line.evidence(older, &[]));
    }
    text
}

impl Line<'_> {
    /// Where the line of that firmware comes from, as far as it differs from `others`.
    fn evidence(&self, firmware: &Profile, others: &[&str]) -> Vec<String> {
        let Some(mut statements) = facts_about(firmware, &self.key) else {
            return self.comment.iter().map(|line| (*line).to_owned()).collect();
        };
        // A value that is a table is one fact.
        if let Some((key, _)) = self.key.rsplit_once('.').filter(|_| statements.is_empty()) {
            statements.extend(facts_about(firmware, key).into_iter().flatten());
        }
        let differs = |member: &String| {
            let member = member.trim_matches('"');
            self.values.contains(&member) != others.contains(&member)
        };
        let concerned = statements.into_iter().filter(|statement| match &statement.fact.value {
            Value::Whole(_) => true,
            Value::Members(members) => members.iter().any(differs),
        });
        concerned.flat_map(|statement| statement.lines(WIDTH)).collect()
    }
}

/// The comment at the head of a firmware file: what it is.
pub(super) fn headline(source: &str) -> impl Iterator<Item = &str> {
    source.lines().take_while(|line| line.starts_with('#'))
}

fn describe(
    text: &mut String,
    line: &Line<'_>,
    before: &[&str],
    after: &[&str],
    evidence: &[String],
) {
    text.push_str(&format!("\n{}\n", line.key));
    let without = |these: &[&str], others: &[&str]| {
        let own = these.iter().filter(|value| !line.is_list || !others.contains(value));
        own.copied().collect::<Vec<_>>().join(", ")
    };
    let mut push = |mark, what: &str| {
        if !what.is_empty() {
            text.push_str(&format!("  {mark} {what}\n"));
        }
    };
    push("-", &without(before, after));
    push("+", &without(after, before));
    evidence.iter().for_each(|comment| push("#", comment));
}

fn lines(source: &str) -> Vec<Line<'_>> {
    let table = DeTable::parse(source).expect("the card has parsed it");
    let mut lines = Vec::new();
    collect(source, "", table.get_ref(), &mut lines);
    lines.sort_by_key(|(place, _)| *place);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// The lines of a table, each with its place in the file.
fn collect<'a>(
    source: &'a str,
    prefix: &str,
    table: &DeTable<'_>,
    lines: &mut Vec<(usize, Line<'a>)>,
) {
    for (key, value) in table {
        let table = match FORMERLY_OUTSIDE.contains(&key.get_ref().as_ref()) {
            true if prefix.is_empty() => "behaviour.",
            _ => prefix,
        };
        let name = format!("{table}{}", key.get_ref());
        let text = |value: &Spanned<DeValue<'_>>| {
            source.get(value.span()).unwrap_or_default().trim_matches('"')
        };
        let values = match value.get_ref() {
            DeValue::Table(inner) => {
                collect(source, &format!("{name}."), inner, lines);
                continue;
            }
            DeValue::Array(values) => values.iter().map(text).collect(),
            _ => vec![text(value)],
        };
        if IDENTITY.contains(&name.as_str()) {
            continue;
        }
        let is_list = value.get_ref().is_array();
        let place = key.span().start;
        let comment = comment_above(source.get(..place).unwrap_or_default());
        lines.push((place, Line { key: name, values, is_list, comment }));
    }
}

/// The comment that `source` ends with, lines of the same paragraph aside.
fn comment_above(source: &str) -> Vec<&str> {
    let mut lines: Vec<_> = source
        .lines()
        .rev()
        .take_while(|line| !line.is_empty())
        .skip_while(|line| !line.starts_with('#'))
        .map_while(|line| line.strip_prefix("# "))
        .collect();
    lines.reverse();
    lines
}
