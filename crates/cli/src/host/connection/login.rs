//! Login at a card that somebody uses.

use super::Connection;
use crate::text::failure::Failure;
use crate::trace;
use vschsm_host::{Transport, command};

/// VERIFY without data: how many tries are left?
const TRIES: [u8; 4] = [0x00, 0x20, 0x00, 0x81];

/// Verifies the user PIN, once, unless that might block it.
pub(crate) fn log_in<M: Transport>(card: &mut Connection<M>, pin: &str) -> Result<(), Failure> {
    let (tries, _) = card.ask(&TRIES)?;
    let reader = card.name().to_owned();
    if !matches!(tries, 0x63C2..=0x63CF) {
        let tries = trace::describe_status(tries);
        return Err(Failure::Failed(format!(
            "no PIN was tried, as the card in {reader} says {tries}"
        )));
    }
    match card.ask(&command::verify(pin))? {
        (0x9000, _) => Ok(()),
        (status, _) => {
            let status = trace::describe_status(status);
            Err(Failure::Failed(format!("the card in {reader} refuses the PIN with {status}")))
        }
    }
}
