//! The user PIN.

use super::Dialogue;
use vschsm_host::command;
use vschsm_vectors::{PIN, PlayError};

/// As long as [`PIN`]: up to 1.2 its length does not change.
const OTHER: &str = "314159";
/// VERIFY without data: how many tries are left?
const TRIES: [u8; 4] = [0x00, 0x20, 0x00, 0x81];

pub(super) fn there_and_back(card: &mut Dialogue<'_>) -> Result<(), PlayError> {
    for (old, new) in [(PIN, OTHER), (OTHER, PIN)] {
        card.ask(change(old, new))?;
        card.begin()?;
        let status = card.send(command::verify(old))?;
        card.must(status == 0x63C2, "63C2: the old PIN is wrong")?;
        card.ask(command::verify(new))?;
        card.begin()?;
        let status = card.send(TRIES.to_vec())?;
        card.must(status == 0x63C3, "63C3: all tries are back")?;
    }
    Ok(())
}

/// CHANGE REFERENCE DATA: the old PIN and the new one, nothing between.
fn change(old: &str, new: &str) -> Vec<u8> {
    command::without_le([0x00, 0x24, 0x00, 0x81], format!("{old}{new}").as_bytes())
}
