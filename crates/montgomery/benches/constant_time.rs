//! Whether time tells of a secret exponent:
//! `cargo bench -p vschsm-montgomery --bench constant_time`.
//!
//! Two classes of exponents, one always the same and one always another, are taken in random order,
//! and Welch's t compares the times of both. Below 4.5 there is nothing to see; 10 and more is a
//! leak. Each implementation runs with RSA-2048's primes; a number chooses how many operations.
//!
//! Source: O. Reparaz, J. Balasch, I. Verbauwhede, "Dude, is my code constant time?", 2017.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use chacha20::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use vschsm_montgomery::{Implementation, Moduli};

const LEN: usize = 128;

/// A larger t is a leak.
const LEAK: f64 = 10.0;

fn main() -> ExitCode {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let count = asked.unwrap_or(100_000);
    println!("| exponent | implementation | operations | t |\n|---|---|---|---|");
    let mut leaks = false;
    for implementation in Implementation::ALL.into_iter().filter(|it| it.is_available()) {
        for (name, fixed) in [("all bits 0", [0; LEN]), ("all bits 1", [0xFF; LEN])] {
            let t = compared(implementation, &fixed, count);
            println!("| {name}, or random | {implementation:?} | {count} | {t:.1} |");
            leaks |= t.abs() >= LEAK;
        }
    }
    ExitCode::from(u8::from(leaks))
}

/// Welch's t of the times with `fixed` exponents and with random ones.
fn compared(implementation: Implementation, fixed: &[u8; LEN], count: usize) -> f64 {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut random = || {
        let mut bytes = [0; LEN];
        rng.fill_bytes(&mut bytes);
        bytes
    };
    let mut modulus = random();
    (modulus[0], modulus[LEN - 1]) = (0xC5, 0xA7);
    let moduli = Moduli::with(implementation, [&modulus, &modulus]).unwrap();
    let base = random();

    // Two exponents of random bytes are drawn for each operation, whichever class it is of.
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let (exponent, choice) = (random(), random());
        let is_fixed = choice[0] & 1 == 1;
        let exponent = if is_fixed { *fixed } else { exponent };
        let begin = Instant::now();
        black_box(moduli.powers([&base; 2], [black_box(&exponent); 2]));
        times.push((is_fixed, begin.elapsed().as_nanos() as f64));
    }
    // What took long was interrupted.
    let mut sorted: Vec<_> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let longest = *sorted.get(count * 9 / 10).unwrap();
    let class = |fixed| {
        let kept = times.iter().filter(|(is_fixed, time)| *is_fixed == fixed && *time < longest);
        Class::new(&kept.map(|(_, time)| *time).collect::<Vec<_>>())
    };
    let (fixed, random) = (class(true), class(false));
    (fixed.mean - random.mean) / (fixed.error + random.error).sqrt()
}

/// The times of one class of exponents.
struct Class {
    mean: f64,
    /// The square of the mean's standard error.
    error: f64,
}

impl Class {
    fn new(times: &[f64]) -> Self {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let squares = times.iter().map(|time| (time - mean) * (time - mean)).sum::<f64>();
        Self { mean, error: squares / (count - 1.0) / count }
    }
}
