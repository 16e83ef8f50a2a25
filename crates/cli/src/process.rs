//! This process: its memory, signals, limits and terminal, and randomness from the system.

pub(crate) mod memory;
pub(crate) mod open_files;
pub(crate) mod prompt;
pub(crate) mod seed;
pub(crate) mod signals;
