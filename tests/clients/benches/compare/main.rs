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
mod saving;
mod transmit;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use vschsm_montgomery::Implementation;

/// How often both sides of a comparison run, in turns.
const ROUNDS: usize = 5;

/// The CPU time of a round of short operations, at least.
const ROUND: Duration = Duration::from_millis(200);

/// The parts of the table, by name.
const PARTS: [(&str, fn()); 11] = [
    ("reader", reader::round_trips),
    ("exec", reader::built_in_server),
    ("start", reader::first_answer),
    ("many-cards", many_cards::thousand),
    ("transmit", transmit::shortest_commands),
    ("saving", saving::changes),
    ("rsa-key-pairs", rsa::key_pairs),
    ("rsa", rsa::private_operations),
    ("ecdsa", curves::signatures),
    ("ecdh", curves::agreements),
    ("aes", aes::cbc),
];

fn main() {
    // Cargo adds --bench.
    let asked: Vec<_> = std::env::args().skip(1).filter(|name| name != "--bench").collect();
    let known = |name: &String| PARTS.iter().any(|(part, _)| part == name);
    if let Some(unknown) = asked.iter().find(|name| !known(name)) {
        let parts = PARTS.map(|(name, _)| name).join(", ");
        eprintln!("There is no part {unknown}. The parts are {parts}.");
        std::process::exit(2);
    }
    let implementation = Implementation::ALL.into_iter().find(|it| it.is_available()).unwrap();
    println!("Processor: {}. RSA runs on: {implementation:?}.\n", processor());
    println!("| work | vschsm | beside it | ratio |\n|---|---|---|---|");
    for (name, part) in PARTS {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            part();
        }
    }
}

/// The processor's name, and those of its extensions that matter here.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_once(": ").map(|(_, value)| value)
    };
    let flags = field("flags").unwrap_or_default();
    let matter = ["avx2", "bmi2", "adx", "sha_ni", "avx512f", "avx512ifma"];
    let found = flags.split(' ').filter(|flag| matter.contains(flag));
    let name = field("model name").unwrap_or("unknown");
    format!("{name} ({})", found.collect::<Vec<_>>().join(" "))
}

/// One line of the table: the CPU time of a short operation and of its peer's, medians of rounds
/// in turns, so that the machine's load is the same for both.
fn compare(work: &str, mut ours: impl FnMut(), peer: &str, mut theirs: impl FnMut()) {
    let (count, their_count) = (fitting(&mut ours), fitting(&mut theirs));
    let (mut times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times.push(each(count, &mut ours));
        their_times.push(each(their_count, &mut theirs));
    }
    row(work, median(times), (peer, median(their_times)));
}

/// How many calls take a round. What is made on first use is made by the first of them.
fn fitting(operation: &mut impl FnMut()) -> u32 {
    let mut count = 1;
    while cpu_time(|| (0..count).for_each(|_| operation())) < ROUND {
        count *= 2;
    }
    count
}

/// The CPU time of one of so many calls.
fn each(count: u32, operation: &mut impl FnMut()) -> Duration {
    cpu_time(|| (0..count).for_each(|_| operation())) / count
}

/// The CPU time that this thread spends on it.
fn cpu_time(operation: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let begin = now();
    operation();
    now() - begin
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

/// The one in the middle.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    *times.get(times.len() / 2).unwrap()
}
