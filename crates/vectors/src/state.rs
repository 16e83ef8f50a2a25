//! The state that a card is in before the first command of a vector, and how it gets there.

use crate::play_error::{Location, PlayError, expect_ok};
use crate::{PIN, peer_card};
use std::str::FromStr;
use vschsm_card::Card;
use vschsm_host::{Transport, command};
use vschsm_protocol::crypto::curve::Curve;
use vschsm_protocol::tlv::encode;

/// What a vector for [`Any`](CardState::Any) card is played to besides a new card.
const IN_USE: &str =
    "initialised, key 1 secp256r1, file C401 30, file CD01 AABB, file CE01 67, logged in";

/// The line `card:` of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardState {
    /// Whatever state it is in.
    Any,
    /// As delivered, never initialised.
    New,
    /// Prepared by commands.
    Prepared(Preparation),
}

/// The commands that bring a card into a state; the first initialises the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preparation {
    steps: Vec<PreparationStep>,
    logged_in: bool,
}

/// A step of the preparation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparationStep {
    /// What it does, such as "makes key 1": the words after "the check".
    pub description: String,
    change: Change,
}

/// How a card is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Command(Vec<u8>),
    /// The card becomes a member of the peer card's group, in a new key domain of that number.
    JoinGroup(u8),
    /// The peer card's key is registered for public key authentication.
    RegisterPeer,
    /// The card verifies the peer card's certificates.
    VerifyPeer,
}

impl CardState {
    /// Parses the phrases, which are separated by commas.
    ///
    /// # Errors
    ///
    /// If a phrase is unknown, or stands where it cannot: a sentence.
    pub fn parse(phrases: &str) -> Result<Self, String> {
        match phrases {
            "any" => Ok(Self::Any),
            "new" => Ok(Self::New),
            _ => Preparation::parse(phrases).map(Self::Prepared),
        }
    }

    /// Runs something on new cards, one for each state that is an example of this one.
    ///
    /// # Errors
    ///
    /// Of `new_card`, of the preparation, or of `run`, whichever comes first.
    pub fn for_each_example(
        &self,
        mut new_card: impl FnMut() -> Result<Card, PlayError>,
        mut run: impl FnMut(&mut Card) -> Result<(), PlayError>,
    ) -> Result<(), PlayError> {
        for state in self.examples() {
            let mut card = new_card()?;
            state.prepare(&mut card)?;
            run(&mut card)?;
        }
        Ok(())
    }

    /// The states in which a card in this process shows whether a vector holds.
    fn examples(&self) -> Vec<Self> {
        match self {
            Self::Any => {
                let in_use = Preparation::parse(IN_USE).expect("a test parses it");
                vec![Self::New, Self::Prepared(in_use)]
            }
            state => vec![state.clone()],
        }
    }

    /// Whether only a card that is made under the test root can get there.
    #[must_use]
    pub fn needs_test_root(&self) -> bool {
        self.steps().iter().any(|step| !matches!(step.change, Change::Command(_)))
    }

    /// What is done to the card to get it there.
    #[must_use]
    pub fn steps(&self) -> &[PreparationStep] {
        match self {
            Self::Prepared(preparation) => &preparation.steps,
            Self::Any | Self::New => &[],
        }
    }

    /// Prepares a card, the last thing being a reset and SELECT of the applet, and a login where
    /// the state has one.
    ///
    /// # Errors
    ///
    /// If a command of the preparation has another status word than 9000, or no response.
    pub fn prepare(&self, card: &mut dyn Transport) -> Result<(), PlayError> {
        let login = |card: &mut dyn Transport| {
            let location = || Location::Preparation("verifies the user PIN".into());
            expect_ok(card, location, &command::verify(PIN)).map(drop)
        };
        if !self.steps().is_empty() {
            let location = || Location::Preparation("selects the applet".into());
            expect_ok(card, location, command::SELECT_APPLET)?;
        }
        for (index, step) in self.steps().iter().enumerate() {
            // Whether initialisation logs in is for a vector to say.
            if index == 1 {
                login(card)?;
            }
            let location = || Location::Preparation(step.description.clone());
            match &step.change {
                Change::Command(command) => expect_ok(card, location, command).map(drop)?,
                Change::JoinGroup(domain) => peer_card::join(card, *domain, location)?,
                Change::RegisterPeer => peer_card::register(card, location)?,
                Change::VerifyPeer => peer_card::verify_certificates(card, location)?,
            }
        }
        card.begin().map_err(PlayError::transport)?;
        match self {
            Self::Prepared(Preparation { logged_in: true, .. }) => login(card),
            _ => Ok(()),
        }
    }
}

impl Preparation {
    /// Parses the phrases: the first initialises the card, the last may be `logged in`.
    ///
    /// # Errors
    ///
    /// If a phrase is unknown, or stands where it cannot: a sentence.
    pub fn parse(phrases: &str) -> Result<Self, String> {
        let (phrases, logged_in) = match phrases.strip_suffix(", logged in") {
            Some(phrases) => (phrases, true),
            None => (phrases, false),
        };
        let mut phrases = phrases.split(", ");
        let first = phrases.next().unwrap_or_default();
        let words: Vec<&str> = first.split(' ').collect();
        let initialize = match words.as_slice() {
            ["initialised"] => crate::initialize([0x00, 0x01], &encode(0x91, &[3])),
            ["options", options] => crate::initialize(array(options)?, &encode(0x91, &[3])),
            ["shares", count] => crate::initialize([0x00, 0x01], &encode(0x92, &[number(count)?])),
            ["domains", slots] => crate::initialize([0x00, 0x01], &encode(0x97, &[number(slots)?])),
            ["keys", count, required] => {
                let keys = encode(0x93, &[number(count)?, number(required)?]);
                crate::initialize([0x00, 0x01], &keys)
            }
            _ => return Err(format!("not a state that a card can be in at first: {first}")),
        };
        let description = "initialises the card, which loses its keys and files".into();
        let mut steps = vec![PreparationStep { description, change: Change::Command(initialize) }];
        for phrase in phrases {
            steps.push(PreparationStep::parse(phrase)?);
        }
        Ok(Self { steps, logged_in })
    }
}

impl PreparationStep {
    /// Parses a phrase of what an initialised card gets. `founder` is the older word for `peer`,
    /// and `introduced` for `verified`.
    fn parse(phrase: &str) -> Result<Self, String> {
        let words: Vec<&str> = phrase.split(' ').collect();
        let (verb, command) = match words.as_slice() {
            ["domain", slot, "shares", shares] => {
                let header = [0x80, 0x52, 0x01, number(slot)?];
                ("creates key ", command::with_le(header, &[number(shares)?]))
            }
            ["domain", domain, "of", "the", "group"] => {
                return Ok(Self {
                    description: format!("creates key {phrase}"),
                    change: Change::JoinGroup(number(domain)?),
                });
            }
            ["peer" | "founder", "registered"] => {
                return Ok(Self {
                    description: "registers the peer card's key".into(),
                    change: Change::RegisterPeer,
                });
            }
            ["peer", "verified"] | ["founder", "introduced"] => {
                return Ok(Self {
                    description: "verifies the peer card's certificates".into(),
                    change: Change::VerifyPeer,
                });
            }
            ["share", byte] => ("imports DKEK ", import("0", byte)?),
            ["share", byte, "for", "domain", domain] => ("imports DKEK ", import(domain, byte)?),
            ["key", id, "AES", bits, attributes @ ..] => ("makes ", aes(id, bits, attributes)?),
            ["key", id, "RSA", bits, attributes @ ..] => {
                let template = command::rsa_template(number(bits)?, &objects(attributes)?);
                ("makes ", command::generate(number(id)?, &template))
            }
            ["key", id, curve, attributes @ ..] => {
                let known = Curve::from_name(curve);
                let known = known.ok_or_else(|| format!("no curve is called {curve:?}"))?;
                let template = command::ec_template(known.parameters(), &objects(attributes)?);
                ("makes ", command::generate(number(id)?, &template))
            }
            ["file", fid, content] => {
                let fid = u16::from_be_bytes(array(fid)?);
                return Ok(Self {
                    description: format!("writes file {fid:04X}"),
                    change: Change::Command(command::write(fid, &bytes(content)?)),
                });
            }
            _ => return Err(format!("not a state that a card can be in: {phrase}")),
        };
        Ok(Self { description: format!("{verb}{phrase}"), change: Change::Command(command) })
    }
}

fn aes(id: &str, bits: &str, attributes: &[&str]) -> Result<Vec<u8>, String> {
    let size = match bits {
        "128" => 0xB0,
        "192" => 0xB1,
        "256" => 0xB2,
        _ => return Err(format!("AES has no keys of {bits} bits")),
    };
    Ok(command::without_le([0x00, 0x48, number(id)?, size], &objects(attributes)?))
}

/// Imports a share of 32 equal bytes.
fn import(domain: &str, byte: &str) -> Result<Vec<u8>, String> {
    let [byte] = array(byte)?;
    Ok(command::import_share(number(domain)?, &[byte; 32]))
}

/// Objects for phrases such as `uses 2` and `algorithms 7392`.
fn objects(attributes: &[&str]) -> Result<Vec<u8>, String> {
    let mut objects = Vec::new();
    for pair in attributes.chunks(2) {
        objects.extend(match pair {
            ["uses", uses] => encode(0x90, &number::<u32>(uses)?.to_be_bytes()),
            ["domain", domain] => encode(0x92, &[number(domain)?]),
            ["refill", "peer" | "founder"] => peer_card::refill_key(),
            ["algorithms", algorithms] => encode(0x91, &bytes(algorithms)?),
            _ => return Err(format!("not an attribute of a key: {}", pair.join(" "))),
        });
    }
    Ok(objects)
}

fn number<T: FromStr>(digits: &str) -> Result<T, String> {
    digits.parse().map_err(|_| format!("not a number, or one out of range: {digits}"))
}

fn bytes(digits: &str) -> Result<Vec<u8>, String> {
    base16ct::mixed::decode_vec(digits).map_err(|_| format!("not hexadecimal: {digits}"))
}

fn array<const N: usize>(digits: &str) -> Result<[u8; N], String> {
    let bytes = bytes(digits)?;
    bytes.try_into().map_err(|_| format!("{digits} does not have {N} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_says_what_is_done_to_the_card() {
        let state =
            CardState::parse("shares 1, share 44, key 2 RSA 1024 uses 2, file CE01 AA, logged in");
        let words: Vec<_> =
            state.iter().flat_map(CardState::steps).map(|step| &step.description).collect();
        assert_eq!(
            words,
            [
                "initialises the card, which loses its keys and files",
                "imports DKEK share 44",
                "makes key 2 RSA 1024 uses 2",
                "writes file CE01",
            ]
        );
        assert_eq!(CardState::Any.examples().len(), 2);
    }

    #[test]
    fn older_words_mean_the_same() {
        for (word, older) in [
            ("peer registered", "founder registered"),
            ("peer verified", "founder introduced"),
            ("key 1 secp256r1 uses 2 refill peer", "key 1 secp256r1 uses 2 refill founder"),
        ] {
            let parse = |phrase| {
                let state = CardState::parse(&format!("initialised, {phrase}"));
                state.map(|state| state.steps().iter().map(|step| step.change.clone()).collect())
            };
            let changes: Result<Vec<_>, _> = parse(word);
            assert!(changes.is_ok(), "{word}: {changes:?}");
            assert_eq!(changes, parse(older), "{older}");
        }
    }

    #[test]
    fn what_no_card_can_be_is_refused() {
        for phrases in [
            "",
            "old",
            "logged in",
            "key 1 secp256r1",
            "initialised, new",
            "initialised, key 1",
            "initialised, key 256 RSA 1024",
            "initialised, key 1 AES 64",
            "initialised, any",
            "initialised, key 1 secp256r1 uses",
            "options 1",
            "shares 256",
            "initialised, file CE AA",
        ] {
            assert!(CardState::parse(phrases).is_err(), "{phrases}");
        }
    }
}
