//! `vschsm root`: the root certificate of the cards.

use crate::text::failure::Failure;
use crate::text::{hex, output};
use clap::Args;
use std::fs;
use std::path::PathBuf;

/// Print the root certificate of the cards
///
/// Prints a CV certificate in hexadecimal, for clients that have a list of trusted roots. It is a
/// test root: its private key is published, so its certificates prove nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm root
  vschsm root --output ZZSRCAVS100001.cvcert")]
pub(crate) struct Root {
    /// Write the certificate to this file, in binary
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Prints or writes the certificate.
pub(crate) fn run(options: &Root) -> Result<(), Failure> {
    let certificate = vschsm_card::personalisation::root_certificate();
    match &options.output {
        None => output::print(format_args!("{}\n", hex::upper(&certificate))),
        Some(path) => fs::write(path, certificate).map_err(|error| {
            Failure::because(format_args!("cannot write {}", path.display()), error)
        }),
    }
}
