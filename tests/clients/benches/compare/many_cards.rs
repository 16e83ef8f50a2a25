//! A thousand cards in one program.

use clients::ManyCards;

use crate::{line, row};

/// Each has 20 keys, of which 4 are RSA's.
pub(crate) fn thousand() {
    let (few, many) = (ManyCards::started(1), ManyCards::started(1000));
    let work = "`vschsm run` until 1,000 cards are ready";
    row(work, many.start_up(), ("one card", few.start_up()));

    let card = kilobytes(many.memory() - few.memory()) / 999.0;
    let image = kilobytes(many.image());
    let ours = format!("{card:.1} kB");
    line("memory of one of 1,000 cards", &ours, &format!("its file {image:.1} kB"), card / image);
}

fn kilobytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes).unwrap()) / 1000.0
}
