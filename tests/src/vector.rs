//! Vector files: commands and the responses to them. `vectors/README.md` describes the format.

use crate::test_card::{PIN, TestCard, ec_template, rsa_template, tlv};
use crate::{digits, firmwares, hex};
use card::Curve;

/// A vector file, taken apart.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The sentence that the first line is.
    pub sentence: String,
    /// The firmwares that it is for.
    pub firmwares: Vec<String>,
    /// The state the card is in before the first step, in phrases.
    pub card: Vec<String>,
    /// Where the fact comes from.
    pub source: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Reset,
    Exchange { command: Vec<u8>, expected: Vec<Expected> },
}

/// A response, and the firmwares it is that of; without any, all that are not named otherwise.
#[derive(Clone, Debug)]
struct Expected {
    firmwares: Option<Vec<String>>,
    response: String,
}

impl Vector {
    /// Parses a file; the error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (header, body) = text.split_once("\n\n").ok_or("no empty line after the header")?;
        let mut lines = header.lines();
        let sentence = lines.next().and_then(|line| line.strip_prefix("# "));
        let sentence = sentence.ok_or("the first line is not a sentence after #")?.to_owned();
        let mut firmwares = selected("-")?;
        let (mut card, mut source) = (Vec::new(), String::new());
        for line in lines {
            match line.split_once(": ") {
                Some(("firmware", names)) => firmwares = selected(names)?,
                Some(("card", phrases)) => card = phrases.split(", ").map(Into::into).collect(),
                Some(("source", text)) => source = text.to_owned(),
                _ if line.starts_with("# ") => {}
                _ => return Err(format!("not a header line: {line}")),
            }
        }
        let kinds = ["observed", "published", "derived", "guess"];
        if !kinds.iter().any(|kind| source.starts_with(kind)) {
            return Err(format!("the source is none of {}: \"{source}\"", kinds.join(", ")));
        }
        let vector = Self { sentence, firmwares, card, source, steps: steps(body)? };
        vector.check().map(|()| vector)
    }

    /// Whether every command has one response for each firmware, and every response a firmware.
    fn check(&self) -> Result<(), String> {
        for step in &self.steps {
            let Step::Exchange { command, expected } = step else { continue };
            let unique = self.firmwares.iter().all(|firmware| {
                expected.iter().filter(|response| response.names(firmware)).count() <= 1
            });
            let complete = self.firmwares.iter().all(|name| answer(expected, name).is_some());
            let used = expected.iter().filter_map(|response| response.firmwares.as_ref());
            let used = used.flatten().all(|name| self.firmwares.contains(name));
            let common = expected.iter().filter(|response| response.firmwares.is_none()).count();
            if !(unique && complete && used && common <= 1) {
                return Err(format!("not one response for each firmware: > {}", digits(command)));
            }
        }
        Ok(())
    }

    /// The commands that have a response on some firmware, each with every response to it.
    pub fn exchanges(&self) -> impl Iterator<Item = (&[u8], &str)> {
        self.steps.iter().flat_map(|step| match step {
            Step::Reset => Vec::new(),
            Step::Exchange { command, expected } => {
                let responses = expected.iter().map(|expected| expected.response.as_str());
                responses.map(|response| (command.as_slice(), response)).collect()
            }
        })
    }

    /// Plays the vector to a fresh card of that firmware; the error tells the step that went wrong.
    pub fn play(&self, firmware: &str) -> Result<(), String> {
        let mut card = prepare(firmware, &self.card)?;
        for step in &self.steps {
            let Step::Exchange { command, expected } = step else {
                card.card().reset();
                continue;
            };
            let wanted = answer(expected, firmware).ok_or("a command without a response")?;
            let answer = card.card().transmit(command).response;
            if !matches(wanted, &answer) {
                return Err(format!(
                    "> {}\n  wanted {wanted}\n  got    {}",
                    digits(command),
                    digits(&answer)
                ));
            }
        }
        Ok(())
    }
}

impl Expected {
    fn names(&self, firmware: &str) -> bool {
        self.firmwares.as_ref().is_some_and(|names| names.iter().any(|name| name == firmware))
    }
}

/// The response of that firmware: its own, or the common one.
fn answer<'a>(expected: &'a [Expected], firmware: &str) -> Option<&'a str> {
    let own = expected.iter().find(|response| response.names(firmware));
    let common = || expected.iter().find(|response| response.firmwares.is_none());
    own.or_else(common).map(|expected| expected.response.as_str())
}

/// The firmwares that names and ranges of names select: `2.6`, `3.0-`, `-2.6`, `3.0-3.2`.
fn selected(words: &str) -> Result<Vec<String>, String> {
    let all: Vec<_> = firmwares().collect();
    let place = |name: &str| {
        let found = all.iter().position(|known| *known == name);
        found.ok_or_else(|| format!("no firmware is called {name:?}"))
    };
    let mut selected = Vec::new();
    for word in words.split_whitespace() {
        let (first, last) = match word.split_once('-') {
            None => (place(word)?, place(word)?),
            Some((first, last)) => (
                if first.is_empty() { 0 } else { place(first)? },
                if last.is_empty() { all.len() - 1 } else { place(last)? },
            ),
        };
        let range = all.get(first..=last).filter(|range| !range.is_empty());
        let range = range.ok_or_else(|| format!("no firmware is in {word}"))?;
        selected.extend(range.iter().map(|name| (*name).to_owned()));
    }
    Ok(selected)
}

fn steps(body: &str) -> Result<Vec<Step>, String> {
    // A line that begins with a blank goes on with the one before.
    let mut lines: Vec<String> = Vec::new();
    for line in body.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match lines.last_mut().filter(|_| line.starts_with(' ')) {
            Some(last) => last.push_str(line),
            None => lines.push(line.to_owned()),
        }
    }
    let mut steps = Vec::new();
    for line in &lines {
        match (line.split_once(['<', '>']), steps.last_mut()) {
            (None, _) if line.trim() == "! reset" => steps.push(Step::Reset),
            (Some(("", command)), _) if line.starts_with('>') => {
                steps.push(Step::Exchange { command: hex(command), expected: Vec::new() });
            }
            (Some((names, response)), Some(Step::Exchange { expected, .. })) => {
                let firmwares = (!names.is_empty()).then(|| selected(names)).transpose()?;
                let response = response.split_whitespace().collect();
                expected.push(Expected { firmwares, response });
            }
            _ => return Err(format!("neither a command, a response nor a reset: {line}")),
        }
    }
    Ok(steps)
}

/// A card in the state that the phrases tell.
fn prepare(firmware: &str, phrases: &[String]) -> Result<TestCard, String> {
    let mut card = TestCard::new(firmware);
    let mut logged_in = false;
    for phrase in phrases {
        let words: Vec<&str> = phrase.split(' ').collect();
        match words.as_slice() {
            ["new"] => {}
            ["initialised"] => card.initialise(&[0x00, 0x01], PIN.as_bytes(), 3),
            ["options", options] => card.initialise(&hex(options), PIN.as_bytes(), 3),
            ["shares", shares] => card.initialise_with(&tlv(0x92, &[number(shares)?])),
            ["domains", slots] => card.initialise_with(&tlv(0x97, &[number(slots)?])),
            ["domain", slot, "shares", shares] => {
                card.send(0x80, 0x52, 0x01, number(slot)?, &[number(shares)?]).expect_ok();
            }
            ["share", byte] => import(&mut card, "0", byte)?,
            ["share", byte, "for", "domain", domain] => import(&mut card, domain, byte)?,
            ["logged", "in"] => logged_in = true,
            ["key", id, "RSA", bits, limits @ ..] => {
                let bits = bits.parse().map_err(|_| phrase.clone())?;
                let template = rsa_template(bits, &self::limits(limits)?);
                generate(&mut card, id, &template)?;
            }
            ["key", id, "AES", bits, limits @ ..] => {
                let bits = bits.parse().map_err(|_| phrase.clone())?;
                card.generate_aes(number(id)?, bits, &self::limits(limits)?);
            }
            ["key", id, curve, limits @ ..] => {
                let curve = Curve::from_name(curve).ok_or_else(|| phrase.clone())?;
                let template = ec_template(curve.domain(), &self::limits(limits)?);
                generate(&mut card, id, &template)?;
            }
            ["file", fid, content] => {
                let fid = u16::from_str_radix(fid, 16).map_err(|_| phrase.clone())?;
                card.write(fid, &hex(content)).expect_ok();
            }
            _ => return Err(format!("not a state that a card can be in: {phrase}")),
        }
    }
    card.card().reset();
    Ok(if logged_in { card.logged_in() } else { card })
}

fn generate(card: &mut TestCard, id: &str, template: &[u8]) -> Result<(), String> {
    card.send(0x00, 0x46, number(id)?, 0x00, template).expect_ok();
    Ok(())
}

/// Imports a share of 32 equal bytes.
fn import(card: &mut TestCard, domain: &str, byte: &str) -> Result<(), String> {
    let byte = u8::from_str_radix(byte, 16).map_err(|_| format!("not a byte: {byte}"))?;
    card.import_share(number(domain)?, &[byte; 32]).expect_ok();
    Ok(())
}

fn number(digits: &str) -> Result<u8, String> {
    digits.parse().map_err(|_| format!("not a number of one byte: {digits}"))
}

/// Objects for phrases such as `uses 2` and `algorithms 7392`.
fn limits(words: &[&str]) -> Result<Vec<u8>, String> {
    let mut objects = Vec::new();
    for pair in words.chunks(2) {
        match pair {
            ["uses", uses] => {
                let uses: u32 = uses.parse().map_err(|_| format!("not a number: {uses}"))?;
                objects.extend(tlv(0x90, &uses.to_be_bytes()));
            }
            ["domain", domain] => {
                let domain = domain.parse().map_err(|_| format!("not a number: {domain}"))?;
                objects.extend(tlv(0x92, &[domain]));
            }
            ["algorithms", algorithms] => objects.extend(tlv(0x91, &hex(algorithms))),
            _ => return Err(format!("not a limit of a key: {}", pair.join(" "))),
        }
    }
    Ok(objects)
}

/// Whether `answer` is what `pattern` says: digits, `..` for any byte, `*` for any run of bytes.
fn matches(pattern: &str, answer: &[u8]) -> bool {
    match (pattern.split_at_checked(1), answer) {
        (None, answer) => answer.is_empty(),
        (Some(("*", rest)), _) => {
            (0..=answer.len()).any(|skip| matches(rest, answer.get(skip..).unwrap_or_default()))
        }
        (_, []) => false,
        (_, [first, after @ ..]) => {
            let (byte, rest) = pattern.split_at_checked(2).unwrap_or((pattern, ""));
            (byte == ".." || u8::from_str_radix(byte, 16) == Ok(*first)) && matches(rest, after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_firmwares_has_both_its_ends() {
        assert_eq!(selected("-2.0 3.4 4.0-").unwrap(), ["1.2", "2.0", "3.4", "4.0", "4.1"]);
        assert_eq!(selected("2.5-3.1").unwrap(), ["2.5", "2.6", "3.0", "3.1"]);
        assert_eq!(selected("-").unwrap().len(), firmwares().count());
        for nothing in ["3.1-2.5", "9.9", "2.6-9.9", "2.6--"] {
            assert!(selected(nothing).is_err(), "{nothing}");
        }
    }

    #[test]
    fn a_command_with_two_responses_of_a_firmware_or_none_is_no_vector() {
        let parse = |responses: &str| {
            let header = "# Sentence.\nfirmware: 2.5-3.1\nsource: guess";
            Vector::parse(&format!("{header}\n\n> 00200081\n{responses}\n"))
        };
        for good in ["< 9000", "2.6< 6D00\n< 9000", "-2.6< 6D00", "2.5 3.0-3.1< 6D00\n2.6< 9000"] {
            assert_eq!(parse(good).is_ok(), !good.starts_with('-'), "{good}");
        }
        for bad in ["", "2.6< 9000", "2.5-3.0< 6D00\n2.6-3.1< 9000", "< 9000\n< 6D00"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
