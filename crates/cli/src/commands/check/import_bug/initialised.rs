//! The check on a card in a reader that may be initialised.

use super::{KEY, Transfer, state, stopped};
use crate::commands::check::flows::{DOES, Dialogue, LIST, carry_over};
use crate::commands::check::on_reader::{OnReader, leave, take_over};
use crate::host::connection::Connection;
use crate::text::failure::Failure;
use crate::text::output;

/// Checks, and leaves an empty card.
pub(super) fn check(card: &mut Connection, options: &OnReader) -> Result<Transfer, Failure> {
    let name = format!("the card in {}", card.name());
    let failed = |trouble| stopped(&name, trouble);
    let state = state()?;
    let changes: Vec<_> =
        state.steps().iter().map(|step| step.description.as_str()).chain([DOES]).collect();
    take_over(card, options)?;
    let mut carried = |attributes| {
        output::announce(changes.join("; "));
        let mut card = options.announced(card);
        state.prepare(&mut card)?;
        carry_over(&mut Dialogue::with(&mut card), KEY, attributes)
    };
    let outcomes = carried(&[]).and_then(|without| Ok((without, carried(&LIST)?)));
    // Also where something has failed: who has the card wants to know its PINs.
    let left = leave(card);
    let (without_list, with_list) = outcomes.map_err(failed)?;
    left?;
    Ok(Transfer { from: name.clone(), to: name, without_list, with_list })
}
