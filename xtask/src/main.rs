//! Writes the files of the tree that are made from others: `cargo xtask firmware`.

mod firmware_table;
mod flat;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};
use vschsm_vectors::facts::{self, Facts};

const USAGE: &str = "\
usage: cargo xtask firmware
       writes firmware/*.toml, firmware/extensions/*.toml and the table of firmwares in
       firmware/README.md from firmware/facts.toml";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let done = match arguments.as_slice() {
        [task] if task == "firmware" => write(&root()),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Writes what is not as the facts say, and names it.
fn write(root: &Path) -> Result<(), String> {
    for (path, text) in files(root)? {
        if fs::read_to_string(root.join(&path)).is_ok_and(|old| old == text) {
            continue;
        }
        fs::write(root.join(&path), text)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// The files that are made from the facts, with their text; paths are seen from `root`.
fn files(root: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let read = |path: &Path| {
        fs::read_to_string(root.join(path)).map_err(|error| format!("{}: {error}", path.display()))
    };
    let path = Path::new("firmware/facts.toml");
    // Those in the tree, and not those that this program was built with.
    let facts =
        Facts::parse(&read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut files: Vec<_> = facts
        .firmwares()
        .iter()
        .map(|firmware| (file(&firmware.name), flat::text(&facts, firmware)))
        .collect();
    let readme = PathBuf::from("firmware/README.md");
    let text = firmware_table::with_table(&read(&readme)?, &facts)?;
    files.push((readme, text));
    Ok(files)
}

/// Where the file of that firmware is.
fn file(firmware: &str) -> PathBuf {
    match firmware.strip_prefix(facts::base(firmware)).and_then(|rest| rest.strip_prefix('+')) {
        Some(extension) => format!("firmware/extensions/{extension}.toml").into(),
        None => format!("firmware/{firmware}.toml").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn files_of_firmwares_are_as_the_facts_say() {
        let root = root();
        for (path, text) in files(&root).expect("the facts parse") {
            let old = fs::read_to_string(root.join(&path)).unwrap_or_default();
            let place = old.lines().zip(text.lines()).take_while(|(old, new)| old == new).count();
            assert!(
                old == text,
                "line {} of {} is not as firmware/facts.toml says: change it there and run\n\
                 \n    cargo xtask firmware\n",
                place + 1,
                path.display()
            );
        }
    }

    #[test]
    fn there_is_no_file_of_a_firmware_beside_them() {
        let root = root();
        let made: BTreeSet<_> =
            files(&root).expect("the facts parse").into_iter().map(|(path, _)| path).collect();
        for folder in ["firmware", "firmware/extensions"] {
            for entry in fs::read_dir(root.join(folder)).expect("a folder") {
                let name = entry.expect("an entry").file_name();
                let path = Path::new(folder).join(&name);
                let is_toml = path.extension().is_some_and(|extension| extension == "toml");
                let is_known = name == "facts.toml" || made.contains(&path);
                assert!(!is_toml || is_known, "{} is of no [[firmware]]", path.display());
            }
        }
    }
}
