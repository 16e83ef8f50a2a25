//! The check on a card in use: one key is generated, and deleted at the end.

use super::{Transfer, stopped};
use crate::commands::check::flows::{Dialogue, LIST, carry_over, delete};
use crate::host::connection::{Connection, log_in};
use crate::text::failure::Failure;
use crate::text::output;
use vschsm_host::{Transport, TransportError, command};
use vschsm_vectors::PlayError;

/// MANAGE KEY DOMAIN without data: the state of the DKEK.
const DKEK: [u8; 5] = [0x80, 0x52, 0x00, 0x00, 0x00];

/// Checks with a key of its own, after login with the user's PIN.
pub(super) fn check(card: &mut Connection, pin: &str, id: Option<u8>) -> Result<Transfer, Failure> {
    let name = format!("the card in {}", card.name());
    let failed = |trouble| stopped(&name, trouble);
    let before = enumerate(card).map_err(failed)?;
    let id = free(&before, id)?;
    // A new key would replace an existing one, so its absence is checked in a second way.
    let selected = Dialogue::with(card).send(command::select_key(id)).map_err(failed)?;
    if selected != 0x6A82 {
        return Err(Failure::Failed(format!(
            "{name} may have key {id}, although it does not list it"
        )));
    }
    if !has_dkek(card).map_err(Failure::failed)? {
        let sentence = "the card has no DKEK and cannot export keys: --destructive sets one up";
        return Err(Failure::Failed(sentence.into()));
    }
    log_in(card, pin)?;
    output::announce(format_args!(
        "The check generates key {id}, exports, deletes and imports it, signs with it, and deletes \
         it, once without and once with an algorithm list; nothing else on the card changes."
    ));
    let carried = [&[][..], &LIST].map(|attributes| {
        let outcome = carry_over(&mut Dialogue::with(card), id, attributes);
        // Also where something has failed, whatever it was: the key is ours and nobody's.
        card.transmit(&delete(id)).map_err(PlayError::transport).and(outcome)
    });
    let [without_list, with_list] = carried.map(|outcome| outcome.map_err(failed));

    match enumerate(card) {
        Ok(after) if after == before => {
            output::announce("The card has the same keys and files as before.");
        }
        Ok(_) => {
            output::announce(format_args!("Key {id} or one of its files is still on the card."))
        }
        Err(_) => output::announce(format_args!("Key {id} may still be on the card.")),
    }
    let (without_list, with_list) = (without_list?, with_list?);
    Ok(Transfer { from: name.clone(), to: name, without_list, with_list })
}

/// The files and keys of the card: two bytes each.
fn enumerate(card: &mut Connection) -> Result<Vec<[u8; 2]>, PlayError> {
    let list = Dialogue::with(card).ask(command::ENUMERATE.to_vec())?;
    Ok(list.as_chunks().0.to_vec())
}

/// A number without a key or files: the first one, or the one that is wanted.
fn free(objects: &[[u8; 2]], wanted: Option<u8>) -> Result<u8, Failure> {
    let is_free = |id: &u8| objects.iter().all(|[kind, number]| *kind == 0x2F || number != id);
    match wanted {
        Some(id) if is_free(&id) => Ok(id),
        Some(id) => Err(Failure::Usage(format!("the card already has key {id}, or files for it"))),
        None => (1..=u8::MAX)
            .find(is_free)
            .ok_or_else(|| Failure::Failed("the card has no free key number".into())),
    }
}

/// Whether the key domain of keys that are given none has a key: number, missing, check value.
fn has_dkek(card: &mut Connection) -> Result<bool, TransportError> {
    let response = card.transmit(&DKEK)?;
    Ok(match response.as_slice() {
        [_, 0, value @ .., 0x90, 0x00] => value.iter().take(8).any(|byte| *byte != 0),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_is_taken_that_has_no_files_either() {
        let objects = [[0x2F, 0x02], [0xCE, 0x02], [0xC4, 0x01], [0xCC, 0x00], [0xCC, 0x01]];
        assert!(free(&objects, None).is_ok_and(|id| id == 3));
        assert!(free(&objects, Some(7)).is_ok_and(|id| id == 7));
        assert!(free(&objects, Some(2)).is_err());
        assert!(free(&objects, Some(0)).is_err());
        let all: Vec<_> = (0..=u8::MAX).map(|id| [0xCC, id]).collect();
        assert!(free(&all, None).is_err());
    }
}
