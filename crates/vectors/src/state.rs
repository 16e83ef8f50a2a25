//! The state that a card is in before the first command of a vector, and how it gets there.

use crate::deviation::{Place, Trouble};
use crate::{PIN, group};
use std::str::FromStr;
use vschsm_card::tlv::encode;
use vschsm_card::{Card, Curve};
use vschsm_host::{Transport, command};

/// What an [`Any`](State::Any) vector is played to besides a new card.
const IN_USE: &str =
    "initialised, key 1 secp256r1, file C401 30, file CD01 AABB, file CE01 67, logged in";

/// The line `card:` of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Whatever state it is in.
    Any,
    /// As delivered, never initialised.
    New,
    /// Made by commands.
    Made(Made),
}

/// A state that commands make, the first of which initialises the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    changes: Vec<Change>,
    logged_in: bool,
}

/// A command of the preparation, and what it does, such as "makes key 1".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The words after "the check".
    pub words: String,
    means: Means,
}

/// How a card is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Means {
    Command(Vec<u8>),
    /// Membership in the group of the founder, who has to sign it, in a new domain.
    Membership(u8),
    /// The founder's key is registered.
    Registration,
    /// The founder's certificates are verified.
    Introduction,
}

impl State {
    /// Parses the phrases, which are separated by commas.
    pub fn parse(phrases: &str) -> Result<Self, String> {
        match phrases {
            "any" => Ok(Self::Any),
            "new" => Ok(Self::New),
            _ => Made::parse(phrases).map(Self::Made),
        }
    }

    /// Plays to new cards that `deliver` makes, one for each state that is an example of this one.
    pub fn show(
        &self,
        mut deliver: impl FnMut() -> Result<Card, Trouble>,
        mut play: impl FnMut(&mut Card) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        for state in self.examples() {
            let mut card = deliver()?;
            state.prepare(&mut card)?;
            play(&mut card)?;
        }
        Ok(())
    }

    /// The states in which a card in this process shows whether a vector holds.
    fn examples(&self) -> Vec<Self> {
        match self {
            Self::Any => {
                let in_use = Made::parse(IN_USE).expect("a test parses it");
                vec![Self::New, Self::Made(in_use)]
            }
            state => vec![state.clone()],
        }
    }

    /// Whether only a card that is made under the test root can get there.
    #[must_use]
    pub fn needs_test_root(&self) -> bool {
        self.changes().iter().any(|change| !matches!(change.means, Means::Command(_)))
    }

    /// What is done to the card to get it there.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::Made(made) => &made.changes,
            Self::Any | Self::New => &[],
        }
    }

    /// Prepares a card, the last thing being a reset and SELECT of the applet, and a login where
    /// the state has one.
    pub fn prepare(&self, card: &mut dyn Transport) -> Result<(), Trouble> {
        let login = |card: &mut dyn Transport| {
            let place = || Place::Preparation("verifies the user PIN".into());
            Trouble::unless_ok(card, place, &command::verify(PIN)).map(drop)
        };
        if !self.changes().is_empty() {
            let place = || Place::Preparation("selects the applet".into());
            Trouble::unless_ok(card, place, command::SELECT_APPLET)?;
        }
        for (index, change) in self.changes().iter().enumerate() {
            // Whether initialisation logs in is for a vector to say.
            if index == 1 {
                login(card)?;
            }
            let place = || Place::Preparation(change.words.clone());
            match &change.means {
                Means::Command(command) => Trouble::unless_ok(card, place, command).map(drop)?,
                Means::Membership(domain) => group::join(card, *domain, place)?,
                Means::Registration => group::register(card, place)?,
                Means::Introduction => group::introduce(card, place)?,
            }
        }
        card.begin().map_err(Trouble::broken)?;
        match self {
            Self::Made(Made { logged_in: true, .. }) => login(card),
            _ => Ok(()),
        }
    }
}

impl Made {
    /// Parses the phrases: the first initialises the card, the last may be `logged in`.
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
        let words = "initialises the card, which loses its keys and files".into();
        let mut changes = vec![Change { words, means: Means::Command(initialize) }];
        for phrase in phrases {
            changes.push(Change::parse(phrase)?);
        }
        Ok(Self { changes, logged_in })
    }
}

impl Change {
    /// Parses a phrase of what an initialised card gets.
    fn parse(phrase: &str) -> Result<Self, String> {
        let words: Vec<&str> = phrase.split(' ').collect();
        let (doing, command) = match words.as_slice() {
            ["domain", slot, "shares", shares] => {
                let header = [0x80, 0x52, 0x01, number(slot)?];
                ("creates key ", command::with_le(header, &[number(shares)?]))
            }
            ["domain", domain, "of", "the", "group"] => {
                return Ok(Self {
                    words: format!("creates key {phrase}"),
                    means: Means::Membership(number(domain)?),
                });
            }
            ["founder", "registered"] => {
                return Ok(Self {
                    words: "registers the founder's key".into(),
                    means: Means::Registration,
                });
            }
            ["founder", "introduced"] => {
                return Ok(Self {
                    words: "verifies the founder's certificates".into(),
                    means: Means::Introduction,
                });
            }
            ["share", byte] => ("imports DKEK ", import("0", byte)?),
            ["share", byte, "for", "domain", domain] => ("imports DKEK ", import(domain, byte)?),
            ["key", id, "AES", bits, limits @ ..] => ("makes ", aes(id, bits, limits)?),
            ["key", id, "RSA", bits, limits @ ..] => {
                let template = command::rsa_template(number(bits)?, &objects(limits)?);
                ("makes ", command::generate(number(id)?, &template))
            }
            ["key", id, curve, limits @ ..] => {
                let known = Curve::from_name(curve);
                let known = known.ok_or_else(|| format!("no curve is called {curve:?}"))?;
                let template = command::ec_template(known.domain(), &objects(limits)?);
                ("makes ", command::generate(number(id)?, &template))
            }
            ["file", fid, content] => {
                let fid = u16::from_be_bytes(array(fid)?);
                return Ok(Self {
                    words: format!("writes file {fid:04X}"),
                    means: Means::Command(command::write(fid, &bytes(content)?)),
                });
            }
            _ => return Err(format!("not a state that a card can be in: {phrase}")),
        };
        Ok(Self { words: format!("{doing}{phrase}"), means: Means::Command(command) })
    }
}

fn aes(id: &str, bits: &str, limits: &[&str]) -> Result<Vec<u8>, String> {
    let size = match bits {
        "128" => 0xB0,
        "192" => 0xB1,
        "256" => 0xB2,
        _ => return Err(format!("AES has no keys of {bits} bits")),
    };
    Ok(command::without_le([0x00, 0x48, number(id)?, size], &objects(limits)?))
}

/// Imports a share of 32 equal bytes.
fn import(domain: &str, byte: &str) -> Result<Vec<u8>, String> {
    let [byte] = array(byte)?;
    Ok(command::import_share(number(domain)?, &[byte; 32]))
}

/// Objects for phrases such as `uses 2` and `algorithms 7392`.
fn objects(limits: &[&str]) -> Result<Vec<u8>, String> {
    let mut objects = Vec::new();
    for pair in limits.chunks(2) {
        objects.extend(match pair {
            ["uses", uses] => encode(0x90, &number::<u32>(uses)?.to_be_bytes()),
            ["domain", domain] => encode(0x92, &[number(domain)?]),
            ["refill", "founder"] => group::refill_key(),
            ["algorithms", algorithms] => encode(0x91, &bytes(algorithms)?),
            _ => return Err(format!("not a limit of a key: {}", pair.join(" "))),
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
            State::parse("shares 1, share 44, key 2 RSA 1024 uses 2, file CE01 AA, logged in");
        let words: Vec<_> =
            state.iter().flat_map(State::changes).map(|change| &change.words).collect();
        assert_eq!(
            words,
            [
                "initialises the card, which loses its keys and files",
                "imports DKEK share 44",
                "makes key 2 RSA 1024 uses 2",
                "writes file CE01",
            ]
        );
        assert_eq!(State::Any.examples().len(), 2);
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
            assert!(State::parse(phrases).is_err(), "{phrases}");
        }
    }
}
