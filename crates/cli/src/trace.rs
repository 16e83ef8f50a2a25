//! One line for each command: what it asks, what the card says, how long it took.
//!
//! A line holds no PIN, no private key and no content of protected files: data and responses are
//! replaced by their lengths, but for those that are known to be open.

mod telling;

use crate::text::failure::Failure;
use crate::text::{hex, words};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vschsm_card::card_manager;
use vschsm_protocol::apdu::Command;
use vschsm_protocol::tlv::{self, find};

/// How many bytes of data a line shows.
const SHOWN: usize = 32;

/// Where lines go, for all cards of the program.
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

    /// Writes a line at once, so that lines of several cards do not mix.
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

/// Refuses a pipe, which would stop the card when nobody reads it, and a card's image, which a line
/// at its end would damage.
fn refuse_pipe_or_content(path: &Path, metadata: &fs::Metadata) -> Result<(), Failure> {
    let path_shown = path.display();
    if metadata.file_type().is_fifo() {
        return Err(Failure::Usage(format!("{path_shown} is a pipe, and no file for a trace")));
    }
    let mut start = [0; vschsm_card::image::MAGIC.len()];
    let is_card = metadata.is_file()
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
        && start == *vschsm_card::image::MAGIC.as_bytes();
    if is_card {
        return Err(Failure::Usage(format!("{path_shown} is a card, and no file for a trace")));
    }
    Ok(())
}

/// The trace of one card.
pub(crate) struct Trace {
    sink: Sink,
    /// In front of each line, where there are several cards.
    name: String,
    current: Current,
}

/// What has been selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Current {
    Unknown,
    /// The file that READ and UPDATE BINARY mean when they name none.
    File(u16),
    /// The card manager, and no applet.
    CardManager,
}

impl Trace {
    /// The trace of a card that needs a name beside others; alone, its name is empty.
    pub(crate) fn new(sink: Sink, name: &str) -> Self {
        let name = if name.is_empty() { String::new() } else { format!("[{name}] ") };
        Self { sink, name, current: Current::Unknown }
    }

    /// Tells that the card's session has ended, and by which event.
    pub(crate) fn reset(&mut self, event: &str) -> Result<(), Failure> {
        self.current = Current::Unknown;
        self.sink.write(&format!("{}{event}", self.name))
    }

    /// Tells of a command and its answer.
    pub(crate) fn command(
        &mut self,
        apdu: &[u8],
        response: &[u8],
        took: Duration,
    ) -> Result<(), Failure> {
        let line = self.line(apdu, response);
        self.sink.write(&format!("{}{line}, {}", self.name, time(took)))
    }

    /// Tells of a command with which something has gone wrong as `faults` say, and of what the
    /// reader got instead of the card's answer; nothing if that is none.
    ///
    /// Whose data that is, and what the card has selected, is not known here.
    pub(crate) fn fault(
        &mut self,
        apdu: &[u8],
        response: Option<&[u8]>,
        took: Duration,
        faults: &str,
    ) -> Result<(), Failure> {
        let command = match Command::parse(apdu) {
            Ok(command) => telling::tell(&command, self.current).words,
            Err(_) => malformed(apdu),
        };
        self.current = Current::Unknown;
        let split = response.map(|response| (response, response.split_last_chunk()));
        let response = match split {
            None => "nothing".into(),
            Some((response, None)) => redacted(response),
            Some((_, Some(([], status)))) => answer(u16::from_be_bytes(*status), &[]),
            Some((_, Some((data, status)))) => {
                format!("{}, {}", answer(u16::from_be_bytes(*status), &[]), redacted(data))
            }
        };
        let (name, took) = (&self.name, time(took));
        self.sink.write(&format!("{name}{command} -> {response}, {took}, {faults}"))
    }

    fn line(&mut self, apdu: &[u8], response: &[u8]) -> String {
        let Some((data, status)) =
            response.split_last_chunk().map(|(data, status)| (data, u16::from_be_bytes(*status)))
        else {
            return format!("{} -> nothing", malformed(apdu));
        };
        let Ok(command) = Command::parse(apdu) else {
            return format!("{} -> {}", malformed(apdu), answer(status, &[]));
        };
        let told = telling::tell(&command, self.current);
        self.current = self.current.after(&command, status);

        let sealed = sealed_answer(&command, data);
        let answer = sealed.unwrap_or_else(|| answer(status, &command.data));
        let mut line = format!("{} -> {answer}", told.words);
        if !data.is_empty() {
            line.push_str(", ");
            line.push_str(&if told.secret_answer { redacted(data) } else { shown(data) });
        }
        line
    }
}

impl Current {
    /// What is selected after `command`.
    ///
    /// One that failed may have chosen a protected file nevertheless, so that is assumed.
    fn after(self, command: &Command, status: u16) -> Self {
        if telling::is_sealed(command) && matches!(command.ins, 0xA4 | 0xD7) {
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

/// A command in words, without what may be secret.
pub(crate) fn command_told(apdu: &[u8]) -> String {
    match Command::parse(apdu) {
        Ok(command) => telling::tell(&command, Current::Unknown).words,
        Err(_) => malformed(apdu),
    }
}

/// A status word in figures and words.
pub(crate) fn status_told(status: u16) -> String {
    answer(status, &[])
}

/// Whether only the user may read the file.
fn is_protected(fid: u16) -> bool {
    fid >> 8 == 0xCD
}

/// A command that cannot be taken apart shows its header alone: the rest may hold anything.
fn malformed(apdu: &[u8]) -> String {
    match apdu.split_at_checked(4) {
        Some((header, rest)) => format!("malformed {} {}", hex::upper(header), redacted(rest)),
        None => format!("malformed {}", hex::upper(apdu)),
    }
}

/// A status word in figures and words, as the answer to a command with `data`.
fn answer(status: u16, data: &[u8]) -> String {
    let words = match status {
        0x9000 => return "9000".into(),
        0x63C0..=0x63CF => {
            let wrong = if data.is_empty() { "" } else { "wrong, " };
            format!("{wrong}{} left", words::count(usize::from(status & 0xF), "try"))
        }
        _ => words::status(status).unwrap_or("meaning unknown").into(),
    };
    format!("{status:04X} {words}")
}

/// The status word of a sealed answer, which is in the clear: tag 99.
fn sealed_answer(command: &Command, data: &[u8]) -> Option<String> {
    let objects = tlv::parse(data).ok().filter(|_| telling::is_sealed(command))?;
    let status = u16::from_be_bytes(find(&objects, 0x99)?.try_into().ok()?);
    let sealed = tlv::parse(&command.data).unwrap_or_default();
    let cryptogram = find(&sealed, 0x87).or(find(&sealed, 0x85)).unwrap_or_default();
    Some(format!("sealed {}", answer(status, cryptogram)))
}

/// Length and content, cut after [`SHOWN`] bytes.
fn shown(data: &[u8]) -> String {
    let len = words::count(data.len(), "byte");
    match data.get(..SHOWN) {
        Some(head) if data.len() > SHOWN => format!("{len} {}…", hex::upper(head)),
        _ => format!("{len} {}", hex::upper(data)),
    }
}

/// The length of what must not be shown.
fn redacted(data: &[u8]) -> String {
    format!("{} redacted", words::count(data.len(), "byte"))
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
