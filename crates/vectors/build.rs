//! Makes `vectors/` part of the library, so that who has the program has the vectors.
//!
//! Paths are relative to the package: a target folder that was copied to another tree has the
//! vectors of that tree.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// A link to the folder of that name at the top, whose files a package has in its place.
const ROOT: &str = "vectors";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={ROOT}");
    let root = Path::new(ROOT);
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(root).unwrap_or(file);
        let path = format!("/{}", file.display());
        let text = format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))");
        writeln!(table, "({name:?}, {text}),").map_err(io::Error::other)?;
    }
    table.push(']');
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(out.join("built_in.rs"), table)
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
