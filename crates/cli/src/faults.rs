//! Fault injection between a card and its reader, by a script.
//!
//! The card does not know of it, and a card without faults has no code of it on its way.
//! `card/faulty.rs` asks [`Faults`] for the action on each command and carries it out.
//!
//! | file         | what                                          |
//! |--------------|-----------------------------------------------|
//! | `script.rs`  | the file of faults: effects and conditions    |
//! | `when.rs`    | conditions: which commands a fault matches    |
//! | `effect.rs`  | effects: what a fault does                    |

mod effect;
mod script;
mod when;

use crate::text::failure::{Failure, TransmitError};
use clap::Args;
use effect::Phase;
use std::path::PathBuf;
use std::time::Duration;
use when::CommandHeader;

pub(crate) use effect::Effect;
pub(crate) use script::{Fault, Script};
pub(crate) use when::When;

/// The option of commands whose cards may have faults.
#[derive(Debug, Args)]
pub(crate) struct FaultOptions {
    /// Inject the faults that FILE describes, from the first command on; for its format see
    /// `vschsm ctl set-faults --help`
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

impl FaultOptions {
    /// The script in the file; an empty one without a file.
    pub(crate) fn script(&self) -> Result<Script, Failure> {
        self.faults.as_deref().map(Script::read).transpose().map(Option::unwrap_or_default)
    }
}

/// The faults of one card, and how often each was injected.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    script: Script,
    counts: Vec<FaultCounts>,
    /// How often the card was inserted again since they were set.
    reinsertions: u64,
    /// The card's own response before this one.
    previous: Option<Vec<u8>>,
    /// The random number that is repeated.
    stuck: Vec<u8>,
}

/// How many commands a fault has matched, and how many it was injected into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FaultCounts {
    /// The commands that it matches, whatever their count and probability.
    pub(crate) matched: u64,
    /// Those that it was injected into.
    pub(crate) injected: u64,
    /// Those that it has matched since the card's last arrival.
    since_arrival: u64,
}

/// What is done to one command.
#[derive(Debug, Default)]
pub(crate) struct FaultAction {
    /// The delay of its response.
    pub(crate) delay: Duration,
    effect: Option<Effect>,
    /// The description of each fault.
    descriptions: Vec<FaultDescription>,
}

/// The description of an injected fault.
#[derive(Debug)]
struct FaultDescription {
    text: String,
    /// Whether it has an effect only if the card has to be saved.
    is_of_disk: bool,
}

/// What the reader gets instead of the card's response, and after which delay.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) delay: Duration,
    pub(crate) response: Result<Vec<u8>, TransmitError>,
}

impl From<Script> for Faults {
    fn from(script: Script) -> Self {
        let counts = script.faults().iter().map(|_| FaultCounts::default()).collect();
        Self { script, counts, ..Self::default() }
    }
}

impl Faults {
    pub(crate) fn script(&self) -> &Script {
        &self.script
    }

    /// Each fault with its counts.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&Fault, FaultCounts)> {
        self.script.faults().iter().zip(self.counts.iter().copied())
    }

    /// The answer to reset that replaces the card's own, if a fault does.
    pub(crate) fn atr(&self) -> Option<&[u8]> {
        self.script.atr(self.arrival())
    }

    /// The number of the current arrival, from 1.
    fn arrival(&self) -> u64 {
        self.reinsertions.saturating_add(1)
    }

    /// The card was removed from its reader, and is inserted again.
    pub(crate) fn arrive(&mut self) {
        self.reinsertions = self.arrival();
        self.counts.iter_mut().for_each(|counts| counts.since_arrival = 0);
    }

    /// The session has ended.
    pub(crate) fn reset(&mut self) {
        self.previous = None;
    }

    /// The action on a command. All faults count the commands that they match; of the faults that
    /// are due, delays add up, and only the first other one is injected.
    pub(crate) fn action_for(&mut self, apdu: &[u8]) -> FaultAction {
        let mut action = FaultAction::default();
        let Some(header) = CommandHeader::of(apdu) else { return action };
        let arrival = self.arrival();
        let faults = self.script.faults().iter().zip(&mut self.counts);
        for (number, (fault, counts)) in (1..).zip(faults) {
            if !fault.matches(header) || !fault.when.is_in_arrival(arrival) {
                continue;
            }
            counts.matched += 1;
            counts.since_arrival += 1;
            let from_arrival = fault.when.counts_from_arrival();
            let count = if from_arrival { counts.since_arrival } else { counts.matched };
            let chance = || self.script.chance(number, counts.matched);
            let has_other = action.effect.is_some() && !matches!(fault.effect, Effect::Delay(_));
            if has_other || !fault.when.is_due(count, chance) {
                continue;
            }
            counts.injected += 1;
            action.descriptions.push(FaultDescription {
                text: format!("fault {number}: {}", fault.effect),
                is_of_disk: fault.effect == Effect::DiskFull,
            });
            match &fault.effect {
                Effect::Delay(seconds) => action.delay += Duration::from(*seconds),
                effect => action.effect = Some(effect.clone()),
            }
        }
        action
    }

    /// What is delivered in place of the card's `own` response, which it has only to a command that
    /// has reached it.
    pub(crate) fn deliver(&mut self, action: FaultAction, own: Option<Vec<u8>>) -> Delivery {
        let FaultAction { mut delay, effect, .. } = action;
        let own = own.unwrap_or_default();
        let previous =
            if own.is_empty() { self.previous.clone() } else { self.previous.replace(own.clone()) };
        let response = match effect {
            None | Some(Effect::Delay(_) | Effect::Atr(_) | Effect::DiskFull) => Ok(own),
            Some(Effect::Response(bytes) | Effect::ResponseAfter(bytes)) => Ok(bytes.into()),
            Some(Effect::MemoryFull) => Ok(effect::NOT_ENOUGH_MEMORY.into()),
            Some(Effect::Truncate(length)) => Ok(effect::truncate(own, length)),
            Some(Effect::Repeat) => Ok(previous.unwrap_or(own)),
            Some(Effect::WeakSignature) => Ok(effect::invert_last_bit(own)),
            Some(Effect::StuckRandom) => Ok(effect::repeat_random(&mut self.stuck, own)),
            Some(Effect::Remove(_)) => Err(TransmitError::Removed),
            Some(Effect::Disconnect(_)) => {
                self.arrive();
                Err(TransmitError::ContactLost)
            }
            Some(Effect::Mute(timeout)) => {
                delay += Duration::from(timeout);
                Err(TransmitError::TimedOut)
            }
        };
        Delivery { delay, response }
    }
}

impl FaultAction {
    /// A description of its effects, empty if there are none: a full disk has no effect on a card
    /// that did not have to be saved.
    pub(crate) fn describe(&self, is_unsaved: bool) -> String {
        let effective = self.descriptions.iter().filter(|fault| is_unsaved || !fault.is_of_disk);
        effective.map(|fault| fault.text.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the command reaches the card.
    pub(crate) fn reaches_the_card(&self) -> bool {
        let Some(effect) = &self.effect else { return true };
        match effect {
            Effect::Response(_) | Effect::Mute(_) | Effect::MemoryFull => false,
            Effect::Remove(phase) | Effect::Disconnect(phase) => *phase == Phase::After,
            Effect::ResponseAfter(_)
            | Effect::Delay(_)
            | Effect::Truncate(_)
            | Effect::Repeat
            | Effect::Atr(_)
            | Effect::DiskFull
            | Effect::WeakSignature
            | Effect::StuckRandom => true,
        }
    }

    /// Whether the disk is full if the card has to be saved.
    pub(crate) fn fills_the_disk(&self) -> bool {
        self.effect == Some(Effect::DiskFull)
    }
}

#[cfg(test)]
mod tests;
