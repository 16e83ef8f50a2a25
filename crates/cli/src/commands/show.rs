//! `vschsm show`: what is on a card, except secrets.

use crate::card::image;
use crate::card::summary::Summary;
use crate::store::disk;
use crate::store::passphrase::PassphraseSource;
use crate::text::failure::Failure;
use crate::text::output;
use clap::Args;
use std::path::PathBuf;

/// Show what is on a card
///
/// Firmware, certificates, PIN states, key domains, keys, files and memory; never a PIN, a private
/// key or a DKEK. The card may be in use: its state after the last response is shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm show alice
  vschsm show ./ci.card --json | jq .keys")]
pub(crate) struct Show {
    /// The card: a path, or the name of a card in the data folder
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// Prints the card's summary.
pub(crate) fn run(options: &Show) -> Result<(), Failure> {
    let summary = Summary::of(&image::open_read_only(&options.card, &options.passphrase)?);
    if options.json {
        return output::print_json(&summary);
    }
    output::print(summary)
}
