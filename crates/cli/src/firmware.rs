//! `vschsm firmware`: the firmwares that a card can have.

use crate::failure::Failure;
use crate::{new_card, output};
use card::profile::{self, Profile};
use clap::Args;

/// List the firmwares that a card can have, or print one
///
/// What is printed can be edited, saved as a file and given to `--firmware`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm firmware
  vschsm firmware 3.4 > my.toml && vschsm run --ephemeral --firmware my.toml")]
pub(crate) struct Firmware {
    /// Print this one: a name, or a file if it holds a `/` or ends in `.toml`
    name: Option<String>,
}

/// Lists the firmwares or prints one.
pub(crate) fn run(options: &Firmware) -> Result<(), Failure> {
    if options.name.is_some() {
        return output::print(new_card::firmware(options.name.as_deref())?.source());
    }
    let lines = profile::BUILT_IN.iter().filter_map(|(name, _)| {
        let profile = Profile::built_in(name)?;
        let default = if *name == profile::DEFAULT { " (default)" } else { "" };
        Some(format!("{name:<8}{}{default}\n", summary(&profile)))
    });
    output::print(lines.collect::<String>())
}

fn summary(profile: &Profile) -> String {
    let (major, minor) = profile.version();
    let (platform, longest) = (profile.platform(), profile.max_command());
    format!("version {major}.{minor} on {platform}, commands up to {longest} bytes")
}
