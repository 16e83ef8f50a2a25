//! `simulate`: random sessions with simulated cards, until the time is up or something is found.

use clap::Parser;
use simulation::{Coverage, Finding, Plan, Run, Script, replay, run, shrink};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Runs random sessions with simulated cards against a naive model of the card
///
/// A session has one to three cards of random firmwares, and 2,000 steps: commands of all kinds,
/// most of them such as a client sends them, in plain, in secure messaging and in the issuer's
/// channel; resets, power cycles, full disks, power cuts in the middle of a save. Every response
/// has to be one that the model explains, and the card has to be what the model says that it is.
///
/// What is found is printed with its seed and step, made as short as it gets, and written to a file
/// that --replay does again.
///
/// Exit codes: 0 nothing was found, 1 something was, 2 wrong usage or an unreadable file.
#[derive(Debug, Parser)]
#[command(
    name = "simulate",
    after_help = "Examples:\n  \
        cargo run --release -p vschsm-simulation -- --seconds 600\n  \
        cargo run --release -p vschsm-simulation -- --seed 42 --sessions 1 --cards 2\n  \
        cargo run --release -p vschsm-simulation -- --replay simulation.found"
)]
struct Options {
    /// Go on for so long, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,

    /// Go on until the cards have had so many APDUs, instead
    #[arg(long, value_name = "NUMBER", conflicts_with = "seconds")]
    apdus: Option<u64>,

    /// Go on for so many sessions, instead
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["seconds", "apdus"])]
    sessions: Option<u64>,

    /// Begin with this seed; each session has the next one
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,

    /// Put so many cards into every session, 1 to 8, instead of as many as its seed likes
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=8))]
    cards: Option<u8>,

    /// Do the session in this file again, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seconds", "apdus", "sessions", "seed"])]
    replay: Option<PathBuf>,

    /// Where to write a session in which something was found
    #[arg(long, value_name = "FILE", default_value = "simulation.found")]
    output: PathBuf,
}

/// How long a session is made shorter.
const SHRINKING: Duration = Duration::from_secs(60);
/// How often progress is printed.
const PROGRESS: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let options = Options::parse();
    // A card that panics is a finding like any other, and reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    let found = match &options.replay {
        Some(path) => again(path),
        None => Ok(simulate(&options)),
    };
    match found {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(run)) => {
            tell(&run, &options);
            ExitCode::FAILURE
        }
        Err(message) => {
            eprintln!("simulate: {message}");
            ExitCode::from(2)
        }
    }
}

/// Does a session again that is in a file.
fn again(path: &PathBuf) -> Result<Option<Run>, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let script: Script = text.parse().map_err(|error| format!("{}: {error}", path.display()))?;
    let run = replay(&script.plan, &script.steps);
    if run.finding.is_none() {
        println!("{} steps, {} APDUs: nothing found", run.steps.len(), run.apdus);
    }
    Ok(run.finding.is_some().then_some(run))
}

/// Runs sessions, and prints what they reached; the one in which something was found.
fn simulate(options: &Options) -> Option<Run> {
    let start = Instant::now();
    let (mut sessions, mut apdus, mut told) = (0, 0, start);
    let mut coverage = Coverage::default();
    let mut found = None;
    let is_enough = |sessions: u64, apdus: u64| match (options.sessions, options.apdus) {
        (Some(most), _) => sessions >= most,
        (_, Some(most)) => apdus >= most,
        _ => start.elapsed().as_secs() >= options.seconds,
    };
    while found.is_none() && !is_enough(sessions, apdus) {
        let seed = options.seed.wrapping_add(sessions);
        let run = run(&Plan::of_seed(seed, options.cards.map(usize::from)));
        coverage.add(&run.coverage);
        (sessions, apdus) = (sessions + 1, apdus + run.apdus);
        found = run.finding.is_some().then_some(run);
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            eprintln!("{}", figures(sessions, apdus, start));
        }
    }
    print!("{coverage}");
    println!("{}", figures(sessions, apdus, start));
    found
}

fn figures(sessions: u64, apdus: u64, start: Instant) -> String {
    let seconds = start.elapsed().as_secs_f64();
    let speed = apdus as f64 / seconds;
    format!("{sessions} sessions, {apdus} APDUs in {seconds:.1} s: {speed:.0} a second")
}

/// Tells what was found, and keeps it.
fn tell(run: &Run, options: &Options) {
    let told = |finding: &Option<Finding>| finding.as_ref().map(ToString::to_string);
    println!("\nseed {}: {}", run.plan.seed, told(&run.finding).unwrap_or_default());
    let shortest = shrink(run, SHRINKING);
    let Run { plan, steps, finding, .. } = shortest;
    let script = Script { plan, steps };
    println!("of {} steps these {} are enough:\n", run.steps.len(), script.steps.len());
    println!("{script}\n{}", told(&finding).unwrap_or_default());
    let path = options.output.display();
    match std::fs::write(&options.output, script.to_string()) {
        Ok(()) => println!("again with: simulate --replay {path}"),
        Err(error) => println!("cannot write {path}: {error}; give another --output"),
    }
}
