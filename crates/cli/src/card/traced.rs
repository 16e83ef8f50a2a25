//! A card whose commands and responses are written to a trace, as its client sees them.

use super::layer::{Injected, Layer};
use crate::text::failure::{Failure, TransmitError};
use crate::text::output;
use crate::trace::Trace;
use std::time::Instant;

/// A card and its trace, if it has one.
pub(crate) struct Traced<L> {
    pub(crate) card: L,
    trace: Option<Trace>,
}

impl<L> Traced<L> {
    pub(crate) fn new(card: L, trace: Option<Trace>) -> Self {
        Self { card, trace }
    }

    /// The same trace with other layers within.
    pub(crate) fn map<M>(self, replace: impl FnOnce(L) -> M) -> Traced<M> {
        Traced { card: replace(self.card), trace: self.trace }
    }

    /// Writes to the trace. If that fails, the trace ends, and the card goes on without one.
    fn write(&mut self, line: impl FnOnce(&mut Trace) -> Result<(), Failure>) {
        if let Some(trace) = &mut self.trace
            && let Err(failure) = line(trace)
        {
            output::warn(failure);
            self.trace = None;
        }
    }
}

impl<L: Layer> Layer for Traced<L> {
    fn atr(&self) -> &[u8] {
        self.card.atr()
    }

    fn reset(&mut self, event: &str) {
        self.card.reset(event);
        self.write(|trace| trace.reset(event));
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransmitError> {
        let Some(trace) = &mut self.trace else { return self.card.transmit(apdu) };
        let start = Instant::now();
        let result = self.card.transmit(apdu);
        let took = start.elapsed();
        let response = result.as_deref().ok();
        let injected = self.card.injected().map_or("", |injected| &injected.description);
        let written = match (response, injected) {
            (Some(response), "") => trace.command(apdu, response, took),
            (None, "") => Ok(()),
            (response, description) => trace.fault(apdu, response, took, description),
        };
        self.write(|_| written);
        result
    }

    fn injected(&self) -> Option<&Injected> {
        self.card.injected()
    }
}
