//! A vector file: parsed, and run on a card.

use crate::facts;
use crate::in_channel;
use crate::pattern::{is_pattern, matches};
use crate::play_error::{Location, Mismatch, PlayError};
use crate::reading::{carries_other_so_pin, changes_nothing};
use crate::selection::selected;
use crate::state::CardState;
use crate::{SO_PIN, peer_card};
use std::fmt;
use vschsm_host::Transport;
use vschsm_protocol::apdu::Command;
use vschsm_protocol::instruction::{self, CARD_MANAGER};
use vschsm_protocol::secure_messaging::Protocol;
use vschsm_protocol::tlv;

/// How a source begins.
const SOURCES: [&str; 4] = ["observed", "published", "derived", "guess"];

/// What stands in a response for the version of the firmware that gives it, major and minor in a
/// byte each.
const VERSION: &str = "VERSION";

/// A vector file, parsed.
#[derive(Clone, Debug)]
pub struct Vector {
    /// What it shows, in a sentence: the first line.
    pub title: String,
    /// The firmwares that it holds for.
    pub firmwares: Vec<&'static str>,
    /// The state the card is in before the first step.
    pub card: CardState,
    /// Where the fact comes from.
    pub source: String,
    lines: Vec<VectorLine>,
}

/// A line of the body.
#[derive(Clone, Debug)]
enum VectorLine {
    Reset,
    Peer { line: usize, action: PeerAction },
    Command(CommandLine),
}

/// What the peer card does; the status word of each of its commands is 9000.
#[derive(Clone, Copy, Debug)]
enum PeerAction {
    /// Signs a challenge of the card.
    Authenticate,
    /// Refills the quota of a key by so many uses.
    Refill { key: u8, uses: u32 },
}

/// A command, and the responses of the firmwares.
#[derive(Clone, Debug)]
struct CommandLine {
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
pub struct VectorError {
    /// The number of the line, from 1 on.
    pub line: usize,
    what: String,
}

impl fmt::Display for VectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for VectorError {}

impl Vector {
    /// Parses a file.
    ///
    /// # Errors
    ///
    /// At the first line that a vector cannot have, or if the header has no source.
    pub fn parse(text: &str) -> Result<Self, VectorError> {
        let mut lines = text.lines().zip(1..);
        let title = lines.next().and_then(|(line, _)| line.strip_prefix("# "));
        let title = title.ok_or_else(|| at(1, "not a sentence after #"))?.to_owned();
        let all = selected("-").map_err(|what| at(1, what))?;
        let (mut firmwares, mut card, mut source) = (all, CardState::New, None);
        let mut end = 1;
        for (line, number) in lines.by_ref() {
            end = number;
            match line.split_once(": ") {
                _ if line.is_empty() => break,
                Some(("firmware", names)) => {
                    firmwares = selected(names).map_err(|what| at(number, what))?;
                }
                Some(("card", phrases)) => {
                    card = CardState::parse(phrases).map_err(|what| at(number, what))?;
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
        let lines = parse_lines(lines)?;
        let vector = Self { title, firmwares, card, source, lines };
        vector.command_lines().try_for_each(|line| vector.check(line))?;
        Ok(vector)
    }

    /// Whether a command has one response for each firmware, every response a firmware, and the
    /// command leaves a card alone whose state is any.
    fn check(&self, command_line: &CommandLine) -> Result<(), VectorError> {
        let CommandLine { line, command, expected } = command_line;
        let unique = self.firmwares.iter().all(|firmware| {
            expected.iter().filter(|response| response.names(firmware)).count() <= 1
        });
        let complete = self.firmwares.iter().all(|name| command_line.response(name).is_some());
        let used = expected.iter().filter_map(|response| response.firmwares.as_ref());
        let used = used.flatten().all(|name| self.firmwares.contains(name));
        let common = expected.iter().filter(|response| response.firmwares.is_none()).count();
        if !(unique && complete && used && common <= 1) {
            return Err(at(*line, "the command does not have one response for each firmware"));
        }
        if self.card == CardState::Any && !changes_nothing(command) {
            return Err(at(*line, "the command may change a card, and the card is any"));
        }
        Ok(())
    }

    fn command_lines(&self) -> impl Iterator<Item = &CommandLine> {
        self.lines.iter().filter_map(|line| match line {
            VectorLine::Reset | VectorLine::Peer { .. } => None,
            VectorLine::Command(command_line) => Some(command_line),
        })
    }

    /// The commands.
    pub fn commands(&self) -> impl Iterator<Item = &[u8]> {
        self.command_lines().map(|line| line.command.as_slice())
    }

    /// The commands, each with every response that some firmware gives to it.
    pub fn responses(&self) -> impl Iterator<Item = (&[u8], &str)> {
        let responses =
            self.command_lines().flat_map(|CommandLine { command, expected, .. }| {
                expected.iter().map(|expected| (command.as_slice(), expected.response.as_str()))
            });
        responses.chain(self.lines.iter().filter_map(|line| match line {
            VectorLine::Peer { action, .. } => Some((action.command(), "9000")),
            VectorLine::Reset | VectorLine::Command(_) => None,
        }))
    }

    /// Plays the vector to a card that is in its state, and compares the responses with those of
    /// `firmware`.
    ///
    /// # Errors
    ///
    /// At the first response that is not the one expected, or that does not come.
    pub fn run(&self, firmware: &str, card: &mut dyn Transport) -> Result<(), PlayError> {
        let mut number = 0;
        for line in &self.lines {
            let command_line = match line {
                VectorLine::Command(command_line) => command_line,
                VectorLine::Reset => {
                    card.reset().map_err(PlayError::transport)?;
                    continue;
                }
                VectorLine::Peer { line, action } => {
                    number += 1;
                    action.run(card, || Location::Step { number, line: Some(*line) })?;
                    continue;
                }
            };
            number += 1;
            let Some(expected) = command_line.response(firmware) else { continue };
            let actual = card.transmit(&command_line.command).map_err(PlayError::transport)?;
            let expected = expected.replace(VERSION, &version(firmware));
            if !matches(&expected, &actual) {
                return Err(PlayError::Mismatch(Mismatch {
                    location: Location::Step { number, line: Some(command_line.line) },
                    command: command_line.command.clone(),
                    expected,
                    actual,
                }));
            }
        }
        Ok(())
    }

    /// Why the vector cannot be played to a card that was not made for it, if it cannot.
    #[must_use]
    pub fn skip_reason(&self) -> Option<&'static str> {
        if self.commands().any(|command| Command::parse(command).is_err()) {
            return Some("sends bytes that are not an APDU, which readers need not pass on");
        }
        if self.speaks_to_the_card_manager() {
            return Some("sends the card manager commands of its own, which may block it");
        }
        if self.commands().any(carries_other_so_pin) {
            return Some("spends tries of the SO-PIN, or changes it");
        }
        if self.card == CardState::New && !self.begins_with_initialisation() {
            return Some("needs a card as delivered, never initialised");
        }
        None
    }

    /// Whether a command after a reset, before SELECT, is one that the card manager has.
    fn speaks_to_the_card_manager(&self) -> bool {
        let mut is_reset = false;
        self.lines.iter().any(|line| match line {
            VectorLine::Reset => {
                is_reset = true;
                false
            }
            VectorLine::Command(CommandLine { command, .. }) => {
                is_reset &= !matches!(command[..], [0x00, 0xA4, 0x04, ..]);
                let ins = command.get(1).copied();
                is_reset && ins.is_some_and(|ins| instruction::find(CARD_MANAGER, ins, 0).is_some())
            }
            VectorLine::Peer { .. } => false,
        })
    }

    /// Why the vector cannot be played in secure messaging, if it cannot. `longest` is the length
    /// of the longest command that the card takes, in bytes.
    #[must_use]
    pub fn skip_reason_in_channel(
        &self,
        protocol: Protocol,
        longest: usize,
    ) -> Option<&'static str> {
        self.commands().find_map(|command| in_channel::skip_reason(command, protocol, longest))
    }

    /// Whether what the card was before does not matter, because the first command initialises it.
    fn begins_with_initialisation(&self) -> bool {
        self.command_lines().next().is_some_and(|first| {
            Command::parse(&first.command).is_ok_and(|command| {
                let objects = tlv::parse(&command.data).unwrap_or_default();
                let initialises =
                    command.ins == 0x50 && tlv::find(&objects, 0x82) == Some(&SO_PIN[..]);
                initialises && first.expected.iter().all(|expected| expected.response == "9000")
            })
        })
    }
}

impl PeerAction {
    /// What stands after `!`.
    fn parse(words: &str) -> Option<Self> {
        match words.split(' ').collect::<Vec<_>>().as_slice() {
            ["peer" | "founder", "authenticates"] => Some(Self::Authenticate),
            ["peer" | "founder", "refills", "key", key, "with", uses] => {
                Some(Self::Refill { key: key.parse().ok()?, uses: uses.parse().ok()? })
            }
            _ => None,
        }
    }

    /// The header of the command that it is for.
    fn command(self) -> &'static [u8] {
        match self {
            Self::Authenticate => &[0x00, 0x82, 0x00, 0x00],
            Self::Refill { .. } => &[0x80, 0x3E, 0x00, 0x00],
        }
    }

    fn run(
        self,
        card: &mut dyn Transport,
        location: impl Fn() -> Location,
    ) -> Result<(), PlayError> {
        match self {
            Self::Authenticate => peer_card::authenticate(card, location),
            Self::Refill { key, uses } => peer_card::refill(card, key, uses, location),
        }
    }
}

impl CommandLine {
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

fn at(line: usize, what: impl Into<String>) -> VectorError {
    VectorError { line, what: what.into() }
}

/// The lines of a body, each with its number; one that begins with a blank belongs to the one
/// before.
fn parse_lines<'a>(
    body: impl Iterator<Item = (&'a str, usize)>,
) -> Result<Vec<VectorLine>, VectorError> {
    let mut texts: Vec<(String, usize)> = Vec::new();
    for (line, number) in body.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
        match texts.last_mut().filter(|_| line.starts_with(' ')) {
            Some((last, _)) => last.push_str(line),
            None => texts.push((line.to_owned(), number)),
        }
    }
    let mut lines = Vec::new();
    for (text, line) in texts {
        match (text.split_once(['<', '>']), lines.last_mut()) {
            (None, _) if text.trim() == "! reset" => lines.push(VectorLine::Reset),
            (None, _) if text.starts_with("! ") => {
                let action =
                    text.strip_prefix("! ").and_then(|words| PeerAction::parse(words.trim()));
                let action = action.ok_or_else(|| at(line, "not what happens to a card"))?;
                lines.push(VectorLine::Peer { line, action });
            }
            (Some(("", command)), _) if text.starts_with('>') => {
                let command: String = command.split_whitespace().collect();
                let command = base16ct::mixed::decode_vec(&command)
                    .map_err(|_| at(line, "the command is not hexadecimal"))?;
                lines.push(VectorLine::Command(CommandLine {
                    line,
                    command,
                    expected: Vec::new(),
                }));
            }
            (Some((names, response)), Some(VectorLine::Command(CommandLine { expected, .. }))) => {
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
    Ok(lines)
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

    /// A card that has the same response to every command.
    struct Responds([u8; 4]);

    impl Transport for Responds {
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
            let mut card = Responds([version[0], version[1], 0x90, 0x00]);
            assert_eq!(vector.run(firmware, &mut card).is_ok(), fits, "{firmware}: {version:?}");
        }
        let result = vector.run("1.2", &mut Responds([0; 4]));
        let expected = match result {
            Err(PlayError::Mismatch(mismatch)) => mismatch.expected,
            _ => String::new(),
        };
        assert_eq!(expected, "01029000");
    }

    #[test]
    fn an_error_names_its_line() {
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
