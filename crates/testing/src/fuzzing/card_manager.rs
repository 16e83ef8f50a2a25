//! Commands to the card manager, in a channel of its issuer.

use super::{SessionScript, Step, Watched, cards};
use crate::global_platform_host::command::{self, LARGEST_BLOCK};
use crate::global_platform_host::{ChannelLevel, GlobalPlatformHost, HostKeys, HostPackage};

/// How often a channel is opened.
const MOST_CHANNELS: usize = 8;

/// The most data of a command that can be protected.
const MOST_DATA: usize = LARGEST_BLOCK;

/// The longest package, in bytes: its blocks can be numbered.
const LONGEST_PACKAGE: usize = 30_000;

/// Which card it is, the level of the channel, and a [`Script`]. What a step sends is a header and
/// data; the content of a step is a package, whose digest is made and which is installed; a login
/// gives the card other keys.
pub(super) fn run(data: &[u8]) {
    drop(played(data));
}

/// The card in the end.
fn played(data: &[u8]) -> Option<Watched> {
    let [card, level, script @ ..] = data else { return None };
    let level = ChannelLevel::ALL[usize::from(*level) % ChannelLevel::ALL.len()];
    let mut card = cards::card(*card);
    let mut steps = SessionScript::new(script).peekable();
    let mut other_keys = None;
    for _ in 0..MOST_CHANNELS {
        let of_card =
            |card: &[u8; 10]| other_keys.clone().unwrap_or_else(|| HostKeys::of_card(card));
        let Ok(mut host) = GlobalPlatformHost::open(&mut card, of_card, level) else { break };
        for step in steps.by_ref() {
            match step {
                Step::Send([cla, ins, p1, p2, data @ ..]) => {
                    let data = data.get(..MOST_DATA).unwrap_or(data);
                    host.send(&command::with_le([*cla, *ins, *p1, *p2], data));
                }
                Step::Send(bytes) | Step::Plain(bytes) => drop(host.send_plain(bytes)),
                Step::Content(bytes) => {
                    let bytes = bytes.get(..LONGEST_PACKAGE).unwrap_or(bytes);
                    let package = HostPackage::closed(bytes.to_vec());
                    // What the card says to it is the card's business.
                    host.send_all(&command::update(&package, LARGEST_BLOCK)).ok();
                }
                Step::LogIn => {
                    let keys = HostKeys::all([0x5A; 16]);
                    if host.put_keys(0x01, 0x02, &keys).status == 0x9000 {
                        other_keys = Some(keys);
                    }
                }
                _ => break,
            }
        }
        card = card.restarted();
        if steps.peek().is_none() {
            break;
        }
    }
    Some(card)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::seeds;

    #[test]
    fn a_seed_that_is_an_update_updates_the_firmware() {
        for (name, firmware) in [("update-3-1-3-4", "3.4"), ("update-3-1-2-6", "3.1")] {
            let seed = seeds::managed().into_iter().find(|seed| seed.name == name).unwrap();
            let card = played(&seed.bytes).unwrap();
            assert_eq!(card.card().profile().name(), firmware, "{name}");
        }
    }

    #[test]
    fn a_seed_that_changes_the_keys_opens_a_channel_with_the_new_ones() {
        let seeds = seeds::managed();
        let seed = seeds.iter().find(|seed| seed.name == "commands-3-5-0").unwrap();
        let mut card = played(&seed.bytes).unwrap();
        let keys = |_: &[u8; 10]| HostKeys::all([0x5A; 16]);
        assert!(GlobalPlatformHost::open(&mut card, keys, ChannelLevel::Mac).is_ok());
    }
}
