//! Effects: what a fault does.

use crate::text::hex;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use vschsm_protocol::instruction::{Creates, Instruction};

/// The response of a card without memory.
///
/// Source: ISO 7816-4, `6A84`.
pub(super) const NOT_ENOUGH_MEMORY: [u8; 2] = [0x6A, 0x84];

/// The longest answer to reset.
///
/// Source: ISO 7816-3, 8.2.1.
const LONGEST_ATR: usize = 33;

/// Whether an effect applies to a command.
pub(super) type Scope = fn(&Instruction) -> bool;

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Effect {
    /// Respond with this, without the card.
    #[serde(rename = "answer", alias = "response")]
    Response(ResponseBytes),
    /// Respond with this, after the card has executed the command.
    #[serde(rename = "answer-after", alias = "response-after")]
    ResponseAfter(ResponseBytes),
    /// Delay the response.
    Delay(Seconds),
    /// Do not respond until the reader has waited so long. The command does not reach the card.
    Mute(Seconds),
    /// Remove the card from its reader.
    Remove(Phase),
    /// Lose contact and power for a moment.
    Disconnect(Phase),
    /// Truncate the response to so many bytes before its status word.
    Truncate(usize),
    /// Repeat the card's previous response.
    Repeat,
    /// Replace the answer to reset.
    Atr(Atr),
    /// Let the disk be full when the card is saved.
    DiskFull,
    /// Let the card have no memory for new keys and files.
    MemoryFull,
    /// Invert the last bit of a signature.
    WeakSignature,
    /// Repeat the first random number.
    StuckRandom,
}

/// When a card is removed or loses contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Before the command reaches it.
    Before,
    /// After it has executed the command; its response is lost.
    After,
}

/// Bytes in place of a response: a status word, with or without data before it, or less.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ResponseBytes(Vec<u8>);

/// An answer to reset, up to 33 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Atr(Vec<u8>);

/// A time of less than a day.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub(crate) struct Seconds(Duration);

impl Effect {
    /// Which commands it applies to, if not to all.
    pub(super) fn scope(&self) -> Option<Scope> {
        match self {
            Self::MemoryFull => Some(|row| matches!(row.creates, Creates::Key | Creates::File)),
            Self::WeakSignature => Some(|row| row.name == "SIGN"),
            Self::StuckRandom => Some(|row| row.name == "GET CHALLENGE"),
            _ => None,
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response(ResponseBytes(bytes)) => {
                write!(f, "response {} without the card", hex::upper(bytes))
            }
            Self::ResponseAfter(ResponseBytes(bytes)) => {
                write!(f, "response {} after the card has executed the command", hex::upper(bytes))
            }
            Self::Delay(Seconds(time)) => write!(f, "delay of {} s", time.as_secs_f64()),
            Self::Mute(Seconds(time)) => {
                write!(f, "mute until the reader times out after {} s", time.as_secs_f64())
            }
            Self::Remove(Phase::Before) => f.write_str("card removed before the command"),
            Self::Remove(Phase::After) => f.write_str("card removed before its response"),
            Self::Disconnect(Phase::Before) => f.write_str("contact lost before the command"),
            Self::Disconnect(Phase::After) => f.write_str("contact lost before the response"),
            Self::Truncate(length) => write!(f, "response truncated to {length}"),
            Self::Repeat => f.write_str("previous response repeated"),
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

impl TryFrom<String> for ResponseBytes {
    type Error = String;

    fn try_from(digits: String) -> Result<Self, String> {
        let wrong = |why| format!("{why}; a response is in hexadecimal, such as \"6F00\"");
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
        time.map(Self)
            .ok_or_else(|| format!("{seconds} is not a time in seconds of less than a day"))
    }
}

impl From<ResponseBytes> for Vec<u8> {
    fn from(ResponseBytes(bytes): ResponseBytes) -> Self {
        bytes
    }
}

impl From<ResponseBytes> for String {
    fn from(ResponseBytes(bytes): ResponseBytes) -> Self {
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

/// A response with no more than `length` bytes of data.
pub(super) fn truncate(mut response: Vec<u8>, length: usize) -> Vec<u8> {
    let status = response.split_off(response.len().saturating_sub(2));
    response.truncate(length);
    response.extend(status);
    response
}

/// A signature with its last bit inverted, which keeps its encoding valid.
pub(super) fn invert_last_bit(mut response: Vec<u8>) -> Vec<u8> {
    if let [.., last, 0x90, 0x00] = response.as_mut_slice() {
        *last ^= 1;
    }
    response
}

/// A random number that repeats `stuck`, which becomes this one if it is empty.
pub(super) fn repeat_random(stuck: &mut Vec<u8>, response: Vec<u8>) -> Vec<u8> {
    match response.as_slice() {
        [random @ .., 0x90, 0x00] if !random.is_empty() => {
            if stuck.is_empty() {
                *stuck = random.to_vec();
            }
            stuck.iter().cycle().take(random.len()).chain(&[0x90, 0x00]).copied().collect()
        }
        _ => response,
    }
}
