//! One line for each command: its description, the response, and the time it took.
//!
//! A line has no PIN, no private key and no content of protected files: data and responses are
//! replaced by their lengths, except those that are declared open.

mod describe;

use crate::text::failure::Failure;
use crate::text::{hex, names};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vschsm_card::card_manager;
use vschsm_protocol::apdu::Command;
use vschsm_protocol::tlv::{self, find};

/// The maximum of bytes that a line shows of data.
const SHOWN: usize = 32;

/// Where the lines of all cards of the program are written.
#[derive(Clone)]
pub(crate) enum Sink {
    Stderr,
    File(Arc<File>, PathBuf),
}

impl Sink {
    /// The end of the file `path`, or standard error for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Stderr);
        }
        if let Ok(metadata) = path.metadata() {
            refuse_pipe_or_content(path, &metadata)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(|error| {
            Failure::because(format_args!("cannot write {}", path.display()), error)
        })?;
        Ok(Self::File(Arc::new(file), path.into()))
    }

    /// Writes a line in one piece, so that the lines of several cards do not mix.
    fn write(&self, line: &str) -> Result<(), Failure> {
        let line = format!("{line}\n");
        let written = match self {
            Self::Stderr => io::stderr().write_all(line.as_bytes()),
            Self::File(file, _) => file.as_ref().write_all(line.as_bytes()),
        };
        written.map_err(|error| match self {
            Self::Stderr => Failure::because("cannot write the trace", error),
            Self::File(_, path) => {
                Failure::because(format_args!("cannot write {}", path.display()), error)
            }
        })
    }
}

/// Refuses a pipe, which would block the card when it is not read, and a card's file, which an
/// appended line would damage.
fn refuse_pipe_or_content(path: &Path, metadata: &fs::Metadata) -> Result<(), Failure> {
    let path_shown = path.display();
    if metadata.file_type().is_fifo() {
        return Err(Failure::Usage(format!(
            "{path_shown} is a pipe: a trace is written to a regular file"
        )));
    }
    let mut start = [0; vschsm_card::image::MAGIC.len()];
    let is_card = metadata.is_file()
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
        && start == *vschsm_card::image::MAGIC.as_bytes();
    if is_card {
        return Err(Failure::Usage(format!("{path_shown} is a card: a trace would damage it")));
    }
    Ok(())
}

/// The trace of one card.
pub(crate) struct Trace {
    sink: Sink,
    /// The prefix of each line, if there are several cards.
    name: String,
    current: Current,
}

/// What is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Current {
    Unknown,
    /// The current EF: READ and UPDATE BINARY use it unless they name another file.
    File(u16),
    /// The card manager.
    CardManager,
}

impl Trace {
    /// The trace of a card; its name is empty if it is the only one.
    pub(crate) fn new(sink: Sink, name: &str) -> Self {
        let name = if name.is_empty() { String::new() } else { format!("[{name}] ") };
        Self { sink, name, current: Current::Unknown }
    }

    /// Writes that the card's session has ended, and by which event.
    pub(crate) fn reset(&mut self, event: &str) -> Result<(), Failure> {
        self.current = Current::Unknown;
        self.sink.write(&format!("{}{event}", self.name))
    }

    /// Writes a command and its response.
    pub(crate) fn command(
        &mut self,
        apdu: &[u8],
        response: &[u8],
        took: Duration,
    ) -> Result<(), Failure> {
        let line = self.line(apdu, response);
        self.sink.write(&format!("{}{line}, {}", self.name, time(took)))
    }

    /// Writes a command, what the reader got in place of the card's response, if anything, and the
    /// `faults` that were injected.
    ///
    /// What the card has selected then, and to which command the data belongs, is not known here.
    pub(crate) fn fault(
        &mut self,
        apdu: &[u8],
        response: Option<&[u8]>,
        took: Duration,
        faults: &str,
    ) -> Result<(), Failure> {
        let command = match Command::parse(apdu) {
            Ok(command) => describe::describe(&command, self.current).text,
            Err(_) => malformed(apdu),
        };
        self.current = Current::Unknown;
        let split = response.map(|response| (response, response.split_last_chunk()));
        let response = match split {
            None => "no response".into(),
            Some((response, None)) => redacted(response),
            Some((_, Some(([], status)))) => describe_result(u16::from_be_bytes(*status), &[]),
            Some((_, Some((data, status)))) => {
                format!("{}, {}", describe_result(u16::from_be_bytes(*status), &[]), redacted(data))
            }
        };
        let (name, took) = (&self.name, time(took));
        self.sink.write(&format!("{name}{command} -> {response}, {took}, {faults}"))
    }

    fn line(&mut self, apdu: &[u8], response: &[u8]) -> String {
        let Some((data, status)) =
            response.split_last_chunk().map(|(data, status)| (data, u16::from_be_bytes(*status)))
        else {
            return format!("{} -> no response", malformed(apdu));
        };
        let Ok(command) = Command::parse(apdu) else {
            return format!("{} -> {}", malformed(apdu), describe_result(status, &[]));
        };
        let description = describe::describe(&command, self.current);
        self.current = self.current.after(&command, status);

        let protected = protected_result(&command, data);
        let result = protected.unwrap_or_else(|| describe_result(status, &command.data));
        let mut line = format!("{} -> {result}", description.text);
        if !data.is_empty() {
            line.push_str(", ");
            line.push_str(&if description.secret_response { redacted(data) } else { shown(data) });
        }
        line
    }
}

impl Current {
    /// What is selected after `command`.
    ///
    /// A command that failed may have selected a protected file nevertheless, which is assumed.
    fn after(self, command: &Command, status: u16) -> Self {
        if describe::has_secure_messaging(command) && matches!(command.ins, 0xA4 | 0xD7) {
            return Self::Unknown;
        }
        let named = match (command.ins, command.p1, command.data.as_slice()) {
            (0xA4, 0x04, name) if status == 0x9000 => {
                let manager = card_manager::is_named_by(name);
                return if manager { Self::CardManager } else { Self::Unknown };
            }
            _ if self == Self::CardManager => return self,
            (0xA4, 0x04, _) => return self,
            (0xA4, _, &[high, low]) => u16::from_be_bytes([high, low]),
            (0xD7, ..) if command.p1p2() != 0 => command.p1p2(),
            _ => return self,
        };
        if status == 0x9000 || is_protected(named) { Self::File(named) } else { self }
    }
}

/// The description of a command, without secrets.
pub(crate) fn describe_command(apdu: &[u8]) -> String {
    match Command::parse(apdu) {
        Ok(command) => describe::describe(&command, Current::Unknown).text,
        Err(_) => malformed(apdu),
    }
}

/// A status word with its name.
pub(crate) fn describe_status(status: u16) -> String {
    describe_result(status, &[])
}

/// Whether only the user may read the file.
fn is_protected(fid: u16) -> bool {
    fid >> 8 == 0xCD
}

/// A malformed command, of which only the header is shown: the rest may hold a secret.
fn malformed(apdu: &[u8]) -> String {
    match apdu.split_at_checked(4) {
        Some((header, rest)) => format!("malformed {} {}", hex::upper(header), redacted(rest)),
        None => format!("malformed {}", hex::upper(apdu)),
    }
}

/// A status word with its name, as the response to a command with `data`.
fn describe_result(status: u16, data: &[u8]) -> String {
    let name = match status {
        0x9000 => return "9000".into(),
        0x63C0..=0x63CF => {
            let wrong = if data.is_empty() { "" } else { "wrong, " };
            format!("{wrong}{} left", names::count(usize::from(status & 0xF), "try"))
        }
        _ => names::status(status).unwrap_or("unknown status word").into(),
    };
    format!("{status:04X} {name}")
}

/// The status word of a protected response, which is not encrypted: tag 99.
fn protected_result(command: &Command, data: &[u8]) -> Option<String> {
    let objects = tlv::parse(data).ok().filter(|_| describe::has_secure_messaging(command))?;
    let status = u16::from_be_bytes(find(&objects, 0x99)?.try_into().ok()?);
    let objects = tlv::parse(&command.data).unwrap_or_default();
    let cryptogram = find(&objects, 0x87).or(find(&objects, 0x85)).unwrap_or_default();
    Some(format!("protected {}", describe_result(status, cryptogram)))
}

/// Length and content, truncated to [`SHOWN`] bytes.
fn shown(data: &[u8]) -> String {
    let len = names::count(data.len(), "byte");
    match data.get(..SHOWN) {
        Some(head) if data.len() > SHOWN => format!("{len} {}…", hex::upper(head)),
        _ => format!("{len} {}", hex::upper(data)),
    }
}

/// The length of data that must not be shown.
fn redacted(data: &[u8]) -> String {
    format!("{} redacted", names::count(data.len(), "byte"))
}

fn time(took: Duration) -> String {
    match took.as_micros() {
        micros @ ..1_000 => format!("{micros} µs"),
        micros @ ..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        micros => format!("{:.2} s", micros as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests;
