//! What the fuzz targets do with the bytes that they are given: `tests/fuzz/README.md` says how
//! they are run. `tests/corpus.rs` does the same with the corpora that are in the tree.
//!
//! A target panics if anything is wrong, and that is all it does.

mod blob;
mod card_manager;
mod cards;
mod certificate;
pub mod dictionaries;
mod objects;
mod pcsc;
mod protected;
mod script;
pub mod seeds;
mod stored;
mod stream;
mod watched;

use script::{SessionScript, Step};
use watched::Watched;

/// A target, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, each a file of that name in `tests/fuzz/targets/`.
pub const TARGETS: [Target; 10] = [
    ("apdus", apdus),
    ("protected", protected::run),
    ("card_manager", card_manager::run),
    ("tlv", objects::run),
    ("certificate", certificate::run),
    ("blob", blob::run),
    ("image", stored::image),
    ("profile", stored::profile),
    ("vpcd", stream::run),
    ("pcsc", pcsc::run),
];

/// Runs the target of that name.
///
/// # Panics
///
/// If there is no such target, or something that it checks is not as it should be.
pub fn run(target: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, run) = found.unwrap_or_else(|| panic!("no target {target}"));
    run(data);
}

/// Commands in plain, one after the other: which card it is, and a [`Script`].
fn apdus(data: &[u8]) {
    let [card, script @ ..] = data else { return };
    let mut card = cards::card(*card);
    let mut script = SessionScript::new(script);
    while let Some(step) = script.next() {
        match step {
            Step::Send(apdu) | Step::Plain(apdu) | Step::Content(apdu) => {
                if script.affords(apdu) {
                    card.transmit(apdu);
                }
            }
            Step::Reset | Step::Open(_) => card.reset(),
            Step::Restart => card = card.restarted(),
            Step::LogIn => drop(card.transmit(&cards::login())),
        }
    }
    drop(card.restarted());
}
