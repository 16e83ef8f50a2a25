//! Signals that would end this program.

use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM,
};
use std::fs;

/// Whatever ends a program that has not asked for it, but for what its own faults raise.
pub(crate) const ENDING: [i32; 10] =
    [SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM];

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
