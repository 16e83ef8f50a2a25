//! Standard output, whose reader may be gone.

use crate::failure::Failure;
use std::fmt;
use std::io::{self, Write};

/// Writes text to standard output, at once.
pub(crate) fn print(text: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::because("cannot write to standard output", error))
}
