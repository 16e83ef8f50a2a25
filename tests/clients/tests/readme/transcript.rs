//! Commands at a prompt, and what they print.

use crate::block::installs;

/// A command, or a whole script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// What the shell is given.
    pub(crate) line: String,
    /// What it prints; anything if there is none.
    output: Vec<String>,
}

impl Command {
    /// A script that must succeed, whatever it prints.
    pub(crate) fn script(text: &str) -> Self {
        let lines: Vec<_> = text.lines().filter(|line| !installs(line)).collect();
        Self { line: lines.join("\n"), output: Vec::new() }
    }

    /// Whether it is expected to fail.
    pub(crate) fn fails(&self) -> bool {
        self.output.last().is_some_and(|line| line.starts_with("vschsm: "))
    }

    /// The file that it shows, and its content.
    pub(crate) fn file(&self) -> Option<(&str, String)> {
        let file = self.line.strip_prefix("cat ")?;
        Some((file, self.output.join("\n") + "\n"))
    }

    /// Whether it has printed what it should.
    pub(crate) fn check(&self, output: &str) -> Result<(), String> {
        let printed: Vec<_> = output.lines().map(without_serial).collect();
        let wanted: Vec<_> = self.output.iter().map(|line| without_serial(line)).collect();
        if wanted.is_empty() || matches(&wanted, &printed) {
            return Ok(());
        }
        Err(format!("{}\nprints\n{output}\ninstead of\n{}", self.line, self.output.join("\n")))
    }
}

/// The commands of a transcript.
pub(crate) fn parse(text: &str) -> Result<Vec<Command>, String> {
    let mut commands: Vec<Command> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("$ ") {
            commands.push(Command { line: line.to_owned(), output: Vec::new() });
        } else {
            let command = commands.last_mut().ok_or("it does not begin with a command")?;
            if goes_on {
                command.line = format!("{}\n{line}", command.line);
            } else {
                command.output.push(line.to_owned());
            }
        }
        goes_on = line.ends_with('\\');
    }
    Ok(commands)
}

/// Whether lines were printed as wanted, where a `…` alone in its line stands for any lines.
fn matches(wanted: &[String], printed: &[String]) -> bool {
    match wanted.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line.trim() == "…" => {
            let mut ends = (0..=printed.len()).filter_map(|skipped| printed.get(skipped..));
            ends.any(|printed| matches(rest, printed))
        }
        Some((line, rest)) => {
            let first = printed.split_first();
            first.is_some_and(|(first, after)| fits(line, first) && matches(rest, after))
        }
    }
}

/// Whether a line was printed as wanted, where each `…` stands for anything.
fn fits(wanted: &str, printed: &str) -> bool {
    let Some((start, wanted)) = wanted.split_once('…') else { return wanted == printed };
    let Some(printed) = printed.strip_prefix(start) else { return false };
    (0..=printed.len()).filter_map(|skipped| printed.get(skipped..)).any(|end| fits(wanted, end))
}

/// A line without the serial numbers of cards, which are random.
fn without_serial(line: &str) -> String {
    let mut parts = line.split("ZZVS");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        told = told + "ZZVS" + part.trim_start_matches(|digit: char| digit.is_ascii_digit());
    }
    told
}
