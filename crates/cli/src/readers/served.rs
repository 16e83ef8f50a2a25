//! A card as a transport uses it: what all transports have in common.

use crate::card::shared::SharedCard;
use crate::readers::unsaved::UnsavedCard;
use crate::text::failure::{Failure, TransmitError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What happens in readers and the program has to know.
pub(crate) enum ReaderEvent {
    /// A reader has connected to a card that was there at the start. Only reported by vpcd, whose
    /// reader may be started later.
    ReaderConnected,
    /// A card has failed.
    Failed(Failure),
    /// A card is out of its reader until it can be saved.
    Unsaved(UnsavedCard),
}

/// Is called with each event.
pub(crate) type EventHandler = Arc<dyn Fn(ReaderEvent) + Send + Sync>;

/// A card in a reader, whose failures are reported.
#[derive(Clone)]
pub(crate) struct ServedCard {
    pub(crate) card: SharedCard,
    on_event: EventHandler,
}

impl ServedCard {
    pub(crate) fn new(card: SharedCard, on_event: EventHandler) -> Self {
        Self { card, on_event }
    }

    /// The response to a command APDU. A card that has failed or could not be saved is reported
    /// here, and removed for its client: a transport only has to show that a card was removed, has
    /// lost contact or has timed out.
    pub(crate) fn transmit(&self, apdu: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.card.transmit(apdu).map_err(|why| match why {
            TransmitError::Failed(failure) => {
                (self.on_event)(ReaderEvent::Failed(failure));
                TransmitError::Removed
            }
            TransmitError::Unsaved(why) => {
                (self.on_event)(ReaderEvent::Unsaved(UnsavedCard { card: self.card.clone(), why }));
                TransmitError::Removed
            }
            why => why,
        })
    }

    /// Runs `serve`. If that panics, the card is removed and the panic is reported.
    pub(crate) fn guard<T>(&self, serve: impl FnOnce() -> T) -> Option<T> {
        let served = catch_unwind(AssertUnwindSafe(serve)).ok();
        if served.is_none() {
            self.card.take();
            (self.on_event)(ReaderEvent::Failed(TransmitError::panicked().into()));
        }
        served
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a panic is how a test fails, and what one is about")]

    use super::*;
    use crate::card::tests::{VERIFY, change, script, shared};
    use crate::faults::Script;
    use std::sync::mpsc::{Receiver, channel};

    /// A card with that fault, and the events that are reported of it.
    fn served(faults: Script) -> (ServedCard, Receiver<ReaderEvent>) {
        let (sender, events) = channel();
        let on_event = move |event| drop(sender.send(event));
        (ServedCard::new(shared(faults), Arc::new(on_event)), events)
    }

    #[test]
    fn a_card_that_was_not_saved_is_reported_once_and_removed_for_its_client() {
        let (served, events) = served(script("{}", "\"disk-full\""));
        for _ in 0..2 {
            let response = served.transmit(&change());
            assert!(matches!(response, Err(TransmitError::Removed)), "{response:?}");
        }
        let Ok(ReaderEvent::Unsaved(unsaved)) = events.try_recv() else {
            panic!("it is not reported")
        };
        assert!(unsaved.card.is(&served.card));
        assert!(events.try_recv().is_err(), "once");
    }

    #[test]
    fn other_reasons_are_the_clients_and_are_not_reported() {
        for (fault, is_expected) in [
            ("{ mute = 0 }", |why| matches!(why, TransmitError::TimedOut)),
            ("{ disconnect = \"after\" }", |why| matches!(why, TransmitError::ContactLost)),
            ("{ remove = \"after\" }", |why| matches!(why, TransmitError::Removed)),
        ] as [(_, fn(TransmitError) -> bool); 3]
        {
            let (served, events) = served(script("{}", fault));
            assert!(served.transmit(&VERIFY).is_err_and(is_expected), "{fault}");
            assert!(events.try_recv().is_err(), "{fault}");
        }
    }

    #[test]
    fn a_transport_that_panics_loses_its_card_and_that_is_reported() {
        let (served, events) = served(Script::default());
        assert_eq!(served.guard(|| 7), Some(7));
        assert!(!served.card.is_gone());
        assert_eq!(served.guard(|| -> u8 { panic!("as a test wants it") }), None);
        assert!(served.card.is_gone());
        let Ok(ReaderEvent::Failed(why)) = events.try_recv() else { panic!("it is not reported") };
        assert_eq!(why.to_string(), "internal error: the card was removed");
    }
}
