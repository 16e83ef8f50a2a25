//! Builds the firmwares in: whatever file is in `firmware/`, and in `firmware/extensions/`.
//!
//! Paths are relative to the package, as in the vectors' build script.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// A link to the folder of that name at the top, whose files a package has in its place.
const ROOT: &str = "firmware";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={ROOT}");
    let mut genuine = files(Path::new(ROOT))?;
    // A firmware is named by its version; other files are not firmwares.
    genuine.retain(|path| version(path).is_some());
    genuine.sort_by_key(|path| version(path));
    let mut extensions = files(&Path::new(ROOT).join("extensions"))?;
    extensions.sort();
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(out.join("built_in.rs"), table(&genuine)?)?;
    fs::write(out.join("extensions.rs"), table(&extensions)?)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    Ok(paths)
}

fn version(path: &Path) -> Option<(u8, u8)> {
    let (major, minor) = path.file_stem()?.to_str()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The rows of a table: the name that a file gives itself, and its text.
fn table(files: &[PathBuf]) -> io::Result<String> {
    let mut table = String::from("&[\n");
    for file in files {
        let text = fs::read_to_string(file)?;
        let name = text.lines().find_map(|line| line.strip_prefix("name = ")).unwrap_or_default();
        let path = format!("/{}", file.display());
        let text = format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))");
        writeln!(table, "({name}, {text}),").map_err(io::Error::other)?;
    }
    table.push(']');
    Ok(table)
}
