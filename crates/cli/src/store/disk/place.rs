//! The paths of cards by the names that users give them.

use crate::text::failure::Failure;
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The parser of options that name a card: a path may have any bytes.
pub(crate) fn card() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|name| locate(&name))
}

/// The path of the card with that `name`.
///
/// A name without `/` is a card in the user's data folder; anything else is a path.
pub(crate) fn locate(name: impl AsRef<std::ffi::OsStr>) -> Result<PathBuf, String> {
    let name = name.as_ref();
    if name.as_bytes().contains(&b'/') {
        return Ok(name.into());
    }
    let name = name.as_bytes();
    let name = name.strip_suffix(b".card").unwrap_or(name);
    if name.is_empty() {
        return Err("a card needs a name".into());
    }
    Ok(data_folder()?.join(OsString::from_vec([name, b".card"].concat())))
}

/// The cards in the user's data folder, by name; an empty list without a folder.
pub(crate) fn cards() -> Result<Vec<(String, PathBuf)>, Failure> {
    let folder = data_folder().map_err(Failure::Failed)?;
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries,
    };
    let paths = entries
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    let paths = paths.map_err(|error| {
        Failure::because(format_args!("cannot list {}", folder.display()), error)
    })?;
    let is_card = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "card");
    let named = paths.into_iter().filter(is_card).filter_map(|path| {
        let name = path.file_stem()?.to_string_lossy().into_owned();
        // A save that was cut off has left it.
        (!name.starts_with('.')).then_some((name, path))
    });
    let mut cards: Vec<_> = named.collect();
    cards.sort();
    Ok(cards)
}

/// Makes the user's data folder, which only the user may access, if the card `path` is in it.
pub(crate) fn make_data_folder(path: &Path) -> Result<(), Failure> {
    let Some(folder) = data_folder().ok().filter(|folder| Some(folder.as_path()) == path.parent())
    else {
        return Ok(());
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| {
        Failure::because(format_args!("cannot make the folder {}", folder.display()), error)
    })
}

/// Source: XDG Base Directory Specification, "Environment variables".
fn data_folder() -> Result<PathBuf, String> {
    let absolute =
        |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .ok_or(
            "no data folder, as neither XDG_DATA_HOME nor HOME is set; give the card as a path",
        )?;
    Ok(folder.join("vschsm"))
}
