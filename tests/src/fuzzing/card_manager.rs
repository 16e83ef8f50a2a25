//! Commands to the card manager, in a channel of its issuer.

use super::{Script, Step, cards};
use crate::global_platform_host::command::{self, LARGEST_BLOCK};
use crate::global_platform_host::{GlobalPlatformHost, Keys, Level, Package};

/// How often a channel is opened.
const MOST_CHANNELS: usize = 8;

/// The most data of a command that can be sealed.
const MOST_DATA: usize = LARGEST_BLOCK;

/// The longest package, in bytes: its blocks can be numbered.
const LONGEST_PACKAGE: usize = 30_000;

/// Which card it is, the level of the channel, and a [`Script`]. What a step sends is a header and
/// data; the content of a step is a package, whose digest is made and which is installed.
pub(super) fn run(data: &[u8]) {
    let [card, level, script @ ..] = data else { return };
    let level = Level::ALL[usize::from(*level) % Level::ALL.len()];
    let mut card = cards::card(*card);
    let mut steps = Script::new(script).peekable();
    for _ in 0..MOST_CHANNELS {
        // It has other keys, or its script is at an end.
        let Ok(mut host) = GlobalPlatformHost::open(&mut card, Keys::of_card, level) else { break };
        for step in steps.by_ref() {
            match step {
                Step::Send([cla, ins, p1, p2, data @ ..]) => {
                    let data = data.get(..MOST_DATA).unwrap_or(data);
                    host.send(&command::asking([*cla, *ins, *p1, *p2], data));
                }
                Step::Send(bytes) | Step::Plain(bytes) => drop(host.send_plain(bytes)),
                Step::Content(bytes) => {
                    let bytes = bytes.get(..LONGEST_PACKAGE).unwrap_or(bytes);
                    let package = Package::closed(bytes.to_vec());
                    // What the card says to it is the card's business.
                    host.send_all(&command::update(&package, LARGEST_BLOCK)).ok();
                }
                _ => break,
            }
        }
        card = card.restarted();
        if steps.peek().is_none() {
            break;
        }
    }
}
