//! A card as a transport reaches it: what all transports have in common.

use crate::card::layer::NoResponse;
use crate::card::shared::Shared;
use crate::readers::unsaved::Unsaved;
use crate::text::failure::Failure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What the program is told of its readers.
pub(crate) enum News {
    /// A reader has sent its first message to one of the cards that were there at first, and has
    /// its answer. Only of transports on which a reader may be late.
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

    /// Lets a transport serve the card; none if it panics, which is reported, and the card is gone.
    pub(crate) fn guard<T>(&self, serve: impl FnOnce() -> T) -> Option<T> {
        let served = catch_unwind(AssertUnwindSafe(serve)).ok();
        if served.is_none() {
            self.card.take();
            (self.report)(News::Failed(NoResponse::defect().into()));
        }
        served
    }
}
