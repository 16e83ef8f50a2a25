//! Export and import of a key, which fails on firmware 3.1.

use super::{Dialogue, ec};
use p256::ecdsa::VerifyingKey;
use vschsm_host::command;
use vschsm_vectors::PlayError;

/// Algorithm list: ECDSA with SHA-256, and WRAP.
pub(crate) const LIST: [u8; 4] = [0x91, 0x02, 0x73, 0x92];

/// The changes to the card.
pub(crate) const DOES: &str = "makes key 1, exports it, deletes it, and imports it";

/// A key that has left its card.
pub(crate) struct Exported {
    key: VerifyingKey,
    blob: Vec<u8>,
    /// The card has ignored the attributes that it was to have.
    is_free: bool,
}

/// The result of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImportOutcome {
    /// It was imported and signs for the same public key.
    Works,
    /// The same for a key that was to have a list, on a card that does not support lists.
    WorksWithoutList,
    /// UNWRAP KEY refused its blob with this status word.
    Refused(u16),
}

/// DELETE FILE of a key.
pub(crate) fn delete(id: u8) -> Vec<u8> {
    vec![0x00, 0xE4, 0x02, 0x00, 0x02, 0xCC, id]
}

/// Makes a key with these attributes, wraps it and deletes it.
pub(crate) fn export(
    card: &mut Dialogue<'_>,
    id: u8,
    attributes: &[u8],
) -> Result<Exported, PlayError> {
    let key = ec::generate(card, id, attributes)?;
    let is_free = !attributes.is_empty() && card.send(ec::unlisted(id))? == 0x9000;
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
) -> Result<ImportOutcome, PlayError> {
    let status = card.send(command::without_le([0x80, 0x74, id, 0x93], &exported.blob))?;
    if status == 0x9000 {
        ec::sign(card, id, &exported.key)?;
        return Ok(if exported.is_free {
            ImportOutcome::WorksWithoutList
        } else {
            ImportOutcome::Works
        });
    }
    // After a failure the card still works, and has not imported the key.
    let selected = card.send(command::select_key(id))?;
    card.must(selected == 0x6A82, "6A82: the key was not imported")?;
    Ok(ImportOutcome::Refused(status))
}

/// Exports a key and imports it on the same card.
pub(crate) fn carry_over(
    card: &mut Dialogue<'_>,
    id: u8,
    attributes: &[u8],
) -> Result<ImportOutcome, PlayError> {
    let exported = export(card, id, attributes)?;
    import(card, id, &exported)
}

pub(super) fn key_survives(card: &mut Dialogue<'_>) -> Result<(), PlayError> {
    survives(card, &[])
}

pub(super) fn key_with_list_survives(card: &mut Dialogue<'_>) -> Result<(), PlayError> {
    survives(card, &LIST)
}

fn survives(card: &mut Dialogue<'_>, attributes: &[u8]) -> Result<(), PlayError> {
    let key = ec::generate(card, 1, attributes)?;
    let exported = leave(card, 1, key, false)?;
    card.ask(command::without_le([0x80, 0x74, 0x01, 0x93], &exported.blob))?;
    ec::sign(card, 1, &exported.key)
}
