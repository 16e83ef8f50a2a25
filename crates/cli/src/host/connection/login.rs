//! Login at a card that somebody uses.

use super::Connection;
use crate::text::failure::Failure;
use crate::trace;
use vschsm_host::Transport;
use vschsm_host::smart_card_hsm::{PinReference, PinStatus};

/// Verifies the user PIN, once, unless that might block it.
pub(crate) fn log_in<T: Transport>(card: &mut Connection<T>, pin: &str) -> Result<(), Failure> {
    let not_tried = match card.card().pin_status(PinReference::User) {
        Ok(PinStatus::TriesLeft(2..)) => None,
        Ok(status) => Some(status.status()),
        Err(error) => Some(error.status().ok_or_else(|| card.failure(error))?),
    };
    let reader = card.name().to_owned();
    if let Some(status) = not_tried {
        let status = trace::describe_status(status.0);
        return Err(Failure::Failed(format!(
            "no PIN was tried, as the card in {reader} says {status}"
        )));
    }
    card.card().verify_pin(pin).map_err(|error| match error.status() {
        Some(status) => {
            let status = trace::describe_status(status.0);
            Failure::Failed(format!("the card in {reader} refuses the PIN with {status}"))
        }
        None => card.failure(error),
    })
}
