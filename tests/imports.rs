//! No circles: which files of card and protocol take names from which, read from their text.
//!
//! A name that a module only hands on, by a `use` of its own, counts for the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module within the crate; the root has none.
type Module = Vec<String>;

/// The curves and what computes on them: one idea in four files.
const CURVES: [&str; 4] =
    ["crypto::curve", "crypto::engine", "crypto::named_curves", "crypto::weierstrass"];

/// The text of a module, without comments and tests, and what it imports.
struct Source {
    /// All but its `use` lines.
    body: String,
    /// The path that each `use` names, and the name that the file knows it by.
    uses: Vec<(Vec<String>, String)>,
}

struct Crate(BTreeMap<Module, Source>);

/// The modules below a folder, with the text of each.
fn read(folder: &Path) -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(current).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let module = path.strip_prefix(folder).unwrap().with_extension("");
            if path.is_dir() {
                folders.push(path);
            } else if !["tests", "lib"].iter().any(|name| module.ends_with(name)) {
                let parts = module.iter().map(|part| part.to_str().unwrap().to_owned());
                found.insert(parts.collect(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The paths of `a::{b, c::{self, d}} as e`, each with the name it gets.
fn expanded(tree: &str) -> Vec<(Vec<String>, String)> {
    let Some((before, inside)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut path: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = if alias.is_empty() { path.last().unwrap() } else { alias };
        let name = name.trim().to_owned();
        return vec![(path, name)];
    };
    let inside = inside.trim_end().strip_suffix('}').unwrap();
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (place, character) in inside.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[start..]);
    let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
    parts.flat_map(|part| expanded(&format!("{}{part}", before.trim()))).collect()
}

impl Source {
    fn parse(text: &str) -> Self {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().map(|line| line.split("//").next().unwrap());
        let (mut body, mut uses) = (String::new(), Vec::new());
        let mut pending = String::new();
        for line in lines {
            let is_use = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "]
                .iter()
                .any(|start| line.trim_start().starts_with(start));
            if pending.is_empty() && !is_use {
                body += line;
                body.push('\n');
                continue;
            }
            pending += line.trim();
            if let Some(whole) = pending.strip_suffix(';') {
                uses.extend(expanded(whole.split_once("use ").unwrap().1));
                pending.clear();
            }
        }
        Self { body, uses }
    }

    /// The paths that follow `prefix` in the text, where that is not the end of a longer one.
    fn after(&self, prefix: &str) -> Vec<Vec<String>> {
        let is_path = |character: char| character.is_alphanumeric() || "_:".contains(character);
        let found = self.body.match_indices(prefix);
        let found = found.filter(|(place, _)| !self.body[..*place].ends_with(is_path));
        let rests = found.map(|(place, it)| &self.body[place + it.len()..]);
        let paths = rests.map(|rest| rest.split(|it| !is_path(it)).next().unwrap());
        paths.map(|path| path.split("::").map(str::to_owned).collect()).collect()
    }
}

impl Crate {
    fn read(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        let texts = read(&root).into_iter();
        Self(texts.map(|(module, text)| (module, Source::parse(&text))).collect())
    }

    /// The module that defines what `path`, as `from` writes it, names, and whether it names just
    /// that module; none outside the crate.
    fn definer(&self, from: &Module, path: &[String]) -> Option<(Module, bool)> {
        let (first, rest) = path.split_first()?;
        let mut place = match first.as_str() {
            "crate" => Module::new(),
            "self" => from.clone(),
            "super" => from.split_last()?.1.to_vec(),
            child => self.child(from, child)?,
        };
        let mut rest = rest;
        while let Some((next, after)) = rest.split_first() {
            place = match next.as_str() {
                "super" => place.split_last()?.1.to_vec(),
                next => match self.child(&place, next) {
                    Some(child) => child,
                    None => break,
                },
            };
            rest = after;
        }
        let known = rest.first().and_then(|name| Some((name, self.0.get(&place)?)));
        match known.and_then(|(name, source)| source.uses.iter().find(|(_, it)| it == name)) {
            Some((path, _)) => self.definer(&place, path),
            None => self.0.contains_key(&place).then_some((place, rest.is_empty())),
        }
    }

    fn child(&self, module: &Module, name: &str) -> Option<Module> {
        let child: Module = [module.as_slice(), &[name.to_owned()]].concat();
        self.0.contains_key(&child).then_some(child)
    }

    /// The modules from which `module` takes something.
    fn imports(&self, module: &Module) -> BTreeSet<Module> {
        let source = &self.0[module];
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let mut paths = Vec::new();
        for (path, name) in &source.uses {
            let is_module = self.definer(module, path).is_some_and(|(_, is_module)| is_module);
            let uses_it = || source.body.split(|it| !is_word(it)).any(|word| word == name);
            if is_module {
                let rests = source.after(&format!("{name}::")).into_iter();
                paths.extend(rests.map(|rest| [path.as_slice(), &rest].concat()));
            } else if name == "*" || uses_it() {
                paths.push(path.clone());
            }
        }
        let children = self.0.keys().filter_map(|child| child.strip_prefix(module.as_slice()));
        let children = children.filter_map(|child| <&[String; 1]>::try_from(child).ok());
        let children = children.map(|[name]| name.as_str());
        for root in children.chain(["crate", "super"]) {
            let rests = source.after(&format!("{root}::")).into_iter();
            paths.extend(rests.map(|rest| [&[root.to_owned()][..], &rest].concat()));
        }
        let found = paths.iter().filter_map(|path| self.definer(module, path));
        found.map(|(found, _)| found).filter(|found| found != module).collect()
    }

    /// The files of each loop in which files take from one another.
    fn circles(&self) -> BTreeSet<Vec<String>> {
        let imports: BTreeMap<_, _> = self.0.keys().map(|it| (it, self.imports(it))).collect();
        let reached = |from: &Module| {
            let mut reached = BTreeSet::new();
            let mut open = vec![from];
            while let Some(module) = open.pop() {
                for next in &imports[module] {
                    if reached.insert(next) {
                        open.push(next);
                    }
                }
            }
            reached
        };
        let reached: BTreeMap<_, _> = self.0.keys().map(|it| (it, reached(it))).collect();
        let circle = |module: &Module| {
            let others = reached[module].iter().filter(|other| reached[**other].contains(module));
            others.map(|other| other.join("::")).collect::<Vec<_>>()
        };
        self.0.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
    }
}

#[test]
fn no_files_of_a_crate_import_one_another_in_a_circle_but_the_curves() {
    let circles = |folder| Crate::read(folder).circles().into_iter().collect::<Vec<_>>();
    assert_eq!(circles("crates/protocol/src"), [CURVES]);
    assert_eq!(circles("crates/card/src"), [[""; 0]; 0]);
}
