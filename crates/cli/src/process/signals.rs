//! Signals that would end this program.

use crate::text::failure::Failure;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
};
use signal_hook::iterator::Signals;
use std::fs;

/// Whatever ends a program that has not asked for it, but for what its own faults raise.
pub(crate) const ENDING: [i32; 10] =
    [SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM];

/// Lets them end this program no more, and tells of them. What it was started to ignore it goes on
/// to ignore, and so does what it starts.
pub(crate) fn take() -> Result<Signals, Failure> {
    let taken = ENDING.iter().filter(|signal| !is_ignored(**signal));
    Signals::new(taken).map_err(|error| Failure::because("cannot wait for signals", error))
}

/// Whether the program was started to ignore a signal, as `nohup` has it ignore a hang-up.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let digits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    match digits.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()) {
        Some(set) => set >> (signal - 1) & 1 == 1,
        // Where nobody says, a hang-up may be ignored.
        None => signal == SIGHUP,
    }
}
