//! Clients that write numbers into a file of their own, and know what the card has acknowledged.

use std::process::Command;

use clients::installed;

use crate::client::Client;
use crate::place::CLIENTS;

/// How many numbers a process writes before another takes its place.
const NUMBERS: u64 = 25;

/// What the card has acknowledged of a writer's numbers.
pub(crate) struct Written {
    last: u64,
    /// What may be in the file: the process was cut off when it wrote another number.
    most: u64,
}

/// Writes until it is over.
pub(crate) fn go_on(client: &Client<'_>) -> Written {
    let mut written = Written { last: 0, most: 0 };
    while !client.place.is_over() {
        write(client, &mut written, NUMBERS);
    }
    written
}

/// Looks whether the file has what was acknowledged, and how much that was.
pub(crate) fn check(client: &Client<'_>, written: &mut Written) -> u64 {
    while !write(client, written, 0) {}
    written.last
}

/// Whether the process ended well.
fn write(client: &Client<'_>, written: &mut Written, count: u64) -> bool {
    let mut command = match CLIENTS[client.number] {
        "pyscard" => {
            let mut command = Command::new(installed("/usr/bin/python3"));
            command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/soak/writer.py"));
            command
        }
        _ => Command::new(env!("CARGO_BIN_EXE_writer")),
    };
    command.args([&client.place.reader, &format!("F{}", client.number)]);
    command.args([written.last, written.most, count].map(|number| number.to_string()));
    // Until a process says what it has found, nothing new is known.
    let mut last = None;
    let done = client.write(&mut command, |line| {
        last = Some(line.parse().unwrap());
        client.has_done_something();
    });
    let ended_well = done.is_ok();
    if let Some(last) = last {
        *written = Written { last, most: if ended_well { last } else { last + 1 } };
    }
    ended_well
}
