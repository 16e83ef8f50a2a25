//! `vschsm firmware`: lists, prints and compares firmwares.

mod difference;
mod guesses;

use crate::card::personalisation;
use crate::text::failure::Failure;
use crate::text::output;
use clap::Args;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use vschsm_card::profile::{self, Profile};
use vschsm_host::update;
use vschsm_vectors::facts::{AppliedFact, Facts};

/// List the firmwares, print one, compare two, or list their guesses
///
/// Lists the firmwares of genuine cards first, then our own extensions, which no genuine card has.
///
/// A printed firmware can be edited, saved to a file and given to `--firmware`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm firmware
  vschsm firmware 3.4 > my.toml && vschsm run --ephemeral --firmware my.toml
  vschsm firmware --diff 3.1 3.2
  vschsm firmware --diff 3.4 3.4+quota
  vschsm firmware --guesses 3.4
  vschsm firmware 3.4 --package 3.4.ijc")]
pub(crate) struct FirmwareOptions {
    /// Print this firmware: a name, or a file if it contains a `/` or ends in `.toml`
    name: Option<String>,
    /// Write it to this new file in the format that GlobalPlatform clients load: the components of
    /// a CAP file, one after the other
    #[arg(long, value_name = "FILE", requires = "name")]
    package: Option<PathBuf>,
    /// Print the differences between two firmwares, with the evidence: names or files
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "name")]
    diff: Option<Vec<String>>,
    /// Print what is only guessed about a firmware, or about each genuine one: lines that nobody
    /// has observed on a card or published, and guessed parts of other lines
    ///
    /// A test on such a card can settle it.
    #[arg(long, num_args = 0..=1, value_name = "NAME", conflicts_with_all = ["name", "diff"])]
    guesses: Option<Option<String>>,
}

/// Lists the firmwares, prints one, compares two, or lists guesses.
pub(crate) fn run(options: &FirmwareOptions) -> Result<(), Failure> {
    if let Some([old, new]) = options.diff.as_deref() {
        let (old, new) =
            (personalisation::firmware(Some(old))?, personalisation::firmware(Some(new))?);
        return output::print(comparison(&old, &new));
    }
    if let Some(name) = &options.guesses {
        return output::print(guesses::list(name.as_deref())?);
    }
    if options.name.is_some() {
        let firmware = personalisation::firmware(options.name.as_deref())?;
        return match &options.package {
            Some(path) => write_package(&firmware, path),
            None => output::print(firmware.source()),
        };
    }
    let lines = profile::BUILT_IN.iter().filter_map(|(name, _)| {
        let profile = Profile::built_in(name)?;
        let default = if *name == profile::DEFAULT { " (default)" } else { "" };
        Some(format!("{name:<8}{}{default}\n", summary(&profile)))
    });
    let extensions = profile::EXTENSIONS
        .iter()
        .filter_map(|(name, _)| Some(format!("{name}  {}\n", summary(&Profile::built_in(name)?))));
    let products = personalisation::PRODUCTS
        .iter()
        .map(|(product, firmware)| format!("{product:<18}{firmware}\n"));
    output::print(format!(
        "{}\nOur extensions, which no genuine card has:\n{}\nProducts, and the firmware that each \
         name stands for:\n{}",
        lines.collect::<String>(),
        extensions.collect::<String>(),
        products.collect::<String>()
    ))
}

fn write_package(firmware: &Profile, path: &Path) -> Result<(), Failure> {
    let package =
        update::package(firmware.version(), firmware.source()).map_err(Failure::failed)?;
    let written = File::create_new(path).and_then(|mut file| file.write_all(&package));
    written
        .map_err(|error| Failure::because(format_args!("cannot write {}", path.display()), error))
}

fn summary(profile: &Profile) -> String {
    let (major, minor) = profile.version();
    let (platform, longest) = (profile.platform(), profile.max_command());
    let since = profile.known_since().map(|date| format!(", known since {date}"));
    let since = since.unwrap_or_default();
    format!("version {major}.{minor} on {platform}, commands up to {longest} bytes{since}")
}

/// What is known about a line of a built-in firmware; `None` for any other, a user's file.
fn facts_about<'a>(firmware: &'a Profile, key: &str) -> Option<Vec<AppliedFact<'a>>> {
    let mut known = profile::BUILT_IN.iter().chain(profile::EXTENSIONS);
    let is_built_in = known.any(|known| *known == (firmware.name(), firmware.source()));
    is_built_in.then(|| Facts::built_in().about(firmware.name(), key))
}

fn comparison(old: &Profile, new: &Profile) -> String {
    let heading = [("---", old), ("+++", new)]
        .map(|(mark, profile)| format!("{mark} {}: {}\n", profile.name(), summary(profile)));
    let what: String = difference::headline(new.source()).map(|line| format!("{line}\n")).collect();
    let difference = difference::between(old, new);
    let difference =
        if difference.is_empty() { "\nNothing else is known to differ.\n" } else { &difference };
    format!("{}{what}{difference}", heading.concat())
}
