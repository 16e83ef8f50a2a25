//! A card on whose way to the reader and back something goes wrong.

use super::{Silence, Slot, image};
use crate::disk;
use crate::faults::{Arrival, Disk, Faults, Script};
use crate::kept::Kept;
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
    pub(super) fn set_faults(&mut self, script: Script) {
        self.faults = script.into();
    }

    /// Answers one command APDU as [`transmit`](Self::transmit) does, but for what goes wrong.
    pub(crate) fn carry(&mut self, apdu: &[u8]) -> Arrival {
        let strike = self.faults.strike(apdu);
        let start = Instant::now();
        let own = strike.reaches_the_card().then(|| self.ask(apdu, strike.disk()));
        let took = start.elapsed();
        let words = match (&own, strike.disk()) {
            // Nobody had to write on it.
            (Some(Ok(_)), Disk::Full) => String::new(),
            _ => strike.words.clone(),
        };
        let own = own.map(|own| {
            own.map_err(|error| {
                let is_replaced = self.is_replaced(&error);
                if is_replaced { Silence::Removed } else { Silence::Failed(error.into()) }
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

    /// The card's own answer to a command. A change is on disk before this returns.
    pub(super) fn ask(&mut self, apdu: &[u8], room: Disk) -> Result<Vec<u8>, disk::Error> {
        let outcome = self.card.transmit(apdu);
        if outcome.changed {
            match (room, &mut self.file) {
                (Disk::AsItIs, None) => {}
                (Disk::AsItIs, Some(file)) => file.save(&image(&self.card))?,
                (Disk::Full, file) => {
                    return Err(disk::Error::full(file.as_ref().map(Kept::path)));
                }
            }
        }
        Ok(outcome.response)
    }
}
