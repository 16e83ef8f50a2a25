//! How fast the card is, each time beside something that runs on the same machine a moment later.
//!
//! `cargo bench --package vschsm-clients` prints one Markdown table.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod computing;
mod reader;

use std::time::Duration;

fn main() {
    println!("| work | vschsm | beside it | ratio |\n|---|---|---|---|");
    reader::round_trips();
    computing::transmit();
    computing::key_generation();
    computing::signatures();
}

/// One line of the table; `other` is what `time` is compared with, and its own time.
fn row(work: &str, time: Duration, other: (&str, Duration)) {
    let ratio = time.as_secs_f64() / other.1.as_secs_f64();
    println!("| {work} | {} | {} {} | {ratio:.2} |", shown(time), other.0, shown(other.1));
}

fn shown(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 0.1 => format!("{seconds:.2} s"),
        seconds if seconds >= 0.001 => format!("{:.2} ms", seconds * 1e3),
        seconds if seconds >= 0.000_01 => format!("{:.1} µs", seconds * 1e6),
        seconds => format!("{:.0} ns", seconds * 1e9),
    }
}

/// The one in the middle.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    *times.get(times.len() / 2).unwrap()
}
