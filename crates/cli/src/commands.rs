//! The command line, and a file for each of its commands.

mod apdu;
mod blob;
mod check;
mod ctl;
mod dkek;
mod doctor;
mod encrypt;
pub(crate) mod exec;
mod firmware;
mod keys;
mod list;
mod new;
mod pka;
mod root;
mod run;
mod show;
mod update;
mod verify;

use crate::process::memory;
use crate::text::failure::Failure;
use crate::text::output;
use apdu::Apdu;
use blob::Explain;
use check::Check;
use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use ctl::Ctl;
use dkek::Dkek;
use doctor::Doctor;
use encrypt::{Decrypt, Encrypt};
use exec::Exec;
use firmware::FirmwareOptions;
use keys::KeysOptions;
use list::ListCommand;
use new::New;
use pka::Pka;
use root::Root;
use run::Run;
use show::Show;
use std::process::ExitCode;
use update::UpdateOptions;
use verify::Verify;

/// The version, and the commit if the program was built from a clone of the repository.
const VERSION: &str = git_version::git_version!(
    args = ["--always", "--abbrev=12", "--exclude=*"],
    prefix = concat!(env!("CARGO_PKG_VERSION"), " ("),
    suffix = ")",
    fallback = env!("CARGO_PKG_VERSION")
);

/// A virtual SmartCard-HSM for PC/SC clients
///
/// Behaves like CardContact's SmartCard-HSM and the Nitrokey HSM, for tests and development. It
/// protects nothing: the keys are in a file, which is encrypted only if you ask for it, and the
/// certificates are worthless.
#[derive(Debug, Parser)]
#[command(
    name = "vschsm",
    version = VERSION,
    after_help = "\
A CARD is a path; a name without `/` is the name of a card in the data folder,
$XDG_DATA_HOME/vschsm or ~/.local/share/vschsm.

Environment: VSCHSM_PASSPHRASE holds the passphrase of encrypted cards. Core dumps and
debuggers have no access to the program's memory and, where the system allows it, nothing
is swapped out; VSCHSM_DUMPABLE=1 gives access to debuggers.

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 a check has found a defect."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: VschsmCommand,
}

#[derive(Debug, Subcommand)]
enum VschsmCommand {
    Exec(Exec),
    Run(Run),
    Ctl(Ctl),
    New(New),
    List(ListCommand),
    Apdu(Apdu),
    Show(Show),
    Keys(KeysOptions),
    #[command(visible_alias = "seal")]
    Encrypt(Encrypt),
    #[command(visible_alias = "unseal")]
    Decrypt(Decrypt),
    Dkek(Dkek),
    Blob(Explain),
    Check(Check),
    Verify(Verify),
    Pka(Pka),
    Update(UpdateOptions),
    Doctor(Doctor),
    Firmware(FirmwareOptions),
    Root(Root),
    Completions(Completions),
    Man(Man),
}

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  vschsm completions bash > ~/.local/share/bash-completion/completions/vschsm")]
struct Completions {
    shell: Shell,
}

/// Print the man page of vschsm or of one of its commands
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm man | man -l -
  vschsm man run > vschsm-run.1
  vschsm man ctl insert | man -l -")]
struct Man {
    /// The command, and its subcommand if it has one
    command: Vec<String>,
}

/// The options whose values are never shown, not even when they are wrong.
const SECRETS: [&str; 10] = [
    "--device-key",
    "--dkek",
    "--dkek-password",
    "--keys",
    "--password",
    "--password-share",
    "--pin",
    "--prime",
    "--share",
    "--so-pin",
];

impl Arguments {
    /// Parses the command line; ends the program with a message if that fails.
    pub(crate) fn read() -> Self {
        Self::try_parse().unwrap_or_else(|mut error| {
            let option = error.get(ContextKind::InvalidArg).map(ToString::to_string);
            let name = option.as_deref().and_then(|option| option.split([' ', '=']).next());
            if name.is_some_and(|name| SECRETS.contains(&name)) {
                let redacted = ContextValue::String("(redacted)".into());
                error.insert(ContextKind::InvalidValue, redacted);
            }
            error.exit()
        })
    }

    /// Runs the command. Returns the exit code of a success.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        if !matches!(self.command, VschsmCommand::Exec(_) | VschsmCommand::Doctor(_)) {
            memory::limit_dumps();
        }
        match &self.command {
            VschsmCommand::Exec(options) => return exec::run(options),
            VschsmCommand::Run(options) => run::run(options),
            VschsmCommand::Ctl(options) => ctl::run(options),
            VschsmCommand::New(options) => new::run(options),
            VschsmCommand::List(options) => list::run(options),
            VschsmCommand::Apdu(options) => apdu::run(options),
            VschsmCommand::Show(options) => show::run(options),
            VschsmCommand::Keys(options) => keys::run(options),
            VschsmCommand::Encrypt(options) => encrypt::encrypt(options),
            VschsmCommand::Decrypt(options) => encrypt::decrypt(options),
            VschsmCommand::Dkek(options) => dkek::run(options),
            VschsmCommand::Blob(options) => blob::run(options),
            VschsmCommand::Check(options) => check::run(options),
            VschsmCommand::Verify(options) => verify::run(options),
            VschsmCommand::Pka(options) => pka::run(options),
            VschsmCommand::Update(options) => update::run(options),
            VschsmCommand::Doctor(options) => doctor::run(options),
            VschsmCommand::Firmware(options) => firmware::run(options),
            VschsmCommand::Root(options) => root::run(options),
            VschsmCommand::Completions(options) => options.run(),
            VschsmCommand::Man(options) => options.run(),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Completions {
    fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "vschsm", &mut script);
        output::print(String::from_utf8_lossy(&script))
    }
}

impl Man {
    fn run(&self) -> Result<(), Failure> {
        let mut all = Arguments::command();
        all.build();
        let mut page = all;
        for name in &self.command {
            let command = page.find_subcommand(name).cloned();
            page = command.ok_or_else(|| Failure::Usage(format!("no command {name:?}")))?;
        }
        let mut text = Vec::new();
        clap_mangen::Man::new(page)
            .render(&mut text)
            .map_err(|error| Failure::because("cannot make the man page", error))?;
        output::print(String::from_utf8_lossy(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
