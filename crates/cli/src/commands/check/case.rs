//! What a check runs: a vector or a flow.

use super::flows::{FLOWS, Flow};
use crate::text::failure::Failure;
use crate::text::input;
use std::fs;
use std::path::{Path, PathBuf};
use vschsm_host::Transport;
use vschsm_protocol::instruction::{self, APPLET};
use vschsm_protocol::secure_messaging::Protocol;
use vschsm_vectors::{BUILT_IN, CardState, PlayError, Vector, changes_nothing, selected};

/// A vector or a flow, and its name.
pub(crate) struct Case {
    pub(crate) name: String,
    script: CaseScript,
}

enum CaseScript {
    Vector(Vector),
    Flow { flow: &'static Flow, firmwares: Vec<&'static str>, card: CardState },
}

/// The vectors and flows that are built in.
pub(crate) fn built_in() -> Result<Vec<Case>, Failure> {
    let vectors = BUILT_IN.iter().map(|(name, text)| Case::vector(name, text));
    vectors.chain(FLOWS.iter().map(Case::flow)).collect()
}

/// The vectors in files, and in folders and below them.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Case>, Failure> {
    let mut cases = Vec::new();
    for path in paths {
        let mut files = Vec::new();
        collect(path, &mut files).map_err(|(path, error)| cannot_read(&path, error))?;
        if files.is_empty() {
            let sentence = format!("no file in {} ends in .apdu", path.display());
            return Err(Failure::Usage(sentence));
        }
        files.sort();
        for file in files {
            let text = input::text(&file)?;
            cases.push(Case::vector(&file.display().to_string(), &text)?);
        }
    }
    Ok(cases)
}

fn cannot_read(path: &Path, error: std::io::Error) -> Failure {
    Failure::because(format_args!("cannot read {}", path.display()), error)
}

/// Adds a file, or those of a folder that end in `.apdu`.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, std::io::Error)> {
    let failed = |error| (path.to_owned(), error);
    if !path.metadata().map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(failed)? {
        let inside = entry.map_err(failed)?.path();
        if inside.is_dir() || inside.extension().is_some_and(|extension| extension == "apdu") {
            collect(&inside, files)?;
        }
    }
    Ok(())
}

impl Case {
    fn vector(name: &str, text: &str) -> Result<Self, Failure> {
        let vector = Vector::parse(text).map_err(|error| Failure::because(name, error))?;
        Ok(Self { name: name.into(), script: CaseScript::Vector(vector) })
    }

    fn flow(flow: &'static Flow) -> Result<Self, Failure> {
        let wrong = |what| Failure::because(flow.name, what);
        let firmwares = selected(flow.firmwares).map_err(wrong)?;
        let card = CardState::parse(flow.card).map_err(wrong)?;
        let name = format!("flows/{}", flow.name);
        Ok(Self { name, script: CaseScript::Flow { flow, firmwares, card } })
    }

    pub(crate) fn title(&self) -> &str {
        match &self.script {
            CaseScript::Vector(vector) => &vector.title,
            CaseScript::Flow { flow, .. } => flow.title,
        }
    }

    pub(crate) fn source(&self) -> &str {
        match &self.script {
            CaseScript::Vector(vector) => &vector.source,
            CaseScript::Flow { flow, .. } => flow.source,
        }
    }

    /// Whether it is a guess, or a part of it.
    pub(crate) fn is_guess(&self) -> bool {
        self.source().contains("guess")
    }

    pub(crate) fn is_for(&self, firmware: &str) -> bool {
        let (CaseScript::Vector(Vector { firmwares, .. }) | CaseScript::Flow { firmwares, .. }) =
            &self.script;
        firmwares.contains(&firmware)
    }

    /// The state of the card before.
    pub(crate) fn card(&self) -> &CardState {
        let (CaseScript::Vector(Vector { card, .. }) | CaseScript::Flow { card, .. }) =
            &self.script;
        card
    }

    /// Why it cannot run on a card that was not made for it.
    pub(crate) fn skip_reason(&self) -> Option<&'static str> {
        match &self.script {
            CaseScript::Vector(vector) => vector.skip_reason(),
            CaseScript::Flow { .. } => None,
        }
    }

    /// Why it cannot run in secure messaging on a card whose longest command has that length.
    pub(crate) fn skip_reason_in_channel(
        &self,
        protocol: Protocol,
        longest: usize,
    ) -> Option<&'static str> {
        match &self.script {
            CaseScript::Vector(vector) => vector.skip_reason_in_channel(protocol, longest),
            CaseScript::Flow { .. } => None,
        }
    }

    /// Its changes to the card, in words: the preparation first, then the commands.
    pub(crate) fn changes(&self) -> Vec<String> {
        let changes = self.card().steps().iter().map(|step| step.description.clone());
        let mut words: Vec<_> = changes.collect();
        match &self.script {
            CaseScript::Vector(vector) => {
                let changing = vector.commands().filter(|command| !changes_nothing(command));
                let names = changing.filter_map(|command| match command {
                    [_, ins, _, p2, ..] => instruction::name(APPLET, *ins, *p2),
                    _ => None,
                });
                let mut names: Vec<_> = names.collect();
                names.dedup();
                if !names.is_empty() {
                    words.push(format!("sends {}", names.join(", ")));
                }
            }
            CaseScript::Flow { flow, .. } => words.extend(flow.does.map(str::to_owned)),
        }
        words
    }

    /// Runs it on a card that is in its state, expecting the responses of `firmware`.
    pub(crate) fn run(&self, firmware: &str, card: &mut dyn Transport) -> Result<(), PlayError> {
        match &self.script {
            CaseScript::Vector(vector) => vector.run(firmware, card),
            CaseScript::Flow { flow, .. } => flow.run(card),
        }
    }
}
