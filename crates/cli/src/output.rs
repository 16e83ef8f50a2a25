//! Standard output and standard error, whose readers may be gone.

use crate::failure::Failure;
use serde::Serialize;
use std::fmt;
use std::io::{self, Write};

/// Writes text to standard output, at once.
pub(crate) fn print(text: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::because("cannot write to standard output", error))
}

/// Writes JSON to standard output, in lines for people.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::because("cannot write JSON", error))?;
    print(format_args!("{json}\n"))
}

/// Writes a line to standard error, for the user if there is one: a card does not die of a warning
/// that nobody reads.
pub(crate) fn warn(sentence: impl fmt::Display) {
    writeln!(io::stderr(), "vschsm: {sentence}").ok();
}

/// Writes a line to standard error that says what comes next.
pub(crate) fn announce(sentence: impl fmt::Display) {
    writeln!(io::stderr(), "{sentence}").ok();
}
