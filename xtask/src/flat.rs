//! The file of one firmware: all that is known of it, line by line, each below its evidence.

use vschsm_vectors::facts::{Facts, KnownFirmware, Value, base, wrapped};

/// What stands above the tables of a file.
const TABLES: [(&str, &str); 2] = [
    ("behaviour", "How this firmware behaves where another one behaves otherwise."),
    ("refuse", "What this firmware refuses though another accepts it: situation = status word."),
];

/// The longest line of a comment, in characters, without its mark.
const WIDTH: usize = 98;

/// The longest list that has a line, in members.
const LONGEST_LINE: usize = 8;

/// The text of the file.
pub(crate) fn text(facts: &Facts, firmware: &KnownFirmware) -> String {
    let name = firmware.name.as_str();
    let not_known = firmware.not_known.as_ref().map(|what| format!("Not known: {what}"));
    let (version, known_since) = (base(name).replace('.', ", "), &firmware.known_since);
    let mut text = [
        comment(&firmware.about),
        comment(&not_known.unwrap_or_default()),
        "\n".into(),
        comment(
            "In the tree of vschsm this file is written from firmware/facts.toml, by `cargo xtask \
             firmware`.",
        ),
        format!("\nname = \"{name}\"\n"),
        comment("The last two bytes of tag 85. vectors/select/applet_fci.apdu"),
        format!("version = [{version}]\n\n"),
        comment(&format!("source: {}", firmware.evidence)),
        format!("known-since = \"{known_since}\"\n"),
    ]
    .concat();
    let keys = facts.keys();
    for key in keys.iter().filter(|key| !key.contains('.')) {
        line(&mut text, facts, name, key, key);
    }
    for (table, what) in TABLES {
        text.push_str(&format!("\n{}[{table}]\n", comment(what)));
        // No empty line before the first.
        let mut lines = String::new();
        for key in &keys {
            if let Some(("", line_key)) =
                key.strip_prefix(table).and_then(|key| key.split_once('.'))
            {
                line(&mut lines, facts, name, key, line_key);
            }
        }
        text.push_str(lines.trim_start_matches('\n'));
    }
    text
}

/// A line and its evidence, after an empty line; nothing if the firmware has no such line.
fn line(text: &mut String, facts: &Facts, firmware: &str, key: &str, name: &str) {
    let statements = facts.about(firmware, key);
    let mut value = None;
    let mut members = Vec::new();
    for statement in &statements {
        match &statement.fact.value {
            Value::Whole(whole) => value = Some(whole.clone()),
            Value::Members(these) if statement.holds => members.extend(these.iter().cloned()),
            Value::Members(_) => {}
        }
        if matches!(statement.fact.value, Value::Members(_)) {
            value = Some(String::new());
        }
    }
    let Some(mut value) = value else { return };
    if value.is_empty() {
        value = list(members);
    }
    let evidence = statements.iter().flat_map(|statement| statement.lines(WIDTH));
    text.push_str(&format!("\n{}{name} = {value}\n", marked(evidence)));
}

/// A text as a comment.
fn comment(text: &str) -> String {
    marked(wrapped(text, WIDTH))
}

/// Lines as those of a comment.
fn marked(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| format!("# {line}\n")).collect()
}

/// A list as it is written: numbers in their order and words in that of the facts; a long one has a
/// line for each member, or of hexadecimal numbers for those with the same first digit.
fn list(mut members: Vec<String>) -> String {
    let is_number = |member: &String| member.starts_with(|first: char| first.is_ascii_digit());
    if members.iter().all(is_number) {
        members.sort_by_key(|member| (member.len(), member.clone()));
    }
    if members.len() <= LONGEST_LINE {
        return format!("[{}]", members.join(", "));
    }
    let same_line = |one: &String, other: &String| {
        is_number(one) && is_number(other) && one.get(..3) == other.get(..3)
    };
    let lines = members.chunk_by(same_line).map(|line| format!("  {},\n", line.join(", ")));
    format!("[\n{}]", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(members: &[&str]) -> String {
        list(members.iter().map(|member| (*member).to_owned()).collect())
    }

    #[test]
    fn a_list_has_its_numbers_in_order_and_lines_that_can_be_read() {
        assert_eq!(of(&[]), "[]");
        assert_eq!(of(&["1024", "512", "4096"]), "[512, 1024, 4096]");
        assert_eq!(of(&["\"B\"", "\"A\""]), "[\"B\", \"A\"]");
        let long = ["0x30", "0x21", "0x20", "0x22", "0x23", "0x31", "0x32", "0x33", "0x80"];
        assert_eq!(
            of(&long),
            "[\n  0x20, 0x21, 0x22, 0x23,\n  0x30, 0x31, 0x32, 0x33,\n  0x80,\n]"
        );
        assert_eq!(of(&["\"SIGN\""; 9]), format!("[\n{}]", "  \"SIGN\",\n".repeat(9)));
    }
}
