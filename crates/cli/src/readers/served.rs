//! A card as a transport reaches it: what all transports have in common.

use crate::card::layer::NoResponse;
use crate::card::shared::Shared;
use crate::readers::unsaved::Unsaved;
use crate::text::failure::Failure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What the program is told of its readers.
pub(crate) enum News {
    /// A reader has made contact with a card that was there at the start. Only vpcd, whose reader
    /// may come later, reports it.
    Met,
    /// A card cannot go on.
    Failed(Failure),
    /// A card is out until it can be saved.
    Unsaved(Unsaved),
}

/// Who is told.
pub(crate) type Report = Arc<dyn Fn(News) + Send + Sync>;

/// A card in a reader, and who is told when it cannot go on.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) card: Shared,
    report: Report,
}

impl Served {
    pub(crate) fn new(card: Shared, report: Report) -> Self {
        Self { card, report }
    }

    /// The response to a command APDU. Why the card cannot go on, or not now, is reported here, and
    /// the client sees it removed: a transport has only to say how it shows that a card was
    /// removed, has lost contact or has timed out.
    pub(crate) fn transmit(&self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse> {
        self.card.transmit(apdu).map_err(|why| match why {
            NoResponse::Failed(failure) => {
                (self.report)(News::Failed(failure));
                NoResponse::Removed
            }
            NoResponse::Unsaved(why) => {
                (self.report)(News::Unsaved(Unsaved { card: self.card.clone(), why }));
                NoResponse::Removed
            }
            why => why,
        })
    }

    /// Runs `serve`. If that panics, the card is removed, the panic is reported, and there is none.
    pub(crate) fn guard<T>(&self, serve: impl FnOnce() -> T) -> Option<T> {
        let served = catch_unwind(AssertUnwindSafe(serve)).ok();
        if served.is_none() {
            self.card.take();
            (self.report)(News::Failed(NoResponse::defect().into()));
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

    /// A card with that fault, and what is reported of it.
    fn served(faults: Script) -> (Served, Receiver<News>) {
        let (report, news) = channel();
        let told = move |news| drop(report.send(news));
        (Served::new(shared(faults), Arc::new(told)), news)
    }

    #[test]
    fn a_card_that_was_not_saved_is_reported_once_and_removed_for_its_client() {
        let (served, news) = served(script("{}", "\"disk-full\""));
        for _ in 0..2 {
            let response = served.transmit(&change());
            assert!(matches!(response, Err(NoResponse::Removed)), "{response:?}");
        }
        let Ok(News::Unsaved(unsaved)) = news.try_recv() else { panic!("it is not reported") };
        assert!(unsaved.card.is(&served.card));
        assert!(news.try_recv().is_err(), "once");
    }

    #[test]
    fn other_reasons_are_the_clients_and_nobody_else_is_told() {
        for (fault, is_expected) in [
            ("{ mute = 0 }", |why| matches!(why, NoResponse::TimedOut)),
            ("{ disconnect = \"after\" }", |why| matches!(why, NoResponse::ContactLost)),
            ("{ remove = \"after\" }", |why| matches!(why, NoResponse::Removed)),
        ] as [(_, fn(NoResponse) -> bool); 3]
        {
            let (served, news) = served(script("{}", fault));
            assert!(served.transmit(&VERIFY).is_err_and(is_expected), "{fault}");
            assert!(news.try_recv().is_err(), "{fault}");
        }
    }

    #[test]
    fn a_transport_that_panics_loses_its_card_and_that_is_reported() {
        let (served, news) = served(Script::default());
        assert_eq!(served.guard(|| 7), Some(7));
        assert!(!served.card.is_gone());
        assert_eq!(served.guard(|| -> u8 { panic!("as a test wants it") }), None);
        assert!(served.card.is_gone());
        let Ok(News::Failed(why)) = news.try_recv() else { panic!("it is not reported") };
        assert_eq!(why.to_string(), "a defect in vschsm has ended the card");
    }
}
