//! Standard output and standard error, which may be closed.

use crate::text::failure::Failure;
use serde::Serialize;
use signal_hook::consts::SIGPIPE;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Writes text to standard output, at once.
pub(crate) fn print(text: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::Unread,
        _ => Failure::because("cannot write to standard output", error),
    })
}

/// Ends as programs do when the reader of their output is gone, as behind `| head`: by SIGPIPE,
/// without a message.
pub(crate) fn end_unread() -> ExitCode {
    // It does not return.
    signal_hook::low_level::emulate_default_handler(SIGPIPE).ok();
    Failure::Unread.exit_code()
}

/// Writes JSON to standard output, with line breaks.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::because("cannot write JSON", error))?;
    print(format_args!("{json}\n"))
}

/// Writes a warning to standard error. If that fails it is lost: it must not end a card.
pub(crate) fn warn(sentence: impl fmt::Display) {
    writeln!(io::stderr(), "vschsm: {sentence}").ok();
}

/// Writes a line to standard error about what comes next.
pub(crate) fn announce(sentence: impl fmt::Display) {
    writeln!(io::stderr(), "{sentence}").ok();
}
