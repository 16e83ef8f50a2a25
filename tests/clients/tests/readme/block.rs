//! The fenced blocks of a Markdown document.

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The line that it begins in, counted from 1.
    pub(crate) line: usize,
    pub(crate) language: Language,
    pub(crate) text: String,
    /// `first:`, in order.
    pub(crate) first: Vec<String>,
    /// `under:`.
    pub(crate) under: Option<String>,
    /// `not run:`.
    pub(crate) reason: Option<String>,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// Commands, and what they print.
    Console,
    /// A script.
    Sh,
    /// Something else.
    Text,
}

impl Block {
    /// Whether it holds commands that are to be run.
    pub(crate) fn is_run(&self) -> bool {
        let installs = |line: &str| installs(line) || line.trim().is_empty();
        let only_installs = self.text.lines().all(installs);
        self.language != Language::Text && self.reason.is_none() && !only_installs
    }
}

/// Whether a line of a script installs something, which whoever runs the tests has done.
pub(crate) fn installs(line: &str) -> bool {
    line.starts_with("apt-get install") || line.starts_with("cargo install")
}

/// The fenced blocks of `document`.
pub(crate) fn parse(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut first, mut under, mut reason) = (Vec::new(), None, None);
    let mut lines = document.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let note = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
        if let Some((key, value)) = note.and_then(|note| note.split_once(": ")) {
            match key {
                "first" => first.push(value.to_owned()),
                "under" => under = Some(value.to_owned()),
                "not run" => reason = Some(value.to_owned()),
                _ => {}
            }
        } else if let Some(language) = line.strip_prefix("```") {
            let language = match language {
                "console" => Language::Console,
                "sh" => Language::Sh,
                _ => Language::Text,
            };
            let text: Vec<_> =
                lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```").collect();
            blocks.push(Block {
                line: number,
                language,
                text: text.join("\n"),
                first: std::mem::take(&mut first),
                under: under.take(),
                reason: reason.take(),
            });
        }
    }
    blocks
}

/// That no block could escape [`parse`]: indented ones, and fences that do not say what they hold.
pub(crate) fn check(document: &str) -> Result<(), String> {
    let (mut is_fenced, mut before) = (false, "");
    for (line, number) in document.lines().zip(1..) {
        if line.starts_with("```") {
            if !is_fenced && !["```console", "```sh", "```text", "```toml"].contains(&line) {
                return Err(format!("line {number}: a block of {line}"));
            }
            is_fenced = !is_fenced;
        } else if !is_fenced && before.is_empty() && line.starts_with("    ") {
            return Err(format!("line {number}: an indented block"));
        }
        before = line;
    }
    if is_fenced { Err("a block without an end".into()) } else { Ok(()) }
}
