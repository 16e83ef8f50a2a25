//! What goes wrong.

use crate::text::hex;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use vschsm_protocol::instruction::{Instruction, Makes};

/// The answer of a card without memory.
///
/// Source: ISO 7816-4, `6A84`.
pub(super) const NOT_ENOUGH_MEMORY: [u8; 2] = [0x6A, 0x84];

/// The longest answer to reset.
///
/// Source: ISO 7816-3, 8.2.1.
const LONGEST_ATR: usize = 33;

/// Whether something concerns a command.
pub(super) type Scope = fn(&Instruction) -> bool;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Effect {
    /// This comes instead of the answer, and the card has not seen the command.
    Answer(Bytes),
    /// The card has done it, and this comes instead of its answer.
    AnswerAfter(Bytes),
    /// The answer comes later.
    Delay(Seconds),
    /// No answer comes, and the reader waits so long for it. The card has not seen the command.
    Mute(Seconds),
    /// The card is taken out of its reader.
    Remove(Moment),
    /// The card loses contact and power for a moment.
    Disconnect(Moment),
    /// The answer has no more than so many bytes before its status word.
    Truncate(usize),
    /// The card's answer before this one comes again.
    Repeat,
    /// The answer to reset is another.
    Atr(Atr),
    /// The card cannot be saved.
    DiskFull,
    /// The card makes nothing new.
    MemoryFull,
    /// A signature is wrong, and looks right.
    WeakSignature,
    /// A random number is the one that came first.
    StuckRandom,
}

/// When a card goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Moment {
    /// The command has not reached it.
    Before,
    /// It has done the command, and its answer is lost.
    After,
}

/// Bytes that come instead of an answer: a status word, with data before it or not, or less.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Bytes(Vec<u8>);

/// An answer to reset.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Atr(Vec<u8>);

/// A time.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub(crate) struct Seconds(Duration);

impl Effect {
    /// Which commands it concerns, if not all.
    pub(super) fn scope(&self) -> Option<Scope> {
        match self {
            Self::MemoryFull => Some(|row| matches!(row.makes, Makes::Key | Makes::File)),
            Self::WeakSignature => Some(|row| row.name == "SIGN"),
            Self::StuckRandom => Some(|row| row.name == "GET CHALLENGE"),
            _ => None,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(Bytes(bytes)) => {
                write!(f, "answer {} without the card", hex::upper(bytes))
            }
            Self::AnswerAfter(Bytes(bytes)) => {
                write!(f, "answer {} after the card has obeyed", hex::upper(bytes))
            }
            Self::Delay(Seconds(time)) => write!(f, "delay of {} s", time.as_secs_f64()),
            Self::Mute(Seconds(time)) => {
                write!(f, "mute, until the reader gives up after {} s", time.as_secs_f64())
            }
            Self::Remove(Moment::Before) => f.write_str("card removed before the command"),
            Self::Remove(Moment::After) => f.write_str("card removed before its answer"),
            Self::Disconnect(Moment::Before) => f.write_str("contact lost before the command"),
            Self::Disconnect(Moment::After) => f.write_str("contact lost before the answer"),
            Self::Truncate(length) => write!(f, "answer cut after {length}"),
            Self::Repeat => f.write_str("previous answer again"),
            Self::Atr(Atr(atr)) => write!(f, "ATR {}", hex::upper(atr)),
            Self::DiskFull => f.write_str("disk full"),
            Self::MemoryFull => f.write_str("memory full"),
            Self::WeakSignature => f.write_str("weak signature"),
            Self::StuckRandom => f.write_str("stuck random numbers"),
        }
    }
}

impl Atr {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(digits: String) -> Result<Self, String> {
        let wrong = |why| format!("{why}; an answer is in hexadecimal, such as \"6F00\"");
        hex::parse(&digits).map(Self).map_err(wrong)
    }
}

impl TryFrom<String> for Atr {
    type Error = String;

    fn try_from(digits: String) -> Result<Self, String> {
        let wrong = |why| format!("{why}; an ATR is in hexadecimal, such as \"3B00\"");
        let atr = hex::parse(&digits).map_err(wrong)?;
        if atr.len() > LONGEST_ATR {
            return Err(format!(
                "an ATR has {LONGEST_ATR} bytes at most, and this has {}",
                atr.len()
            ));
        }
        Ok(Self(atr))
    }
}

impl TryFrom<f64> for Seconds {
    type Error = String;

    fn try_from(seconds: f64) -> Result<Self, String> {
        let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| time.as_secs() < 86_400);
        time.map(Self).ok_or_else(|| format!("{seconds} is no time in seconds of up to a day"))
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(Bytes(bytes): Bytes) -> Self {
        bytes
    }
}

impl From<Bytes> for String {
    fn from(Bytes(bytes): Bytes) -> Self {
        hex::upper(&bytes)
    }
}

impl From<Atr> for String {
    fn from(Atr(atr): Atr) -> Self {
        hex::upper(&atr)
    }
}

impl From<Seconds> for f64 {
    fn from(Seconds(time): Seconds) -> Self {
        time.as_secs_f64()
    }
}

impl From<Seconds> for Duration {
    fn from(Seconds(time): Seconds) -> Self {
        time
    }
}

/// An answer with no more than `length` bytes of data.
pub(super) fn truncate(mut answer: Vec<u8>, length: usize) -> Vec<u8> {
    let status = answer.split_off(answer.len().saturating_sub(2));
    answer.truncate(length);
    answer.extend(status);
    answer
}

/// A signature that is another in its last bit, where its encoding says nothing.
pub(super) fn spoil(mut answer: Vec<u8>) -> Vec<u8> {
    if let [.., last, 0x90, 0x00] = answer.as_mut_slice() {
        *last ^= 1;
    }
    answer
}

/// A random number made of the one that is `stuck`, which is this one if there is none yet.
pub(super) fn stick(stuck: &mut Vec<u8>, answer: Vec<u8>) -> Vec<u8> {
    match answer.as_slice() {
        [random @ .., 0x90, 0x00] if !random.is_empty() => {
            if stuck.is_empty() {
                *stuck = random.to_vec();
            }
            stuck.iter().cycle().take(random.len()).chain(&[0x90, 0x00]).copied().collect()
        }
        _ => answer,
    }
}
