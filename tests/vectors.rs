//! Plays every vector to a card of every firmware that it is for: one named test each.

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};
use vschsm_tests::vector::Vector;

fn main() -> io::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut trials = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file).display().to_string();
        match Vector::parse(&fs::read_to_string(file)?) {
            Ok(vector) => trials.extend(vector.firmwares.clone().into_iter().map(|firmware| {
                let vector = vector.clone();
                Trial::test(format!("{name} on {firmware}"), move || {
                    vector.play(&firmware).map_err(Failed::from)
                })
            })),
            Err(error) => trials.push(Trial::test(name, || Err(Failed::from(error)))),
        }
    }
    assert!(trials.len() > 100, "only {} vectors: are the files where they belong?", trials.len());
    Ok(libtest_mimic::run(&Arguments::from_args(), trials).exit_code())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "apdu") {
            files.push(path);
        }
    }
    Ok(())
}
