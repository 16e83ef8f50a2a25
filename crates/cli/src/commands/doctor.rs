//! `vschsm doctor`: finds out why a client does not see a card.

use crate::process::memory;
use crate::readers::pcsc::probe;
use crate::readers::pcsc::{ProbeFindings, ServerReaction, describe_user, query_version};
use crate::text::failure::Failure;
use crate::text::output;
use clap::Args;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use vschsm_reader::pcsc::SOCKET_VARIABLE;
use vschsm_reader::server::{
    ListeningSocket, PcscLibrary, PrivateFolder, ReaderLimits, Redirection, SocketAccess,
};

/// Check whether PC/SC clients can see the cards of `vschsm exec`
///
/// Looks for libpcsclite, creates a socket, and lets a client connect to it: a common one, or the
/// COMMAND that you have trouble with, which must list the readers. If PCSCLITE_CSOCK_NAME is set,
/// as in a command of `vschsm exec`, that socket is tried first, as the current user. If a client
/// would not see a card, the last line says what to do, and the exit code is 1.
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

/// Lists the readers with nothing but Python and the library.
const PYTHON: &str = "
from ctypes import *
library, context, length = CDLL('libpcsclite.so.1'), c_long(), c_ulong()
library.SCardEstablishContext(2, None, None, byref(context))
library.SCardListReaders(context, None, None, byref(length))";

/// Clients that list the readers and exit.
const CLIENTS: [&[&str]; 3] =
    [&["opensc-tool", "--list-readers"], &["pcsc_scan", "-r"], &["python3", "-c", PYTHON]];

/// Checks one thing after the other, and prints what it finds.
pub(crate) fn run(options: &Doctor) -> Result<(), Failure> {
    let library = PcscLibrary::find();
    match &library {
        Some(library) => {
            for (what, found) in introduction(library)? {
                say(what, found)?;
            }
        }
        None => say("Library", "not found: clients have to bring their own")?,
    }
    say("Memory", memory::dumps())?;
    say("Memory", memory::swap())?;
    if let Some(named) = std::env::var_os(SOCKET_VARIABLE) {
        look_at(Path::new(&named))?;
    }
    let folder = PrivateFolder::new(&SocketAccess::default())?;
    let socket = ListeningSocket::at(&folder.socket("pcscd"))?;
    say("Socket", socket.path().display())?;

    let command = options.client();
    let [program, arguments @ ..] = command.as_slice() else {
        say("Client", "none")?;
        let sentence = match library {
            None => "there is no libpcsclite.so.1; on Debian: apt-get install libpcsclite1",
            Some(_) => {
                "none of opensc-tool, pcsc_scan and python3 is installed: name a client with \
                 `vschsm doctor -- COMMAND`"
            }
        };
        return Err(Failure::Failed(sentence.into()));
    };
    let name = program.display().to_string();
    say("Client", &name)?;
    let mut client = Command::new(program);
    client.args(arguments).env(SOCKET_VARIABLE, socket.path());
    let found = probe(&socket, client)?;
    judge(found, ReaderLimits::installed(), &name)
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

/// Checks whether the server at the socket in the environment serves this user.
fn look_at(socket: &Path) -> Result<(), Failure> {
    let (path, user) = (socket.display(), describe_user(rustix::process::geteuid().as_raw()));
    let trouble = match query_version(socket) {
        ServerReaction::Replied => {
            return say("Named", format_args!("{path}, whose server accepts {user}"));
        }
        ServerReaction::HungUp => format!(
            "the server at {path} refuses {user}: start it with --socket-user or --socket-group"
        ),
        ServerReaction::TimedOut => format!("the server at {path} does not reply to {user}"),
        ServerReaction::Unreachable(error) if error.kind() == ErrorKind::PermissionDenied => {
            format!(
                "{user} has no permission to connect to {path}: start its server with \
                 --socket-user or --socket-group, in a folder that {user} may enter"
            )
        }
        ServerReaction::Unreachable(error) => format!(
            "no server listens at {path}, the socket in {SOCKET_VARIABLE} ({error}): run clients \
             with `vschsm exec`, or unset the variable"
        ),
    };
    Err(Failure::Failed(trouble))
}

/// Describes a library: its path and limits, and whether it honours the environment.
fn introduction(library: &PcscLibrary) -> Result<[(&'static str, String); 2], Failure> {
    let path = library.path.display();
    let whose = match library.redirection() {
        Redirection::None | Redirection::Usual => String::new(),
        Redirection::Delegate => format!(", selected by {}", Redirection::DELEGATE),
        Redirection::NotFound(name) => {
            return Err(Failure::Failed(format!(
                "clients cannot work, since {path} does not find the library {}: correct {}, or \
                 reinstall libpcsclite",
                name.display(),
                Redirection::DELEGATE
            )));
        }
    };
    let room = match library.reader_limits() {
        Some(ReaderLimits { max_readers_contexts, max_readers })
            if max_readers_contexts == max_readers =>
        {
            format!(", for {max_readers} readers")
        }
        Some(_) => ", for any number of readers".into(),
        None => String::new(),
    };
    let but = if library.ignores_variable_when_privileged() {
        ", but not in programs that are setuid or setgid, or have capabilities"
    } else {
        ""
    };
    let honoured = format!("{SOCKET_VARIABLE} is honoured{but}");
    Ok([("Library", format!("{path}{whose}{room}")), ("Variable", honoured)])
}

/// Reports what the client did, and what to do if it does not fit a server with these limits.
fn judge(found: ProbeFindings, limits: ReaderLimits, client: &str) -> Result<(), Failure> {
    if !found.connected {
        return Err(Failure::Failed(format!(
            "{client} did not connect to the socket: it does not use libpcsclite, does not find \
             that library, or does not see {SOCKET_VARIABLE}, because it is setuid or clears its \
             environment"
        )));
    }
    let Some(minor) = found.minor else {
        return Err(Failure::Failed(format!(
            "{client} uses a version of pcscd's protocol other than 4:4, 4:5 and 4:6: its \
             libpcsclite is older than 1.8.24, or newer than vschsm"
        )));
    };
    say("Version", format_args!("4:{minor}"))?;
    match found.reader_states {
        Some(entries) => say("Readers", entries)?,
        None if limits.max_readers > limits.max_readers_contexts => say("Readers", "any number")?,
        None => {
            let limit = limits.max_readers;
            let more = "--reader-entries raises the limit";
            say("Readers", format_args!("any number: here up to {limit}; {more}"))?;
        }
    }
    if let Some(entries) =
        found.reader_states.filter(|entries| *entries != limits.max_readers_contexts)
    {
        return Err(Failure::Failed(format!(
            "{client} expects a table of {entries} readers and would hang or fail: give `vschsm \
             exec` the option --reader-entries {entries}"
        )));
    }
    output::print("Everything works: run clients with `vschsm exec -- COMMAND`.\n")
}

fn say(what: &str, found: impl std::fmt::Display) -> Result<(), Failure> {
    output::print(format_args!("{what:<9} {found}\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;
    use std::fs;
    use std::path::Path;
    use tempfile::TempDir;

    /// A file that the loader would take for a library: the head of this test's, without segments,
    /// and texts.
    fn put(folder: &Path, name: &str, texts: &str) {
        let mut image = fs::read("/proc/self/exe").unwrap();
        image.truncate(64);
        image.splice(56..58, [0, 0]);
        image.extend(texts.bytes().chain([0]));
        fs::write(folder.join(name), image).unwrap();
    }

    /// What is said of the library in `folder`, with another named by the environment or not.
    fn said(folder: &Path, delegate: Option<&str>) -> String {
        let found = PcscLibrary::find_with(|variable| match variable {
            "LD_LIBRARY_PATH" => Some(folder.into()),
            Redirection::DELEGATE => delegate.map(Into::into),
            _ => None,
        });
        match introduction(&found.unwrap()) {
            Ok([(_, library), (_, variable)]) => format!("{library}\n{variable}"),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn the_library_that_does_the_work_is_named_and_whether_it_ignores_the_variable() {
        let folder = TempDir::new().unwrap();
        let folder = folder.path();
        // As 2.0 is: it has `secure_getenv`, and for another variable.
        put(folder, "libpcsclite.so.1", "PCSCLITE_CSOCK_NAME\0secure_getenv");
        put(folder, "other.so", "PCSCLITE_CSOCK_NAME");
        let old = said(folder, Some("other.so"));
        assert!(old.contains("libpcsclite.so.1, for any number of readers\n"), "{old}");
        assert!(old.ends_with("is honoured"), "{old}");

        put(folder, "libpcsclite.so.1", "LIBPCSCLITE_DELEGATE");
        put(folder, "libpcsclite_real.so.1", "PCSCLITE_CSOCK_NAME");
        let usual = said(folder, None);
        assert!(usual.contains("libpcsclite_real.so.1, for any number"), "{usual}");
        assert!(usual.contains("honoured, but not in programs that are setuid"), "{usual}");
        let named = said(folder, Some("other.so"));
        assert!(named.contains("other.so, selected by LIBPCSCLITE_DELEGATE, for"), "{named}");
        let missing = said(folder, Some("nowhere.so"));
        assert!(missing.contains("does not find the library nowhere.so"), "{missing}");
    }
}
