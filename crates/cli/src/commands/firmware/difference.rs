//! What differs between two firmware files, key by key, with the evidence.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What tells a firmware from the others by definition: the heading has it.
const IDENTITY: [&str; 3] = ["name", "version", "known-since"];

/// A line of a firmware file, such as `curves = 521`.
struct Line<'a> {
    /// The key; one in a table has the table's name and a dot before it.
    key: String,
    /// The value as it is written; a list has several.
    values: Vec<&'a str>,
    is_list: bool,
    /// The comment above it.
    evidence: Vec<&'a str>,
}

/// What is not the same in both files, in the newer one's order, and then what only the older has.
///
/// Both are firmware files that the card has parsed.
pub(super) fn between(older: &str, newer: &str) -> String {
    let (older, newer) = (lines(older), lines(newer));
    let find = |lines: &[Line<'_>], key: &str| lines.iter().position(|line| line.key == key);
    let mut text = String::new();
    for line in &newer {
        let before = find(&older, &line.key).and_then(|place| older.get(place));
        let before = before.map(|line| line.values.as_slice()).unwrap_or_default();
        if line.values != before {
            tell(&mut text, line, before, &line.values);
        }
    }
    for line in older.iter().filter(|line| find(&newer, &line.key).is_none()) {
        tell(&mut text, line, &line.values, &[]);
    }
    text
}

/// The comment at the head of a firmware file: what it is.
pub(super) fn headline(source: &str) -> impl Iterator<Item = &str> {
    source.lines().take_while(|line| line.starts_with('#'))
}

fn tell(text: &mut String, line: &Line<'_>, before: &[&str], after: &[&str]) {
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
    line.evidence.iter().for_each(|comment| push("#", comment));
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
        let name = format!("{prefix}{}", key.get_ref());
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
        let evidence = comment_above(source.get(..place).unwrap_or_default());
        lines.push((place, Line { key: name, values, is_list, evidence }));
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
