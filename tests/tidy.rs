//! What people promised about the tree, looked after.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vschsm_card::profile::{EXTENSIONS, Profile};
use vschsm_protocol::instruction::{APPLET, name};
use vschsm_testing::firmwares;
use vschsm_vectors::Vector;

#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/words.rs"]
mod words;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files below a folder of the tree with that extension, and their text.
fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no .{extension} below {folder}");
    found
}

/// The files of all firmwares, and their text.
fn firmware_files() -> Vec<(PathBuf, String)> {
    let mut files = files("firmware", "toml");
    files.retain(|(path, _)| !path.ends_with("firmware/facts.toml"));
    files
}

/// The status words that the table in a command's documentation lists; `63Cx` as it stands.
fn documented(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let words = rows.filter_map(|row| row.split('`').next());
    let is_status = |word: &&str| word.len() == 4 && word.starts_with(['6', '9']);
    words.filter(is_status).map(Into::into).collect()
}

/// Status words of protected commands alone, which no vector can send: `secure_messaging/` does.
const SEALED: [(&str, &str); 1] = [("generate_session_pin", "9000")];

/// The status words of a command in its own vectors.
fn shown(command: &str) -> BTreeSet<String> {
    let protected = SEALED.into_iter().filter(|(name, _)| *name == command);
    let mut shown: BTreeSet<_> = protected.map(|(_, status)| status.to_owned()).collect();
    for (path, text) in files(&format!("vectors/{command}"), "apdu") {
        let vector = Vector::parse(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        for (apdu, response) in vector.responses() {
            let name = match apdu {
                [_, ins, _, p2, ..] => name(APPLET, *ins, *p2).unwrap_or_default(),
                _ => "",
            };
            if name.to_lowercase().replace(' ', "_") == command {
                let status = &response[response.len() - 4..];
                shown.insert(if status.starts_with("63C") { "63Cx" } else { status }.to_owned());
            }
        }
    }
    shown
}

#[test]
fn every_status_word_of_a_command_is_documented_and_has_a_vector() {
    for (path, text) in files("crates/card/src/commands", "rs") {
        let command = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(documented(&text), shown(command), "{command}: its table, and its vectors");
    }
}

#[test]
fn every_vector_that_a_firmware_file_names_exists_and_is_for_it() {
    for (path, text) in firmware_files() {
        let words = text.split_whitespace();
        let names = words.filter(|word| word.starts_with("vectors/") && word.ends_with(".apdu"));
        for name in names {
            let vector = fs::read_to_string(root().join(name)).unwrap_or_else(|error| {
                panic!("{} names {name}: {error}", path.display());
            });
            let firmwares = Vector::parse(&vector).unwrap().firmwares;
            let profile = Profile::parse(&text).unwrap();
            let firmware = profile.name();
            // A card with an extension must pass the vectors of its firmware as well.
            let base = firmware.split('+').next().unwrap();
            let is_for = firmwares.contains(&firmware) || firmwares.contains(&base);
            assert!(is_for, "{name} on {firmware}");
        }
    }
}

/// `README.md` has the number in round terms, so that not each new vector needs it changed.
#[test]
fn about_as_many_vectors_are_guesses_as_the_readme_says() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let told = readme.split("`grep -rl guess vectors`. About ").nth(1).unwrap();
    let told: usize = told.split(' ').next().unwrap().parse().unwrap();
    let vectors = files("vectors", "apdu");
    let is_guess = |text: &str| text.lines().any(|line| line.starts_with("source: guess"));
    let guesses = vectors.iter().filter(|(_, text)| is_guess(text)).count();
    assert!(guesses.abs_diff(told) <= 15, "{guesses} vectors are guesses, not about {told}");
}

#[test]
fn the_table_of_firmwares_says_what_the_files_say() {
    let readme = fs::read_to_string(root().join("firmware/README.md")).unwrap();
    let table = readme.split("## Firmwares").nth(1).unwrap().split("What is special").next();
    let rows = table.unwrap().lines().filter(|line| line.starts_with("| `"));
    let mut names = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let ["", name, platform, atr, rsa, curves, command, since, evidence, ""] = cells[..] else {
            panic!("not a row of ten cells: {row}");
        };
        let name = name.trim_matches('`');
        let file = fs::read_to_string(root().join(format!("firmware/{name}.toml"))).unwrap();
        for line in [
            format!("name = \"{name}\"\n"),
            format!("platform = \"{platform}\"\n"),
            format!("{}\"\n", atr.trim_matches('`')),
            format!(" {rsa}]\n"),
            format!("curves = {curves}\n"),
            format!("max-command = {command}\n"),
            format!("known-since = \"{since}\"\n"),
        ] {
            assert!(file.contains(&line), "{line:?} in {name}.toml");
        }
        assert!(!evidence.is_empty(), "{name} has no evidence");
        names.push(name);
    }
    assert_eq!(names, firmwares().collect::<Vec<_>>());
    let built_in = names.len() + EXTENSIONS.len();
    assert_eq!(built_in, firmware_files().len(), "a file that is not built in");
}

#[test]
fn an_extension_is_a_firmware_and_what_it_adds_and_is_described() {
    let readme = fs::read_to_string(root().join("firmware/README.md")).unwrap();
    let described = readme.split("## Extensions").nth(1).unwrap();
    for (name, source) in EXTENSIONS {
        let (base, _) = name.split_once('+').unwrap();
        let lines = |source: &str| {
            let lines = source.lines().filter(|line| !line.starts_with('#'));
            lines.map(str::to_owned).collect::<BTreeSet<_>>()
        };
        let base = lines(Profile::built_in(base).unwrap().source());
        let changed = base.difference(&lines(source)).cloned().collect::<Vec<_>>();
        let changed: Vec<_> =
            changed.iter().map(|line| line.split(" = ").next().unwrap()).collect();
        assert_eq!(changed, ["key-limits", "known-since", "name"], "{name}");
        assert!(source.starts_with("# An extension of ours, which no genuine card has"), "{name}");
        assert!(described.contains(&format!("`{name}`")), "{name} is not described");
    }
}

#[test]
fn every_restriction_cites_a_vector_and_is_asked_about_once() {
    let sources = files("crates/card/src", "rs");
    for (path, text) in firmware_files() {
        let refused = text.split("[refuse]").nth(1).unwrap();
        let mut cited = false;
        for line in refused.lines() {
            cited |= line.starts_with('#') && line.contains("vectors/");
            let Some((restriction, _)) = line.split_once(" = ") else { continue };
            assert!(cited, "{}: {restriction} cites no vector", path.display());
            cited = false;
            let variant: String =
                restriction.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
            let call = format!("Restriction::{variant}");
            let sites: usize = sources.iter().map(|(_, text)| text.matches(&call).count()).sum();
            assert_eq!(sites, 1, "call sites of {call}");
        }
    }
}

#[test]
fn every_behaviour_cites_what_shows_it_and_is_asked_about_once() {
    let sources = files("crates/card/src", "rs");
    let sources = sources.iter().filter(|(path, _)| !path.ends_with("profile/tests.rs"));
    for (path, text) in firmware_files() {
        let table = text.split("\n[behaviour]\n").nth(1).unwrap();
        let mut cited = false;
        for line in table.split("[refuse]").next().unwrap().lines() {
            cited |=
                line.starts_with('#') && ["vectors/", "tests/"].iter().any(|it| line.contains(it));
            let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else {
                continue;
            };
            assert!(cited, "{}: {name} cites nothing that shows it", path.display());
            cited = false;
            let call = format!("behaviour().{}", name.replace('-', "_"));
            let sites: usize = sources.clone().map(|(_, text)| text.matches(&call).count()).sum();
            assert_eq!(sites, 1, "call sites of {call}");
        }
    }
}

#[test]
fn source_files_stay_short_and_whole() {
    let folders = ["crates", "tests", "xtask"];
    for (path, text) in folders.into_iter().flat_map(|folder| files(folder, "rs")) {
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", path.display());
        let long = text.lines().find(|line| line.chars().count() > 100);
        assert!(long.is_none(), "{} has a line of over 100 characters: {long:?}", path.display());
        // Written in two parts, so that this file does not find itself.
        for word in [["todo", "!("], ["unimplemented", "!("], ["#[ig", "nore"], ["static ", "mut"]]
        {
            let word = word.concat();
            assert!(!text.contains(&word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn the_card_is_alone_with_its_bytes() {
    for (path, text) in
        ["crates/protocol/src", "crates/card/src"].iter().flat_map(|it| files(it, "rs"))
    {
        for outside in ["std::", "getrandom", "SystemTime", "unsafe "] {
            assert!(!text.contains(outside), "{} has {outside}", path.display());
        }
    }
}

/// The modules at the root of a crate that the text of a file names, from `crate::` on.
fn named_from_root(text: &str) -> BTreeSet<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<_> = text.lines().filter(is_code).collect();
    let first = |path: &str| -> String {
        path.trim().chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect()
    };
    let mut names = BTreeSet::new();
    for path in code.join("\n").split("crate::").skip(1) {
        let Some(list) = path.strip_prefix('{') else {
            names.insert(first(path));
            continue;
        };
        let mut depth = 0;
        let outermost: String = list
            .chars()
            .take_while(|it| {
                depth += i32::from(*it == '{') - i32::from(*it == '}');
                depth >= 0
            })
            .collect();
        let mut depth = 0;
        let items = outermost.split(|it| {
            depth += i32::from(it == '{') - i32::from(it == '}');
            it == ',' && depth == 0
        });
        names.extend(items.map(first).filter(|name| !name.is_empty()));
    }
    names
}

/// What imports what among the modules at the root of a crate whose sources are in `folder`: each a
/// file and the folder beside it.
fn imports(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let root = root().join(folder);
    let mut imports = BTreeMap::<_, BTreeSet<_>>::new();
    for (path, text) in files(folder, "rs") {
        let first = path.strip_prefix(&root).unwrap().iter().next().unwrap().to_str().unwrap();
        let module = first.trim_end_matches(".rs").to_owned();
        imports.entry(module).or_default().extend(named_from_root(&text));
    }
    let modules: BTreeSet<_> = imports.keys().cloned().collect();
    for (module, imported) in &mut imports {
        imported.retain(|name| name != module && modules.contains(name));
    }
    imports
}

/// What is left when all modules are gone that are in no circle: those whose imports are all gone,
/// and those that nobody imports any more.
fn circles(mut imports: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let imported: BTreeSet<_> = imports.values().flatten().cloned().collect();
        let before = imports.len();
        imports.retain(|module, of| !of.is_empty() && imported.contains(module));
        let modules: BTreeSet<_> = imports.keys().cloned().collect();
        imports.values_mut().for_each(|of| of.retain(|name| modules.contains(name)));
        if imports.len() == before {
            return imports;
        }
    }
}

#[test]
fn no_rooms_of_the_program_import_each_other_in_a_circle() {
    let imports = imports("crates/cli/src");
    // A search that finds nothing would find no circle either.
    let of = |room: &str| imports[room].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("text"), [""; 0], "it is at the bottom");
    assert_eq!(of("process"), ["text"]);
    assert!(of("commands").len() > 6, "it is at the top: {:?}", of("commands"));
    assert_eq!(circles(imports), BTreeMap::new());
}

#[test]
fn circles_are_found() {
    let text = "use crate::{b::{self, C}, d};\n// crate::e\nlet it = crate::f::g();";
    assert_eq!(named_from_root(text), ["b", "d", "f"].map(String::from).into());
    let imports = |all: &[(&str, &str)]| -> BTreeMap<String, BTreeSet<String>> {
        let of = |of: &str| of.chars().map(String::from).collect();
        all.iter().map(|(module, imported)| (module.to_string(), of(imported))).collect()
    };
    assert!(circles(imports(&[("a", "bc"), ("b", "c"), ("c", "")])).is_empty());
    let found = circles(imports(&[("a", "b"), ("b", "cd"), ("c", "b"), ("d", "")]));
    assert_eq!(found, imports(&[("b", "c"), ("c", "b")]));
}

/// The patches of a folder, each of which applies to the tree.
fn patches(folder: &str) -> Vec<(PathBuf, String)> {
    let patches = files(folder, "patch");
    for (path, _) in &patches {
        let mut git = Command::new("git");
        git.args(["apply", "--check"]).arg(path.canonicalize().unwrap()).current_dir(root());
        let checked = git.output().unwrap_or_else(|error| panic!("git: {error}"));
        let complaint = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{}: {complaint}", path.display());
    }
    assert!(!patches.is_empty(), "{folder}");
    patches
}

#[test]
fn every_planted_bug_applies_and_names_a_test_that_exists() {
    let sources: Vec<_> = ["crates", "tests"].into_iter().flat_map(|it| files(it, "rs")).collect();
    for (path, patch) in patches("tests/planted") {
        let test = patch.lines().find_map(|line| line.strip_prefix("Test: ")).unwrap_or_default();
        let name = test.rsplit([' ', ':']).next().unwrap_or_default();
        let function = format!("fn {name}()");
        let exists = sources.iter().any(|(_, text)| text.contains(&function));
        assert!(exists, "{} names no test: {test:?}", path.display());
    }
}

/// What adding something costs, as `crates/README.md` says; `tests/changes/run` sees that it works.
#[test]
fn every_change_applies_and_touches_no_more_files_than_it_may() {
    for (path, patch) in patches("tests/changes") {
        let most = patch.lines().find_map(|line| line.strip_prefix("Files: ")).unwrap_or_default();
        let most: usize = most.parse().unwrap_or_else(|_| panic!("{}", path.display()));
        let changed = patch.lines().filter_map(|line| line.strip_prefix("+++ b/"));
        let shows = |path: &&str| path.starts_with("vectors/") || path.starts_with("tests/");
        let count = changed.filter(|path| !shows(path)).count();
        assert!((1..=most).contains(&count), "{} touches {count} files", path.display());
    }
}
