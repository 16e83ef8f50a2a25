//! GET CHALLENGE.

use super::Dialogue;
use vschsm_vectors::PlayError;

/// GET CHALLENGE of 16 bytes.
const CHALLENGE: [u8; 5] = [0x00, 0x84, 0x00, 0x00, 0x10];

pub(super) fn two_numbers_differ(card: &mut Dialogue<'_>) -> Result<(), PlayError> {
    let first = card.ask(CHALLENGE.to_vec())?;
    let second = card.ask(CHALLENGE.to_vec())?;
    card.must(first.len() == 16 && second.len() == 16, "16 bytes")?;
    card.must(first != second, "another number than before")
}
