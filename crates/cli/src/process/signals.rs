//! Signals that would end this program.

use crate::text::failure::Failure;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXFSZ,
};
use signal_hook::iterator::Signals;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The signals that end a program by default, except those of its own errors.
pub(crate) const ENDING: [i32; 10] =
    [SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM];

/// Receives them instead of ending. Signals that were ignored when the program was started are
/// still ignored, also by processes that it starts.
pub(crate) fn take() -> Result<Signals, Failure> {
    let taken = ENDING.iter().filter(|signal| !is_ignored(**signal));
    Signals::new(taken).map_err(|error| Failure::because("cannot wait for signals", error))
}

/// Makes a write beyond the limit for the length of files (`ulimit -f`) an error of that write, in
/// place of the end of the program.
pub(crate) fn outlive_limit_of_files() -> Result<(), Failure> {
    let noted = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    noted.map(drop).map_err(|error| Failure::because("cannot handle SIGXFSZ", error))
}

/// Whether a signal was ignored when the program was started, as `nohup` ignores SIGHUP.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let digits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    match digits.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()) {
        Some(set) => set >> (signal - 1) & 1 == 1,
        // Where this is not known, SIGHUP may be ignored.
        None => signal == SIGHUP,
    }
}
