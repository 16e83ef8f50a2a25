//! Faults on purpose: what goes wrong between a card and its reader, by a script.
//!
//! The card knows nothing of them, and a card without them has nothing of them around it.
//! `card/faulty.rs` asks [`Faults`] what is to become of a command on its way to the card and back,
//! and does that.
//!
//! | file         | what                                          |
//! |--------------|-----------------------------------------------|
//! | `script.rs`  | the file that says what goes wrong, and when  |
//! | `when.rs`    | which commands                                |
//! | `effect.rs`  | what                                          |

mod effect;
mod script;
mod when;

use crate::text::failure::Failure;
use clap::Args;
use effect::Moment;
use std::path::PathBuf;
use std::time::Duration;
use when::Header;

pub(crate) use effect::Effect;
pub(crate) use script::{Fault, Script};
pub(crate) use when::When;

/// The option of commands whose cards go wrong on purpose.
#[derive(Debug, Args)]
pub(crate) struct FaultOptions {
    /// Inject the faults that FILE describes, from the first command on; for its format see
    /// `vschsm ctl set-faults --help`
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

impl FaultOptions {
    /// What the file says; nothing without one.
    pub(crate) fn script(&self) -> Result<Script, Failure> {
        self.faults.as_deref().map(Script::read).transpose().map(Option::unwrap_or_default)
    }
}

/// The faults of one card, and what has become of them.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    script: Script,
    tallies: Vec<Tally>,
    /// How often the card has gone and come since they were set.
    returns: u64,
    /// The card's own answer before this one.
    previous: Option<Vec<u8>>,
    /// The random number that comes again and again.
    stuck: Vec<u8>,
}

/// How often a fault has come about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many commands it fits, whatever their count and the chance.
    pub(crate) fitting: u64,
    /// How many of them it has struck.
    pub(crate) struck: u64,
    /// How many it has fitted since the card came.
    since_arrival: u64,
}

/// What is to become of one command.
#[derive(Debug, Default)]
pub(crate) struct Strike {
    /// How much later its answer comes.
    pub(crate) delay: Duration,
    effect: Option<Effect>,
    /// Each fault in words.
    words: Vec<Words>,
}

/// A fault in words.
#[derive(Debug)]
struct Words {
    text: String,
    /// Whether only a card that has to be saved notices it.
    is_of_disk: bool,
}

/// What the reader gets of a card, and how much later.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) delay: Duration,
    pub(crate) response: Result<Vec<u8>, Loss>,
}

/// Why the reader gets no response.
#[derive(Debug)]
pub(crate) enum Loss {
    /// The card has been taken out.
    Removed,
    /// The card has lost contact and power, and has them again.
    Contact,
    /// The reader has waited for as long as it does.
    TimedOut,
}

impl From<Script> for Faults {
    fn from(script: Script) -> Self {
        let tallies = script.faults().iter().map(|_| Tally::default()).collect();
        Self { script, tallies, ..Self::default() }
    }
}

impl Faults {
    pub(crate) fn script(&self) -> &Script {
        &self.script
    }

    /// Each fault, and how often it has come about.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = (&Fault, Tally)> {
        self.script.faults().iter().zip(self.tallies.iter().copied())
    }

    /// The answer to reset, where it is not the card's own.
    pub(crate) fn atr(&self) -> Option<&[u8]> {
        self.script.atr(self.arrivals())
    }

    /// The number of the current arrival, from 1.
    fn arrivals(&self) -> u64 {
        self.returns.saturating_add(1)
    }

    /// The card has been out of its reader, and comes again.
    pub(crate) fn arrive(&mut self) {
        self.returns = self.arrivals();
        self.tallies.iter_mut().for_each(|tally| tally.since_arrival = 0);
    }

    /// The session has ended.
    pub(crate) fn reset(&mut self) {
        self.previous = None;
    }

    /// What is to become of a command. All faults count those that fit them; of those that are due,
    /// delays add up, and the first other one strikes.
    pub(crate) fn strike(&mut self, apdu: &[u8]) -> Strike {
        let mut strike = Strike::default();
        let Some(header) = Header::of(apdu) else { return strike };
        let arrival = self.arrivals();
        let faults = self.script.faults().iter().zip(&mut self.tallies);
        for (number, (fault, tally)) in (1..).zip(faults) {
            if !fault.fits(header) || !fault.when.is_in_arrival(arrival) {
                continue;
            }
            tally.fitting += 1;
            tally.since_arrival += 1;
            let from_arrival = fault.when.counts_from_arrival();
            let count = if from_arrival { tally.since_arrival } else { tally.fitting };
            let chance = || self.script.chance(number, tally.fitting);
            let is_too_late = strike.effect.is_some() && !matches!(fault.effect, Effect::Delay(_));
            if is_too_late || !fault.when.is_due(count, chance) {
                continue;
            }
            tally.struck += 1;
            strike.words.push(Words {
                text: format!("fault {number}: {}", fault.effect),
                is_of_disk: fault.effect == Effect::DiskFull,
            });
            match &fault.effect {
                Effect::Delay(seconds) => strike.delay += Duration::from(*seconds),
                effect => strike.effect = Some(effect.clone()),
            }
        }
        strike
    }

    /// What is delivered of the card's `own` response; it has none to a command that has not
    /// reached it.
    pub(crate) fn deliver(&mut self, strike: Strike, own: Option<Vec<u8>>) -> Delivery {
        let Strike { mut delay, effect, .. } = strike;
        let own = own.unwrap_or_default();
        let previous =
            if own.is_empty() { self.previous.clone() } else { self.previous.replace(own.clone()) };
        let response = match effect {
            None | Some(Effect::Delay(_) | Effect::Atr(_) | Effect::DiskFull) => Ok(own),
            Some(Effect::Answer(bytes) | Effect::AnswerAfter(bytes)) => Ok(bytes.into()),
            Some(Effect::MemoryFull) => Ok(effect::NOT_ENOUGH_MEMORY.into()),
            Some(Effect::Truncate(length)) => Ok(effect::truncate(own, length)),
            Some(Effect::Repeat) => Ok(previous.unwrap_or(own)),
            Some(Effect::WeakSignature) => Ok(effect::spoil(own)),
            Some(Effect::StuckRandom) => Ok(effect::stick(&mut self.stuck, own)),
            Some(Effect::Remove(_)) => Err(Loss::Removed),
            Some(Effect::Disconnect(_)) => {
                self.arrive();
                Err(Loss::Contact)
            }
            Some(Effect::Mute(patience)) => {
                delay += Duration::from(patience);
                Err(Loss::TimedOut)
            }
        };
        Delivery { delay, response }
    }
}

impl Strike {
    /// All that comes of it in words, empty if nothing does; a full disk is nothing to a card that
    /// had not to be saved.
    pub(crate) fn words(&self, is_unsaved: bool) -> String {
        let noticed = self.words.iter().filter(|words| is_unsaved || !words.is_of_disk);
        noticed.map(|words| words.text.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Whether the command gets to the card.
    pub(crate) fn reaches_the_card(&self) -> bool {
        let Some(effect) = &self.effect else { return true };
        match effect {
            Effect::Answer(_) | Effect::Mute(_) | Effect::MemoryFull => false,
            Effect::Remove(moment) | Effect::Disconnect(moment) => *moment == Moment::After,
            Effect::AnswerAfter(_)
            | Effect::Delay(_)
            | Effect::Truncate(_)
            | Effect::Repeat
            | Effect::Atr(_)
            | Effect::DiskFull
            | Effect::WeakSignature
            | Effect::StuckRandom => true,
        }
    }

    /// Whether the card finds its disk full if it has to be saved.
    pub(crate) fn fills_the_disk(&self) -> bool {
        self.effect == Some(Effect::DiskFull)
    }
}

#[cfg(test)]
mod tests;
