//! The names of types: one name for one type, and its word in the glossary.

use crate::{files, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// A type that a file declares.
#[derive(Debug)]
struct Declared {
    is_public: bool,
    /// The file, from the root of the tree on.
    file: String,
}

/// The name of the type that a line declares, and whether it is `pub`. An associated type is
/// indented, and no type of its own.
fn declared(line: &str) -> Option<(&str, bool)> {
    let (is_public, line) = match line.strip_prefix("pub ") {
        Some(line) => (true, line),
        None if line.starts_with("pub(") => (false, line.split_once(") ")?.1),
        None => (false, line),
    };
    let kinds = ["struct ", "enum ", "union ", "trait ", "type "];
    let name = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
    let end = name.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(name.len());
    Some((name.get(..end)?, is_public))
}

/// What stands in for another crate or module, and has its names: for libpcsclite's functions, and
/// for readers in a program that was built without them.
const STAND_INS: [&str; 2] = ["crates/pcsc-sys/", "crates/cli/src/host/connection/without_pcsc.rs"];

/// All types of the crates, by name.
fn types() -> BTreeMap<String, Vec<Declared>> {
    let mut types = BTreeMap::<_, Vec<_>>::new();
    for (path, text) in files("crates", "rs") {
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        if !file.contains("/src/") || STAND_INS.iter().any(|it| file.starts_with(it)) {
            continue;
        }
        for (name, is_public) in text.lines().filter_map(declared) {
            let declared = Declared { is_public, file: file.clone() };
            types.entry(name.to_owned()).or_default().push(declared);
        }
    }
    types
}

/// The names that several types have: how many types each, and where.
fn shared() -> BTreeMap<String, Vec<Declared>> {
    let mut types = types();
    types.retain(|_, declared| declared.len() > 1);
    types
}

#[test]
fn declarations_are_found() {
    for (line, found) in [
        ("pub struct Card {", Some(("Card", true))),
        ("pub(crate) enum Effect {", Some(("Effect", false))),
        ("pub(in crate::a) struct B<T>(T);", Some(("B", false))),
        ("struct Places(AtomicUsize);", Some(("Places", false))),
        ("pub type TestResponse = Result<(), ()>;", Some(("TestResponse", true))),
        ("    type Err = Status;", None),
        ("structure", None),
        ("pub fn of() -> Self {", None),
    ] {
        assert_eq!(declared(line), found, "{line}");
    }
    assert!(types().len() > 300, "{}", types().len());
}

#[test]
fn every_public_type_has_one_name_and_a_word_in_the_glossary() {
    let shared = shared();
    let is_public = |declared: &&Vec<Declared>| declared.iter().any(|it| it.is_public);
    let public: Vec<_> = shared
        .iter()
        .filter(|(_, declared)| is_public(declared))
        .map(|(name, declared)| {
            let files: Vec<_> = declared.iter().map(|it| it.file.as_str()).collect();
            format!("{name}: {}", files.join(" "))
        })
        .collect();
    println!(
        "{} names for several types, {} of them with a public one",
        shared.len(),
        public.len()
    );
    assert!(public.is_empty(), "one name for several types: {public:#?}");

    let glossary = fs::read_to_string(root().join("docs/internals/glossary.md")).unwrap();
    let words: BTreeSet<_> = glossary.split('`').skip(1).step_by(2).collect();
    let unexplained = types_without(&words);
    assert!(unexplained.is_empty(), "not in docs/internals/glossary.md: {unexplained:?}");
}

/// The public types whose names are not among the words.
fn types_without(words: &BTreeSet<&str>) -> Vec<String> {
    let types = types();
    let public = types.iter().filter(|(_, declared)| declared.iter().any(|it| it.is_public));
    public.map(|(name, _)| name.clone()).filter(|name| !words.contains(name.as_str())).collect()
}
