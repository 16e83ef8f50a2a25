//! `vschsm list`: the cards in the data folder.

use crate::card::image;
use crate::card::summary::Summary;
use crate::store::{disk, encryption};
use crate::text::failure::Failure;
use crate::text::output;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// List the cards in the data folder
///
/// A name without `/` stands for one of these cards. Encrypted cards are listed, but not decrypted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm list
  vschsm list --json | jq -r '.[] | select(.firmware == \"3.4\") | .name'")]
pub(crate) struct ListCommand {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A card in the data folder.
#[derive(Serialize)]
struct Listed {
    name: String,
    path: PathBuf,
    #[serde(flatten)]
    found: Found,
}

/// What is in its file.
#[derive(Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum Found {
    Readable { firmware: String, serial: String, label: Option<String> },
    Encrypted,
    Unusable { error: String },
}

/// Lists them, by name.
pub(crate) fn run(options: &ListCommand) -> Result<(), Failure> {
    let cards = disk::cards()?;
    let listed: Vec<_> = cards
        .into_iter()
        .map(|(name, path)| Listed { found: Found::at(&path), name, path })
        .collect();
    if options.json {
        return output::print_json(&listed);
    }
    let width = listed.iter().map(|card| card.name.chars().count()).max().unwrap_or_default();
    let lines = listed.iter().map(|Listed { name, found, .. }| {
        let what = match found {
            Found::Readable { firmware, serial, label } => {
                let label = label.as_ref().map(|label| format!(", {label}")).unwrap_or_default();
                format!("{serial}, SmartCard-HSM {firmware}{label}")
            }
            Found::Encrypted => "encrypted".into(),
            Found::Unusable { error } => error.clone(),
        };
        format!("{name:<width$}  {what}\n")
    });
    output::print(lines.collect::<String>())
}

impl Found {
    fn at(path: &Path) -> Self {
        let look = || -> Result<Self, Failure> {
            let content = disk::read(path)?;
            if encryption::is_encrypted(&content) {
                return Ok(Self::Encrypted);
            }
            let (firmware, serial, label) =
                Summary::of(&image::load(path, &content)?).into_identity();
            Ok(Self::Readable { firmware, serial, label })
        };
        look().unwrap_or_else(|failure| Self::Unusable { error: failure.to_string() })
    }
}
