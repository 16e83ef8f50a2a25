//! The ways to the card: through pcscd and vpcd, beside a card that does nothing, and through the
//! built-in server, beside pcscd and vpcd.

use std::time::Instant;

use clients::{Answering, CardProcess, Pcscd, Terminal, vschsm};

use crate::{median, row};

const COMMANDS: [(&str, &str); 2] =
    [("GET CHALLENGE", "0084000008"), ("SELECT", "00A404000BE82B0601040181C31F020100")];

/// Exchanges in a batch: short, so that both cards see the same load of the machine.
const BATCH: u32 = 500;

/// Batches of each card and command in each slot.
const ROUNDS: usize = 50;

/// Both cards take turns, in the two slots of one reader, and then the other way round.
pub(crate) fn round_trips() {
    let mut times = COMMANDS.map(|_| (Vec::new(), Vec::new()));
    for slots in [(0, 1), (1, 0)] {
        let pcscd = Pcscd::started(2);
        let (_vschsm, mut vschsm) = insert(&pcscd, slots.0, Answering::Vschsm, &["--ephemeral"]);
        let (_echo, mut echo) = insert(&pcscd, slots.1, Answering::Echo, &[]);
        for _ in 0..ROUNDS {
            for ((_, command), (ours, theirs)) in COMMANDS.iter().zip(&mut times) {
                ours.push(vschsm.time(BATCH, command) / BATCH);
                theirs.push(echo.time(BATCH, command) / BATCH);
            }
        }
    }
    for ((name, _), (ours, theirs)) in COMMANDS.iter().zip(times) {
        let work = format!("{name} through pcscd and vpcd");
        row(&work, median(ours), ("echo card", median(theirs)));
    }
}

/// The same card behind either server, the two in turns.
pub(crate) fn built_in_server() {
    let pcscd = Pcscd::started(1);
    let (_card, mut behind_pcscd) = insert(&pcscd, 0, Answering::Vschsm, &["--ephemeral"]);
    let mut behind_exec = Terminal::in_exec();
    let mut times = COMMANDS.map(|_| (Vec::new(), Vec::new()));
    for (_, command) in COMMANDS {
        behind_exec.time(100, command);
    }
    for _ in 0..ROUNDS {
        for ((_, command), (ours, theirs)) in COMMANDS.iter().zip(&mut times) {
            ours.push(behind_exec.time(BATCH, command) / BATCH);
            theirs.push(behind_pcscd.time(BATCH, command) / BATCH);
        }
    }
    for ((name, _), (ours, theirs)) in COMMANDS.iter().zip(times) {
        let work = format!("{name} through `vschsm exec`");
        row(&work, median(ours), ("pcscd and vpcd", median(theirs)));
    }
}

/// From nothing to the first response, with either server.
pub(crate) fn first_answer() {
    vschsm();
    let [_, (_, select)] = COMMANDS;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let begin = Instant::now();
        Terminal::in_exec().exchange(select);
        ours.push(begin.elapsed());

        let begin = Instant::now();
        let pcscd = Pcscd::started(1);
        let card = CardProcess::spawn(Answering::Vschsm, &pcscd.address(0), &["--ephemeral"]);
        card.wait_until_ready();
        let mut terminal = Terminal::at(&pcscd, 0);
        terminal.wait_for_card();
        terminal.exchange(select);
        theirs.push(begin.elapsed());
    }
    row("`vschsm exec` until the first SELECT", median(ours), ("pcscd and vpcd", median(theirs)));
}

/// A card in its slot, and a terminal at it.
fn insert(
    pcscd: &Pcscd,
    slot: usize,
    answering: Answering,
    options: &[&str],
) -> (CardProcess, Terminal) {
    let card = CardProcess::spawn(answering, &pcscd.address(slot), options);
    card.wait_until_ready();
    let mut terminal = Terminal::at(pcscd, slot);
    terminal.wait_for_card();
    // Warms the way up, and selects the applet.
    for (_, command) in COMMANDS {
        terminal.time(100, command);
    }
    (card, terminal)
}
