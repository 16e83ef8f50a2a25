//! Commands that change a card in a file, by how much is on the card.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{ROUNDS, median, row};

/// How many P-256 keys are on the card, each with a request and a description; with the last number
/// there is no room for another.
const KEYS: [usize; 4] = [1, 25, 50, 99];

/// Commands, each of which changes the card.
const COMMANDS: [(&str, &str); 2] =
    [("UPDATE BINARY of 2 bytes", "00D72F0308540200005302A5A5"), ("VERIFY", LOGIN)];

const LOGIN: &str = "0020008106363438323139";

/// The time of one command by CPU and by the clock.
#[derive(Clone, Copy)]
struct Cost {
    cpu: Duration,
    whole: Duration,
}

/// UPDATE BINARY and VERIFY on cards with few keys and with many, whether a save waits for the disk
/// or not.
pub(crate) fn changes() {
    let folder = TempDir::new().unwrap();
    for keys in KEYS {
        let mut new = vschsm(folder.path());
        new.args(["new", &card(keys), "--initialize"]);
        for _ in 0..keys {
            new.args(["--key", "ec:secp256r1"]);
        }
        assert!(new.stdout(Stdio::null()).status().unwrap().success());
    }
    for (durability, count) in [("none", 20_000), ("full", 200)] {
        for (name, command) in COMMANDS {
            let costs = costs(folder.path(), durability, command, count);
            let [empty, ..] = costs;
            for (keys, cost) in KEYS.into_iter().zip(costs).skip(1) {
                let work = format!("{name}, durability {durability}, {keys} keys");
                if durability == "none" {
                    row(&format!("{work}, CPU"), cost.cpu, ("1 key", empty.cpu));
                }
                row(&work, cost.whole, ("1 key", empty.whole));
            }
        }
    }
}

/// What a command costs on each card, medians of rounds in turns.
fn costs(folder: &Path, durability: &str, command: &str, count: u32) -> [Cost; KEYS.len()] {
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| KEYS.map(|keys| cost(folder, &card(keys), durability, command, count)))
        .collect();
    std::array::from_fn(|card| {
        let of_card = || rounds.iter().filter_map(|round| round.get(card));
        Cost {
            cpu: median(of_card().map(|cost| cost.cpu).collect()),
            whole: median(of_card().map(|cost| cost.whole).collect()),
        }
    })
}

/// What one of so many commands costs beyond the start of the program.
fn cost(folder: &Path, card: &str, durability: &str, command: &str, count: u32) -> Cost {
    let [start, all] = [0, count].map(|count| run(folder, card, durability, command, count));
    Cost {
        cpu: all.cpu.saturating_sub(start.cpu) / count,
        whole: all.whole.saturating_sub(start.whole) / count,
    }
}

/// A run of `vschsm apdu` with a login and so many commands.
fn run(folder: &Path, card: &str, durability: &str, command: &str, count: u32) -> Cost {
    let lines = (0..count).fold(format!("{LOGIN}\n"), |lines, _| lines + command + "\n");
    let [commands, responses] = ["commands", "responses"].map(|name| folder.join(name));
    fs::write(&commands, lines).unwrap();
    let mut apdu = vschsm(folder);
    apdu.args(["apdu", "--select", "--durability", durability, "--card", card, "-"]);
    apdu.stdin(File::open(commands).unwrap()).stdout(File::create(&responses).unwrap());
    let (cpu, begin) = (children(), Instant::now());
    assert!(apdu.status().unwrap().success());
    let cost = Cost { cpu: children() - cpu, whole: begin.elapsed() };
    let responses = fs::read_to_string(responses).unwrap();
    assert!(responses.lines().all(|line| line == "9000"), "a command has failed");
    cost
}

fn vschsm(folder: &Path) -> Command {
    let mut program = Command::new(clients::vschsm());
    program.current_dir(folder);
    program
}

/// The name of the card with so many keys.
fn card(keys: usize) -> String {
    format!("./{keys}.card")
}

/// The CPU time of all processes that this one has started and waited for.
///
/// Source: proc_pid_stat(5), fields 16 and 17.
fn children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(13).take(2).map(|ticks| ticks.parse::<u64>());
    let ticks: u64 = ticks.map(Result::unwrap).sum();
    Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap()
}
