//! A vector file, taken apart and played.

use crate::deviation::{Deviation, Place, Trouble};
use crate::facts;
use crate::pattern::{is_pattern, matches};
use crate::reading::{changes_nothing, offers_another_code};
use crate::sealing;
use crate::selection::selected;
use crate::state::State;
use crate::{INITIALISATION_CODE, group};
use std::fmt;
use vschsm_card::apdu::Command;
use vschsm_card::instruction::{self, CARD_MANAGER};
use vschsm_card::secure_messaging::Protocol;
use vschsm_card::tlv;
use vschsm_host::Transport;

/// How a source begins.
const SOURCES: [&str; 4] = ["observed", "published", "derived", "guess"];

/// What stands in a response for the version of the firmware that gives it, major and minor in a
/// byte each.
const VERSION: &str = "VERSION";

/// A vector file, taken apart.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The sentence that the first line is.
    pub sentence: String,
    /// The firmwares that it is for.
    pub firmwares: Vec<&'static str>,
    /// The state the card is in before the first step.
    pub card: State,
    /// Where the fact comes from.
    pub source: String,
    steps: Vec<Step>,
}

/// A line of the body.
#[derive(Clone, Debug)]
enum Step {
    Reset,
    Founder { line: usize, does: Deed },
    Exchange(Exchange),
}

/// What the founder does, each of whose commands is answered with 9000.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Answers a challenge of the card.
    Authenticates,
    /// Gives a key so many uses.
    Refills { key: u8, uses: u32 },
}

/// A command, and what the firmwares answer.
#[derive(Clone, Debug)]
struct Exchange {
    line: usize,
    command: Vec<u8>,
    expected: Vec<Expected>,
}

/// A response, and the firmwares it is that of; without any, all that are not named otherwise.
#[derive(Clone, Debug)]
struct Expected {
    firmwares: Option<Vec<&'static str>>,
    response: String,
}

/// Why a text is not a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The number of the line, from 1 on.
    pub line: usize,
    what: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Error {}

impl Vector {
    /// Parses a file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = text.lines().zip(1..);
        let sentence = lines.next().and_then(|(line, _)| line.strip_prefix("# "));
        let sentence = sentence.ok_or_else(|| at(1, "not a sentence after #"))?.to_owned();
        let all = selected("-").map_err(|what| at(1, what))?;
        let (mut firmwares, mut card, mut source) = (all, State::New, None);
        let mut end = 1;
        for (line, number) in lines.by_ref() {
            end = number;
            match line.split_once(": ") {
                _ if line.is_empty() => break,
                Some(("firmware", names)) => {
                    firmwares = selected(names).map_err(|what| at(number, what))?;
                }
                Some(("card", phrases)) => {
                    card = State::parse(phrases).map_err(|what| at(number, what))?;
                }
                Some(("source", text)) if SOURCES.iter().any(|kind| text.starts_with(kind)) => {
                    source = Some(text.to_owned());
                }
                Some(("source", _)) => {
                    return Err(at(
                        number,
                        format!("the source is none of {}", SOURCES.join(", ")),
                    ));
                }
                _ if line.starts_with("# ") => {}
                _ => {
                    return Err(at(number, "not a line of a header, which ends with an empty one"));
                }
            }
        }
        let source = source.ok_or_else(|| at(end, "the header has no source"))?;
        let steps = steps(lines)?;
        let vector = Self { sentence, firmwares, card, source, steps };
        vector.exchanges().try_for_each(|exchange| vector.check(exchange))?;
        Ok(vector)
    }

    /// Whether a command has one response for each firmware, every response a firmware, and the
    /// command leaves a card alone whose state is any.
    fn check(&self, exchange: &Exchange) -> Result<(), Error> {
        let Exchange { line, command, expected } = exchange;
        let unique = self.firmwares.iter().all(|firmware| {
            expected.iter().filter(|response| response.names(firmware)).count() <= 1
        });
        let complete = self.firmwares.iter().all(|name| exchange.response(name).is_some());
        let used = expected.iter().filter_map(|response| response.firmwares.as_ref());
        let used = used.flatten().all(|name| self.firmwares.contains(name));
        let common = expected.iter().filter(|response| response.firmwares.is_none()).count();
        if !(unique && complete && used && common <= 1) {
            return Err(at(*line, "the command does not have one response for each firmware"));
        }
        if self.card == State::Any && !changes_nothing(command) {
            return Err(at(*line, "the command may change a card, and the card is any"));
        }
        Ok(())
    }

    fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.steps.iter().filter_map(|step| match step {
            Step::Reset | Step::Founder { .. } => None,
            Step::Exchange(exchange) => Some(exchange),
        })
    }

    /// The commands.
    pub fn commands(&self) -> impl Iterator<Item = &[u8]> {
        self.exchanges().map(|exchange| exchange.command.as_slice())
    }

    /// The commands, each with every response that some firmware gives to it.
    pub fn responses(&self) -> impl Iterator<Item = (&[u8], &str)> {
        let exchanges = self.exchanges().flat_map(|Exchange { command, expected, .. }| {
            expected.iter().map(|expected| (command.as_slice(), expected.response.as_str()))
        });
        exchanges.chain(self.steps.iter().filter_map(|step| match step {
            Step::Founder { does, .. } => Some((does.command(), "9000")),
            Step::Reset | Step::Exchange(_) => None,
        }))
    }

    /// Plays the vector to a card that is in its state and owes the answers of `firmware`.
    pub fn play(&self, firmware: &str, card: &mut dyn Transport) -> Result<(), Trouble> {
        let mut number = 0;
        for step in &self.steps {
            let exchange = match step {
                Step::Exchange(exchange) => exchange,
                Step::Reset => {
                    card.reset().map_err(Trouble::broken)?;
                    continue;
                }
                Step::Founder { line, does } => {
                    number += 1;
                    does.play(card, || Place::Step { number, line: Some(*line) })?;
                    continue;
                }
            };
            number += 1;
            let Some(wanted) = exchange.response(firmware) else { continue };
            let got = card.transmit(&exchange.command).map_err(Trouble::broken)?;
            let wanted = wanted.replace(VERSION, &version(firmware));
            if !matches(&wanted, &got) {
                return Err(Trouble::Deviates(Deviation {
                    place: Place::Step { number, line: Some(exchange.line) },
                    command: exchange.command.clone(),
                    wanted,
                    got,
                }));
            }
        }
        Ok(())
    }

    /// Why the vector is not for a card that is not made for it; none if nothing is in the way.
    #[must_use]
    pub fn obstacle(&self) -> Option<&'static str> {
        if self.commands().any(|command| Command::parse(command).is_err()) {
            return Some("sends what is no APDU, which readers need not pass on");
        }
        if self.speaks_to_the_card_manager() {
            return Some("sends the card manager commands of its own, which may block it");
        }
        if self.commands().any(offers_another_code) {
            return Some("spends tries of the SO-PIN, or changes it");
        }
        if self.card == State::New && !self.begins_with_initialisation() {
            return Some("needs a card as delivered, never initialised");
        }
        None
    }

    /// Whether a command after a reset, before SELECT, is one that the card manager has.
    fn speaks_to_the_card_manager(&self) -> bool {
        let mut is_reset = false;
        self.steps.iter().any(|step| match step {
            Step::Reset => {
                is_reset = true;
                false
            }
            Step::Exchange(Exchange { command, .. }) => {
                is_reset &= !matches!(command[..], [0x00, 0xA4, 0x04, ..]);
                let ins = command.get(1).copied();
                is_reset && ins.is_some_and(|ins| instruction::find(CARD_MANAGER, ins, 0).is_some())
            }
            Step::Founder { .. } => false,
        })
    }

    /// Why the vector does not say of a card in secure messaging what it says of one in plain; none
    /// if it does. `longest` is how long a command the card takes.
    #[must_use]
    pub fn obstacle_in_channel(&self, protocol: Protocol, longest: usize) -> Option<&'static str> {
        self.commands().find_map(|command| sealing::obstacle(command, protocol, longest))
    }

    /// Whether what the card was before does not matter, because the first command initialises it.
    fn begins_with_initialisation(&self) -> bool {
        self.exchanges().next().is_some_and(|first| {
            Command::parse(&first.command).is_ok_and(|command| {
                let objects = tlv::parse(&command.data).unwrap_or_default();
                let initialises = command.ins == 0x50
                    && tlv::find(&objects, 0x82) == Some(&INITIALISATION_CODE[..]);
                initialises && first.expected.iter().all(|expected| expected.response == "9000")
            })
        })
    }
}

impl Deed {
    /// What stands after `!`.
    fn parse(words: &str) -> Option<Self> {
        match words.split(' ').collect::<Vec<_>>().as_slice() {
            ["founder", "authenticates"] => Some(Self::Authenticates),
            ["founder", "refills", "key", key, "with", uses] => {
                Some(Self::Refills { key: key.parse().ok()?, uses: uses.parse().ok()? })
            }
            _ => None,
        }
    }

    /// The header of the command that it is for.
    fn command(self) -> &'static [u8] {
        match self {
            Self::Authenticates => &[0x00, 0x82, 0x00, 0x00],
            Self::Refills { .. } => &[0x80, 0x3E, 0x00, 0x00],
        }
    }

    fn play(self, card: &mut dyn Transport, place: impl Fn() -> Place) -> Result<(), Trouble> {
        match self {
            Self::Authenticates => group::authenticate(card, place),
            Self::Refills { key, uses } => group::refill(card, key, uses, place),
        }
    }
}

impl Exchange {
    /// The response of that firmware: its own, or the common one.
    fn response(&self, firmware: &str) -> Option<&str> {
        let own = self.expected.iter().find(|response| response.names(firmware));
        let common = || self.expected.iter().find(|response| response.firmwares.is_none());
        own.or_else(common).map(|expected| expected.response.as_str())
    }
}

impl Expected {
    fn names(&self, firmware: &str) -> bool {
        self.firmwares.as_ref().is_some_and(|names| names.contains(&firmware))
    }
}

/// The two bytes of a firmware's version, as its name says it.
fn version(firmware: &str) -> String {
    let numbers = facts::base(firmware).split('.');
    numbers.filter_map(|number| number.parse::<u8>().ok()).map(|it| format!("{it:02X}")).collect()
}

fn at(line: usize, what: impl Into<String>) -> Error {
    Error { line, what: what.into() }
}

/// The steps in the lines of a body, each with its number.
fn steps<'a>(body: impl Iterator<Item = (&'a str, usize)>) -> Result<Vec<Step>, Error> {
    // A line that begins with a blank goes on with the one before.
    let mut lines: Vec<(String, usize)> = Vec::new();
    for (line, number) in body.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
        match lines.last_mut().filter(|_| line.starts_with(' ')) {
            Some((last, _)) => last.push_str(line),
            None => lines.push((line.to_owned(), number)),
        }
    }
    let mut steps = Vec::new();
    for (text, line) in lines {
        match (text.split_once(['<', '>']), steps.last_mut()) {
            (None, _) if text.trim() == "! reset" => steps.push(Step::Reset),
            (None, _) if text.starts_with("! ") => {
                let does = text.strip_prefix("! ").and_then(|words| Deed::parse(words.trim()));
                let does = does.ok_or_else(|| at(line, "not what happens to a card"))?;
                steps.push(Step::Founder { line, does });
            }
            (Some(("", command)), _) if text.starts_with('>') => {
                let command: String = command.split_whitespace().collect();
                let command = base16ct::mixed::decode_vec(&command)
                    .map_err(|_| at(line, "the command is not hexadecimal"))?;
                steps.push(Step::Exchange(Exchange { line, command, expected: Vec::new() }));
            }
            (Some((names, response)), Some(Step::Exchange(Exchange { expected, .. }))) => {
                let firmwares = (!names.is_empty()).then(|| selected(names)).transpose();
                let firmwares = firmwares.map_err(|what| at(line, what))?;
                let response: String = response.split_whitespace().collect();
                if !is_pattern(&response.replace(VERSION, "....")) {
                    return Err(at(line, "the response is not of digits, dots and asterisks"));
                }
                expected.push(Expected { firmwares, response });
            }
            _ => {
                return Err(at(line, "neither a command, a response, nor what happens to a card"));
            }
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BUILT_IN;

    #[test]
    fn a_command_with_two_responses_of_a_firmware_or_none_is_no_vector() {
        let parse = |responses: &str| {
            let header = "# Sentence.\nfirmware: 2.5-3.1\nsource: guess";
            Vector::parse(&format!("{header}\n\n> 00200081\n{responses}\n"))
        };
        for good in ["< 9000", "2.6< 6D00\n< 9000", "2.5 3.0-3.1< 6D00\n2.6-2.7< 9000"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["", "2.6< 9000", "2.5-3.0< 6D00\n2.6-3.1< 9000", "< 9000\n< 6D00", "-2.6< 6D00"]
        {
            assert_eq!(parse(bad).map(|_| ()).map_err(|error| error.line), Err(5), "{bad:?}");
        }
    }

    /// A card that answers every command with the same.
    struct Answers([u8; 4]);

    impl Transport for Answers {
        fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, vschsm_host::TransportError> {
            Ok(self.0.into())
        }

        fn reset(&mut self) -> Result<(), vschsm_host::TransportError> {
            Ok(())
        }
    }

    #[test]
    fn the_version_in_a_response_is_that_of_the_firmware_that_gives_it() {
        let text = "# Sentence.\nsource: guess\n\n> 8050000000\n< VERSION 9000\n";
        let vector = Vector::parse(text).expect("it is one");
        for (firmware, version, fits) in [
            ("3.4", [0x03, 0x04], true),
            ("3.4+quota", [0x03, 0x04], true),
            ("3.5", [0x03, 0x04], false),
            ("3.4", [0x03, 0x05], false),
        ] {
            let mut card = Answers([version[0], version[1], 0x90, 0x00]);
            assert_eq!(vector.play(firmware, &mut card).is_ok(), fits, "{firmware}: {version:?}");
        }
        let deviates = vector.play("1.2", &mut Answers([0; 4]));
        let wanted = match deviates {
            Err(Trouble::Deviates(deviation)) => deviation.wanted,
            _ => String::new(),
        };
        assert_eq!(wanted, "01029000");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, told) in [
            ("", "line 1: not a sentence after #"),
            ("# A.\n\n> 00\n< 6700\n", "line 2: the header has no source"),
            ("# A.\nsource: rumour\n\n", "line 2: the source is none of"),
            ("# A.\nsource: guess\nfirmware: 9.9\n\n", "line 3: no firmware is called \"9.9\""),
            ("# A.\ncard: initialised, key\nsource: guess\n\n", "line 2: not a state"),
            ("# A.\nsource: guess\n> 00\n", "line 3: not a line of a header"),
            ("# A.\nsource: guess\n\n> 00A\n< 6700\n", "line 4: the command is not hexadecimal"),
            ("# A.\nsource: guess\n\n> 00\n\n< 67\n 0\n", "line 6: the response is not"),
            ("# A.\nsource: guess\n\n< 6700\n", "line 4: neither a command"),
            (
                "# A.\ncard: any\nsource: guess\n\n> 80500000\n< *\n",
                "line 5: the command may change",
            ),
        ] {
            let error = Vector::parse(text).map(|_| ()).map_err(|error| error.to_string());
            assert!(
                error.as_ref().is_err_and(|error| error.starts_with(told)),
                "{error:?}: {told}"
            );
        }
    }

    #[test]
    fn every_vector_that_is_built_in_parses() {
        for (name, text) in BUILT_IN {
            assert!(Vector::parse(text).is_ok(), "{name}: {:?}", Vector::parse(text));
        }
        assert!(BUILT_IN.len() > 200, "{}", BUILT_IN.len());
    }
}
