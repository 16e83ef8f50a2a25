//! A card on whose way to the reader and back something goes wrong.

use super::Slot;
use crate::card::shared::Silence;
use crate::faults::{Arrival, Disk, Faults, Script};
use std::time::Instant;

impl Slot {
    /// What goes wrong, and how often it has.
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The card has been out of its reader, and comes again.
    pub(crate) fn arrive(&mut self) {
        self.faults.arrive();
    }

    /// Lets this go wrong from here on, and nothing else.
    pub(crate) fn set_faults(&mut self, script: Script) {
        self.faults = script.into();
    }

    /// Answers one command APDU as [`transmit`](Self::transmit) does, but for what goes wrong.
    pub(crate) fn carry(&mut self, apdu: &[u8]) -> Arrival {
        let strike = self.faults.strike(apdu);
        let start = Instant::now();
        let own = strike.reaches_the_card().then(|| self.card.transmit(apdu, strike.disk()));
        let took = start.elapsed();
        let words = match (&own, strike.disk()) {
            // Nobody had to write on it.
            (Some(Ok(_)), Disk::Full) => String::new(),
            _ => strike.words.clone(),
        };
        let own = own.map(|own| {
            own.map_err(|error| {
                if self.is_replaced(&error) {
                    Silence::Removed
                } else if error.is_final() {
                    Silence::Failed(error.into())
                } else {
                    Silence::Unsaved(error.into())
                }
            })
        });
        let arrival = self.faults.arrival(strike, own);
        let answer = arrival.answer.as_deref().ok();
        match (answer, words.as_str()) {
            (Some(answer), "") => self.tell(|trace| trace.command(apdu, answer, took)),
            (None, "") => {}
            (answer, words) => self.tell(|trace| trace.fault(apdu, answer, took, words)),
        }
        arrival
    }
}
