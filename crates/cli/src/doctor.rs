//! `vschsm doctor`: why a client would not see a card.

use crate::failure::Failure;
use crate::memory;
use crate::output;
use crate::server::{Findings, probe};
use clap::Args;
use reader::pcsc::VARIABLE;
use reader::server::{Library, Listening, PrivateFolder, expected_entries};
use std::ffi::OsString;
use std::process::Command;

/// Say whether PC/SC clients would see the cards of `vschsm exec`, and why not
///
/// Looks for libpcsclite, makes the socket, and has a client come to it: one of the usual ones, or
/// the COMMAND that you have trouble with, as long as it lists the readers. Exit code 1 if a client
/// would not see a card, after a sentence that says what to do.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm doctor
  vschsm doctor -- ./my-client --list")]
pub(crate) struct Doctor {
    /// A client that lists the readers [default: the first installed of opensc-tool, pcsc_scan and
    /// python3]
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// Lists the readers by nothing but Python and the library.
const PYTHON: &str = "
from ctypes import *
library, context, length = CDLL('libpcsclite.so.1'), c_long(), c_ulong()
library.SCardEstablishContext(2, None, None, byref(context))
library.SCardListReaders(context, None, None, byref(length))";

/// Clients that list the readers and end.
const CLIENTS: [&[&str]; 3] =
    [&["opensc-tool", "--list-readers"], &["pcsc_scan", "-r"], &["python3", "-c", PYTHON]];

/// Looks at everything in turn, and says what it finds.
pub(crate) fn run(options: &Doctor) -> Result<(), Failure> {
    let library = Library::find();
    match &library {
        Some(library) => {
            let path = library.path.display();
            match library.entries() {
                Some(entries) => say("Library", format_args!("{path}, for {entries} readers"))?,
                None => say("Library", path)?,
            }
            if library.is_careful() {
                let but = "honoured, but not in programs that are setuid or setgid";
                say("Variable", format_args!("{VARIABLE} is {but}"))?;
            } else {
                say("Variable", format_args!("{VARIABLE} is honoured"))?;
            }
        }
        None => say("Library", "none: clients need one of their own")?,
    }
    say("Memory", memory::dumps())?;
    say("Memory", memory::swap())?;
    let folder = PrivateFolder::new()?;
    let socket = Listening::at(&folder.socket("pcscd"))?;
    say("Socket", socket.path().display())?;

    let command = options.client();
    let [program, arguments @ ..] = command.as_slice() else {
        say("Client", "none of opensc-tool, pcsc_scan and python3 is there to be tried")?;
        return library.map(drop).ok_or_else(|| {
            Failure::Failed(
                "there is no libpcsclite.so.1; on Debian: apt-get install libpcsclite1".into(),
            )
        });
    };
    let name = program.display().to_string();
    say("Client", &name)?;
    let mut client = Command::new(program);
    client.args(arguments).env(VARIABLE, socket.path());
    let found = probe(&socket, client)?;
    judge(found, expected_entries(), &name)
}

impl Doctor {
    fn client(&self) -> Vec<OsString> {
        if !self.command.is_empty() {
            return self.command.clone();
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there = |client: &&[&str]| {
            let mut folders = std::env::split_paths(&path);
            client.first().is_some_and(|name| folders.any(|folder| folder.join(name).is_file()))
        };
        let client = CLIENTS.into_iter().find(is_there).unwrap_or_default();
        client.iter().map(Into::into).collect()
    }
}

/// Says what the client has shown, and what to do if a server that expects libraries for so many
/// readers would not suit it.
fn judge(found: Findings, expected: usize, client: &str) -> Result<(), Failure> {
    if !found.came {
        return Err(Failure::Failed(format!(
            "{client} has not come to the socket: it is no client of libpcsclite, does not find \
             that library, or does not see {VARIABLE}, as one that is setuid or clears its \
             environment"
        )));
    }
    let Some(minor) = found.minor else {
        return Err(Failure::Failed(format!(
            "{client} speaks another version of pcscd's protocol than 4:4, 4:5 and 4:6: its \
             libpcsclite is older than 1.8.24, or newer than vschsm"
        )));
    };
    say("Version", format_args!("4:{minor}"))?;
    match found.entries {
        Some(entries) => say("Readers", entries)?,
        None => say("Readers", "as many as there are")?,
    }
    if let Some(entries) = found.entries.filter(|entries| *entries != expected) {
        return Err(Failure::Failed(format!(
            "{client} waits for {entries} readers and would hang or go wrong: give `vschsm exec` \
             the option --reader-entries {entries}"
        )));
    }
    output::print("All is well: run clients with `vschsm exec -- COMMAND`.\n")
}

fn say(what: &str, found: impl std::fmt::Display) -> Result<(), Failure> {
    output::print(format_args!("{what:<9} {found}\n"))
}
