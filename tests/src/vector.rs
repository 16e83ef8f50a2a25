//! Vector files: commands and the responses to them. `vectors/README.md` describes the format.

use crate::test_card::{PIN, TestCard, ec_template, rsa_template, tlv};
use crate::{digits, hex};
use card::Curve;
use card::profile::BUILT_IN;

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
    Exchange { command: Vec<u8>, expected: Vec<(Option<String>, String)> },
}

impl Vector {
    /// Parses a file; the error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (header, body) = text.split_once("\n\n").ok_or("no empty line after the header")?;
        let mut lines = header.lines();
        let sentence = lines.next().and_then(|line| line.strip_prefix("# "));
        let sentence = sentence.ok_or("the first line is not a sentence after #")?.to_owned();
        let mut firmwares: Vec<_> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        let (mut card, mut source) = (Vec::new(), String::new());
        for line in lines {
            match line.split_once(": ") {
                Some(("firmware", names)) => {
                    firmwares = names.split_whitespace().map(Into::into).collect();
                }
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
        Ok(Self { sentence, firmwares, card, source, steps: steps(body)? })
    }

    /// The commands that have a response on some firmware, each with every response to it.
    pub fn exchanges(&self) -> impl Iterator<Item = (&[u8], &str)> {
        self.steps.iter().flat_map(|step| match step {
            Step::Reset => Vec::new(),
            Step::Exchange { command, expected } => {
                let responses = expected.iter().map(|(_, response)| response.as_str());
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
            let own = expected.iter().find(|(name, _)| name.as_deref() == Some(firmware));
            let common = || expected.iter().find(|(name, _)| name.is_none());
            let (_, wanted) = own.or_else(common).ok_or("a command without a response")?;
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
            (Some((firmware, response)), Some(Step::Exchange { expected, .. })) => {
                let firmware = (!firmware.is_empty()).then(|| firmware.to_owned());
                let response = response.split_whitespace().collect();
                expected.push((firmware, response));
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

fn number(id: &str) -> Result<u8, String> {
    id.parse().map_err(|_| format!("not a key number: {id}"))
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
