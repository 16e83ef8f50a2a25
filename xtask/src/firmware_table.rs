//! The table of firmwares in `firmware/README.md`.

use vschsm_vectors::facts::{Facts, KnownFirmware, Value, is_extension};

const HEADING: &str = "## Firmwares\n\n";

const COLUMNS: [&str; 8] = [
    "name",
    "platform",
    "ATR ends",
    "RSA up to",
    "curves up to",
    "command up to",
    "known since",
    "evidence of version and date",
];

/// The text of the file with the table that the facts make.
pub(crate) fn with_table(readme: &str, facts: &Facts) -> Result<String, String> {
    let missing = "firmware/README.md has no table below ## Firmwares";
    let (before, after) = readme.split_once(HEADING).ok_or(missing)?;
    let (table, after) = after.split_once("\n\n").ok_or(missing)?;
    if !table.starts_with('|') {
        return Err(missing.into());
    }
    Ok(format!("{before}{HEADING}{}\n{after}", table_of(facts)))
}

fn table_of(facts: &Facts) -> String {
    let genuine = facts.firmwares().iter().filter(|firmware| !is_extension(&firmware.name));
    let mut rows = vec![COLUMNS.map(String::from), COLUMNS.map(|_| "-".into())];
    rows.extend(genuine.map(|firmware| row(facts, firmware)));
    let mut widths = [0; COLUMNS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(widths).map(|(cell, width)| match cell.as_str() {
            "-" => format!("|{}", "-".repeat(width + 2)),
            _ => format!("| {cell:width$} "),
        });
        cells.collect::<String>() + "|\n"
    });
    lines.collect()
}

fn row(facts: &Facts, firmware: &KnownFirmware) -> [String; COLUMNS.len()] {
    let name = firmware.name.as_str();
    let value = |key| last(facts, name, key);
    let atr = value("atr");
    let end = atr.len().checked_sub(4).and_then(|start| atr.get(start..)).unwrap_or_default();
    [
        format!("`{name}`"),
        value("platform"),
        format!("`{end}`"),
        value("rsa"),
        value("curves"),
        value("max-command"),
        firmware.known_since.clone(),
        firmware.evidence.clone(),
    ]
}

/// What a line of the firmware says, without quotes; of a list, its last member.
fn last(facts: &Facts, firmware: &str, key: &str) -> String {
    let statements = facts.about(firmware, key);
    let values = statements.iter().filter(|statement| statement.holds);
    let mut last = values.filter_map(|statement| match &statement.fact.value {
        Value::Whole(value) => Some(value),
        Value::Members(members) => members.last(),
    });
    last.next_back().map(|value| value.trim_matches('"').to_owned()).unwrap_or_default()
}
