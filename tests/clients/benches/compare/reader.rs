//! The way through pcscd and vpcd, beside a card that does nothing.

use clients::{Answering, CardProcess, Pcscd, Terminal};

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
