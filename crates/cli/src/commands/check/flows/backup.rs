//! A key that leaves the card and comes back: the story of firmware 3.1.

use super::{Dialogue, ec};
use p256::ecdsa::VerifyingKey;
use vschsm_host::command;
use vschsm_vectors::PlayError;

/// Algorithm list: ECDSA with SHA-256, and WRAP.
pub(crate) const LIST: [u8; 4] = [0x91, 0x02, 0x73, 0x92];

/// What is done to the card.
pub(crate) const DOES: &str = "makes key 1, exports it, deletes it, and imports it";

/// A key that has left its card.
pub(crate) struct Exported {
    key: VerifyingKey,
    blob: Vec<u8>,
    /// The card has made it without the limits that it was told of.
    is_free: bool,
}

/// What came of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was imported and signs for the same public key.
    Works,
    /// The same of a key that was to have a list, on a card that knows no lists.
    WorksWithoutList,
    /// UNWRAP KEY refused its blob with this status word.
    Refused(u16),
}

/// DELETE FILE of a key.
pub(crate) fn delete(id: u8) -> Vec<u8> {
    vec![0x00, 0xE4, 0x02, 0x00, 0x02, 0xCC, id]
}

/// Makes a key with these limits, wraps it and deletes it.
pub(crate) fn export(
    card: &mut Dialogue<'_>,
    id: u8,
    limits: &[u8],
) -> Result<Exported, PlayError> {
    let key = ec::generate(card, id, limits)?;
    let is_free = !limits.is_empty() && card.send(ec::unlisted(id))? == 0x9000;
    leave(card, id, key, is_free)
}

/// Wraps a key and deletes it.
fn leave(
    card: &mut Dialogue<'_>,
    id: u8,
    key: VerifyingKey,
    is_free: bool,
) -> Result<Exported, PlayError> {
    let blob = card.ask(command::with_le([0x80, 0x72, id, 0x92], &[]))?;
    card.ask(delete(id))?;
    Ok(Exported { key, blob, is_free })
}

/// Unwraps a key and has it sign.
pub(crate) fn import(
    card: &mut Dialogue<'_>,
    id: u8,
    exported: &Exported,
) -> Result<Outcome, PlayError> {
    let status = card.send(command::without_le([0x80, 0x74, id, 0x93], &exported.blob))?;
    if status == 0x9000 {
        ec::sign(card, id, &exported.key)?;
        return Ok(if exported.is_free { Outcome::WorksWithoutList } else { Outcome::Works });
    }
    // A card that gave up goes on working, and has made nothing of the blob.
    let selected = card.send(command::select_key(id))?;
    card.must(selected == 0x6A82, "6A82: the key was not imported")?;
    Ok(Outcome::Refused(status))
}

/// Exports a key and imports it on the same card.
pub(crate) fn carry_over(
    card: &mut Dialogue<'_>,
    id: u8,
    limits: &[u8],
) -> Result<Outcome, PlayError> {
    let exported = export(card, id, limits)?;
    import(card, id, &exported)
}

pub(super) fn key_survives(card: &mut Dialogue<'_>) -> Result<(), PlayError> {
    survives(card, &[])
}

pub(super) fn key_with_list_survives(card: &mut Dialogue<'_>) -> Result<(), PlayError> {
    survives(card, &LIST)
}

fn survives(card: &mut Dialogue<'_>, limits: &[u8]) -> Result<(), PlayError> {
    let key = ec::generate(card, 1, limits)?;
    let exported = leave(card, 1, key, false)?;
    card.ask(command::without_le([0x80, 0x74, 0x01, 0x93], &exported.blob))?;
    ec::sign(card, 1, &exported.key)
}
