//! Conditions: which commands a fault matches.

use super::effect::Scope;
use crate::text::hex;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use vschsm_protocol::instruction::{self, APPLET, Instruction, P1};

/// A condition: a fault matches the commands for which all of this holds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct When {
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<CommandName>,
    /// The number of the key that the command uses or creates.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p1: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p2: Option<u8>,
    /// Which of the commands that match the above, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<Count>,
    /// In which of the card's arrivals in its reader; with this, `count` begins anew with each.
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival: Option<Count>,
    /// With which probability, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    probability: Option<Probability>,
}

/// The part of a command that is matched; it is not encrypted in secure messaging either.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommandHeader {
    ins: u8,
    p1: u8,
    p2: u8,
}

impl CommandHeader {
    pub(super) fn of(apdu: &[u8]) -> Option<Self> {
        let &[_, ins, p1, p2, ..] = apdu else { return None };
        Some(Self { ins, p1, p2 })
    }

    /// The applet's command with this header.
    pub(super) fn command(self) -> Option<&'static Instruction> {
        instruction::find(APPLET, self.ins, self.p2)
    }

    /// The number of the key that the command uses or creates.
    fn key(self) -> Option<u8> {
        self.command().filter(|row| row.p1 == P1::Key).map(|_| self.p1)
    }
}

impl When {
    /// Whether it holds for a command, without count and probability.
    pub(super) fn matches(&self, header: CommandHeader) -> bool {
        let CommandHeader { p1, p2, .. } = header;
        self.command.is_none_or(|name| name.matches(header))
            && self.key.is_none_or(|key| header.key() == Some(key))
            && self.p1.is_none_or(|wanted| wanted == p1)
            && self.p2.is_none_or(|wanted| wanted == p2)
    }

    /// Whether it holds in the card's arrival of that number, from 1.
    pub(super) fn is_in_arrival(&self, number: u64) -> bool {
        self.arrival.is_none_or(|arrivals| arrivals.contains(number))
    }

    /// Whether commands are counted from the card's last arrival on.
    pub(super) fn counts_from_arrival(&self) -> bool {
        self.arrival.is_some()
    }

    /// Whether it has no condition on commands.
    pub(super) fn is_of_arrivals_alone(&self) -> bool {
        *self == Self { arrival: self.arrival, ..Self::default() }
    }

    /// Whether it holds for the command of that `number` among those that match; `chance` is from 0
    /// to 1.
    pub(super) fn is_due(&self, number: u64, chance: impl FnOnce() -> f64) -> bool {
        self.count.is_none_or(|count| count.contains(number))
            && self.probability.is_none_or(|Probability(probability)| chance() < probability)
    }

    /// Why it makes no sense for an effect on the commands of `scope`, or on all, in a sentence.
    pub(super) fn contradiction(&self, scope: Option<Scope>) -> Option<String> {
        let (command, key) = (self.command?, self.key);
        let names_a_key = command.commands().any(|row| row.p1 == P1::Key);
        if key.is_some() && !names_a_key {
            return Some(format!("{command} does not name a key: leave out `key` or `command`"));
        }
        let scope = scope?;
        let is_in_scope = matches!(command, CommandName::Command(row) if scope(row));
        let mut names: Vec<_> =
            APPLET.iter().filter(|row| scope(row)).map(|row| row.name).collect();
        names.sort_unstable();
        let names = names.join(", ");
        (!is_in_scope)
            .then(|| format!("this fault affects {names} and not {command}: leave out `command`"))
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = vec![self.command.map_or("any command".into(), |name| name.to_string())];
        parts.extend(self.key.map(|key| format!("key {key}")));
        parts.extend(self.p1.map(|p1| format!("P1 {p1:02X}")));
        parts.extend(self.p2.map(|p2| format!("P2 {p2:02X}")));
        parts.extend(self.count.map(|count| format!("count {count}")));
        parts.extend(self.arrival.map(|arrival| format!("arrival {arrival}")));
        parts.extend(self.probability.map(|Probability(chance)| format!("probability {chance}")));
        f.write_str(&parts.join(", "))
    }
}

/// A command by its name in traces, or an instruction byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
enum CommandName {
    Command(&'static Instruction),
    Instruction(u8),
}

impl CommandName {
    fn matches(self, header: CommandHeader) -> bool {
        match self {
            Self::Command(row) => header.command() == Some(row),
            Self::Instruction(ins) => ins == header.ins,
        }
    }

    /// The applet's commands with this name.
    fn commands(self) -> impl Iterator<Item = &'static Instruction> {
        APPLET.iter().filter(move |row| match self {
            Self::Command(named) => named == *row,
            Self::Instruction(ins) => row.ins == ins,
        })
    }
}

/// Written by hand, as serde's derived code would require the text to live as long as `'static`.
impl<'de> Deserialize<'de> for CommandName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

impl TryFrom<String> for CommandName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut commands = APPLET.iter();
        if let Some(row) = commands.find(|row| row.name.eq_ignore_ascii_case(&text)) {
            return Ok(Self::Command(row));
        }
        match hex::parse(&text).as_deref() {
            Ok(&[ins]) => Ok(Self::Instruction(ins)),
            _ => Err(format!(
                "unknown command {text:?}: take a name from a trace, such as \"SIGN\", or an \
                 instruction byte, such as \"68\""
            )),
        }
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(row) => f.write_str(row.name),
            Self::Instruction(ins) => write!(f, "{ins:02X}"),
        }
    }
}

impl From<CommandName> for String {
    fn from(name: CommandName) -> Self {
        name.to_string()
    }
}

/// Which of the matching commands, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "NumberOrText", into = "String")]
enum Count {
    Range { first: u64, last: Option<u64> },
    Every(u64),
}

/// The ways to write a count.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a count is 3, \"2-4\", \"2-\" or \"every 10\"")]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl Count {
    fn contains(self, number: u64) -> bool {
        match self {
            Self::Range { first, last } => {
                number >= first && last.is_none_or(|last| number <= last)
            }
            Self::Every(step) => number.is_multiple_of(step),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.trim().parse::<u64>().ok().filter(|number| *number > 0);
        if let Some(step) = text.strip_prefix("every ") {
            return number(step).map(Self::Every);
        }
        let (first, last) = match text.split_once('-') {
            None => (number(text)?, Some(number(text)?)),
            Some((first, "")) => (number(first)?, None),
            Some((first, last)) => (number(first)?, Some(number(last)?)),
        };
        last.is_none_or(|last| last >= first).then_some(Self::Range { first, last })
    }
}

impl TryFrom<NumberOrText> for Count {
    type Error = String;

    fn try_from(count: NumberOrText) -> Result<Self, String> {
        let text = match count {
            NumberOrText::Number(number) => number.to_string(),
            NumberOrText::Text(text) => text,
        };
        Self::parse(&text).ok_or_else(|| {
            format!(
                "{text:?} is not a count, such as 3, \"2-4\", \"2-\" or \"every 10\", from 1 on"
            )
        })
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { first, last: None } => write!(f, "{first}-"),
            Self::Range { first, last: Some(last) } if first == last => write!(f, "{first}"),
            Self::Range { first, last: Some(last) } => write!(f, "{first}-{last}"),
            Self::Every(step) => write!(f, "every {step}"),
        }
    }
}

impl From<Count> for String {
    fn from(count: Count) -> Self {
        count.to_string()
    }
}

/// From 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
struct Probability(f64);

impl TryFrom<f64> for Probability {
    type Error = String;

    fn try_from(probability: f64) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&probability) {
            return Err(format!("{probability} is not a probability, which is from 0 to 1"));
        }
        Ok(Self(probability))
    }
}

impl From<Probability> for f64 {
    fn from(Probability(probability): Probability) -> Self {
        probability
    }
}
