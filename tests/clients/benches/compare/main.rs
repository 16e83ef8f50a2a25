//! How fast the card is, each time beside something that runs on the same machine a moment later.
//!
//! `cargo bench --package vschsm-clients` prints one Markdown table; `-- ecdsa ecdh` at its end
//! chooses parts of it.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

mod aes;
mod curves;
mod many_cards;
mod reader;
mod rsa;
mod transmit;

use std::time::{Duration, Instant};

/// How long a loop of short operations runs.
const WINDOW: Duration = Duration::from_secs(1);

/// The parts of the table, by name.
const PARTS: [(&str, fn()); 10] = [
    ("reader", reader::round_trips),
    ("exec", reader::built_in_server),
    ("start", reader::first_answer),
    ("many-cards", many_cards::thousand),
    ("transmit", transmit::shortest_commands),
    ("rsa-key-pairs", rsa::key_pairs),
    ("rsa", rsa::private_operations),
    ("ecdsa", curves::signatures),
    ("ecdh", curves::agreements),
    ("aes", aes::cbc),
];

fn main() {
    // Cargo adds --bench.
    let asked: Vec<_> = std::env::args().skip(1).filter(|name| name != "--bench").collect();
    println!("| work | vschsm | beside it | ratio |\n|---|---|---|---|");
    for (name, part) in PARTS {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            part();
        }
    }
}

/// One line of the table; `other` is what `time` is compared with, and its own time.
fn row(work: &str, time: Duration, other: (&str, Duration)) {
    let ratio = time.as_secs_f64() / other.1.as_secs_f64();
    line(work, &shown(time), &format!("{} {}", other.0, shown(other.1)), ratio);
}

/// As [`row`], of what need not be a time.
fn line(work: &str, ours: &str, other: &str, ratio: f64) {
    println!("| {work} | {ours} | {other} | {ratio:.2} |");
}

fn shown(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 0.1 => format!("{seconds:.2} s"),
        seconds if seconds >= 0.001 => format!("{:.2} ms", seconds * 1e3),
        seconds if seconds >= 0.000_01 => format!("{:.1} µs", seconds * 1e6),
        seconds => format!("{:.0} ns", seconds * 1e9),
    }
}

/// How long one call takes, of as many as fit into [`WINDOW`].
fn each(mut operation: impl FnMut()) -> Duration {
    // What is made on first use is made before the clock starts.
    operation();
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < WINDOW {
        // The clock costs as much as a short command: it is asked after every 16.
        for _ in 0..16 {
            operation();
        }
        count += 16;
    }
    begin.elapsed() / count
}

/// The one in the middle.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    *times.get(times.len() / 2).unwrap()
}
