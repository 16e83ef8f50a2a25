//! Clients that go on for as long as somebody wants, while cards, servers and clients are killed.
//!
//! Four cards at once: through pcscd and through the built-in server, and of each way one whose
//! program lives on while everything around it comes and goes, and one whose program is killed
//! again and again. OpenSC, pyscard and a client with nothing but APDUs work with each card.
//! Whatever happens, what a card has acknowledged is there, nobody gets a wrong response, and
//! everybody gets on; the programs that live on need no more memory and handles than at first.
//!
//! Twenty seconds, or more:
//!
//! ```text
//! VSCHSM_SOAK_SECONDS=1800 cargo test -p vschsm-clients --test soak -- --nocapture
//! ```

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a soak ends where it fails"
)]

mod client;
mod disturbance;
mod opensc;
mod place;
mod writer;

use std::thread;
use std::time::Duration;

use clients::{Way, both_ways};
use disturbance::Fate;

both_ways! {
    nothing_is_lost_and_nothing_grows_whatever_is_killed,
}

fn nothing_is_lost_and_nothing_grows_whatever_is_killed(way: Way) {
    let seconds = std::env::var("VSCHSM_SOAK_SECONDS").unwrap_or_else(|_| "20".to_owned());
    let time = Duration::from_secs(seconds.parse().unwrap());
    thread::scope(|scope| {
        for fate in [Fate::LivesOn, Fate::IsKilled] {
            scope.spawn(move || disturbance::soak(way, fate, time));
        }
    });
}
