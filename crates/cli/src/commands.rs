//! The command line, and a file for each of its commands.

mod apdu;
mod blob;
mod check;
mod ctl;
mod dkek;
mod doctor;
pub(crate) mod exec;
mod firmware;
mod keys;
mod list;
mod new;
mod pka;
mod root;
mod run;
mod seal;
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
use exec::Exec;
use firmware::Firmware;
use keys::Keys;
use list::List;
use new::New;
use pka::Pka;
use root::Root;
use run::Run;
use seal::{SealCard, UnsealCard};
use show::Show;
use std::process::ExitCode;
use update::Update;
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
/// Behaves as CardContact's SmartCard-HSM and the Nitrokey HSM do, for tests and development. It
/// protects nothing: keys lie in a file, encrypted only if you seal it, and the certificates are
/// worthless.
#[derive(Debug, Parser)]
#[command(
    name = "vschsm",
    version = VERSION,
    after_help = "\
A CARD is a path; a name without `/` is that of a card in the data folder,
$XDG_DATA_HOME/vschsm or ~/.local/share/vschsm.

Environment: VSCHSM_PASSPHRASE has the passphrase of encrypted cards. The program's
memory is closed to core dumps, to debuggers and, where the system allows it, to swap;
VSCHSM_DUMPABLE=1 leaves it open to debuggers.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a card has the defect that was looked for."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Exec(Exec),
    Run(Run),
    Ctl(Ctl),
    New(New),
    List(List),
    Apdu(Apdu),
    Show(Show),
    Keys(Keys),
    Seal(SealCard),
    Unseal(UnsealCard),
    Dkek(Dkek),
    Blob(Explain),
    Check(Check),
    Verify(Verify),
    Pka(Pka),
    Update(Update),
    Doctor(Doctor),
    Firmware(Firmware),
    Root(Root),
    Completions(Completions),
    Man(Man),
}

/// Print a shell's completions for vschsm
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  vschsm completions bash > ~/.local/share/bash-completion/completions/vschsm")]
struct Completions {
    shell: Shell,
}

/// Print a man page, of vschsm or of one of its commands
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm man | man -l -
  vschsm man run > vschsm-run.1
  vschsm man ctl insert | man -l -")]
struct Man {
    /// The command, and its own command if it has some
    command: Vec<String>,
}

/// The options whose values are not to be shown, not even when they are wrong.
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
    /// What the command line says; ends the program with a sentence if that makes no sense.
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

    /// Does what the command line says; the exit code when that went well.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        if !matches!(self.command, Command::Exec(_) | Command::Doctor(_)) {
            memory::limit_dumps();
        }
        match &self.command {
            Command::Exec(options) => return exec::run(options),
            Command::Run(options) => run::run(options),
            Command::Ctl(options) => ctl::run(options),
            Command::New(options) => new::run(options),
            Command::List(options) => list::run(options),
            Command::Apdu(options) => apdu::run(options),
            Command::Show(options) => show::run(options),
            Command::Keys(options) => keys::run(options),
            Command::Seal(options) => seal::seal(options),
            Command::Unseal(options) => seal::unseal(options),
            Command::Dkek(options) => dkek::run(options),
            Command::Blob(options) => blob::run(options),
            Command::Check(options) => check::run(options),
            Command::Verify(options) => verify::run(options),
            Command::Pka(options) => pka::run(options),
            Command::Update(options) => update::run(options),
            Command::Doctor(options) => doctor::run(options),
            Command::Firmware(options) => firmware::run(options),
            Command::Root(options) => root::run(options),
            Command::Completions(options) => options.run(),
            Command::Man(options) => options.run(),
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
