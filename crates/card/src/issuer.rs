//! The side of a card's issuer, for `vschsm update`: the commands that replace a card's firmware.
//!
//! [`Update`] knows no reader: it gives a command, and takes the response for the next one.

use crate::card_manager;
use crate::profile::Profile;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use sha2::{Digest, Sha256};
use vschsm_protocol::aid::{self, APPLET, MODULE, PACKAGE};
use vschsm_protocol::apdu::Status;
use vschsm_protocol::instruction::{self, CARD_MANAGER};
use vschsm_protocol::load_file::{self, Package, length_value};
use vschsm_protocol::scp02::IssuerKeys;
use vschsm_protocol::scp02::{self, Initiation, SecureChannel};
use vschsm_protocol::tlv;
use zeroize::Zeroizing;

/// The most data of a LOAD, in bytes: with its MAC it fits a short command.
const BLOCK: usize = 239;

/// The commands before those in the channel: SELECT, GET DATA, INITIALIZE UPDATE, EXTERNAL
/// AUTHENTICATE. One follows: SELECT of the applet.
const COMMANDS_AROUND: usize = 5;

/// Three keys of 16 bytes: encryption, MAC, data encryption.
#[derive(Clone)]
pub struct Keys(Zeroizing<[[u8; 16]; 3]>);

impl From<[[u8; 16]; 3]> for Keys {
    fn from(keys: [[u8; 16]; 3]) -> Self {
        Self(Zeroizing::new(keys))
    }
}

/// Shows no secret.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// An update of a card's firmware.
pub struct Update {
    keys: Option<Keys>,
    host_challenge: [u8; 8],
    stage: Stage,
    /// What is to be sent in the channel.
    commands: VecDeque<([u8; 4], Vec<u8>)>,
    /// How many commands there are, from the first to the last.
    length: usize,
}

/// The longest file of a firmware whose package fits 256 blocks, in bytes.
const LONGEST_FIRMWARE: usize = 60_000;

/// A firmware as GlobalPlatform clients load it: a load file data block, the components of a CAP
/// file one after the other.
pub fn package(firmware: &Profile) -> Result<Vec<u8>, Error> {
    let fits = firmware.source().len() <= LONGEST_FIRMWARE;
    let (version, method) = (firmware.version(), firmware.source().as_bytes());
    fits.then(|| load_file::encode(Package { version, method })).ok_or(Error::TooLong)
}

/// Which command's response comes next.
enum Stage {
    SelectCardManager,
    GetData,
    InitializeUpdate { options: u8 },
    InChannel { name: &'static str, channel: SecureChannel },
    SelectApplet,
}

/// Why a card was not updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The firmware's file has more than 60,000 bytes.
    TooLong,
    /// The command of that name has failed.
    Refused(&'static str, Status),
    /// The response to the command of that name is not what it should be.
    Malformed(&'static str),
    /// The card talks to its issuer in another protocol than SCP02 with options 15 or 55.
    Protocol,
    /// The card does not have the issuer's keys.
    OtherKeys,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the firmware's file has more than 60,000 bytes"),
            Self::Refused(command, status) => write!(f, "{command} answers {status:?}"),
            Self::Malformed(command) => write!(f, "{command} answers nonsense"),
            Self::Protocol => f.write_str("the card does not talk SCP02 with its issuer"),
            Self::OtherKeys => f.write_str("the card has other keys than its issuer's"),
        }
    }
}

impl core::error::Error for Error {}

impl Update {
    /// An update to that firmware; `keys` are the issuer's, unless the card has those that it was
    /// delivered with, and `host_challenge` is random.
    pub fn new(
        firmware: &Profile,
        keys: Option<Keys>,
        host_challenge: [u8; 8],
    ) -> Result<Self, Error> {
        let file = package(firmware)?;
        let [package, module, applet] = [&PACKAGE[..], &MODULE, &APPLET].map(length_value);
        let mut commands = VecDeque::new();
        commands.push_back(([0x80, 0xE4, 0x00, 0x80], tlv::encode(0x4F, &PACKAGE)));
        let for_load =
            [&package[..], &[0x00], &length_value(&Sha256::digest(&file)), &[0x00, 0x00]];
        commands.push_back(([0x80, 0xE6, 0x02, 0x00], for_load.concat()));
        let file = tlv::encode(0xC4, &file);
        let mut blocks = file.chunks(BLOCK).zip(0..=u8::MAX).peekable();
        while let Some((block, number)) = blocks.next() {
            let p1 = if blocks.peek().is_some() { 0x00 } else { 0x80 };
            commands.push_back(([0x80, 0xE8, p1, number], block.to_vec()));
        }
        let for_install = [&package[..], &module, &applet, &[0x01, 0x00], &[0x00, 0x00]];
        commands.push_back(([0x80, 0xE6, 0x0C, 0x00], for_install.concat()));
        let length = commands.len() + COMMANDS_AROUND;
        Ok(Self { keys, host_challenge, stage: Stage::SelectCardManager, commands, length })
    }

    /// How many commands it takes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The first command.
    #[must_use]
    pub fn first(&self) -> Vec<u8> {
        select(&aid::CARD_MANAGER)
    }

    /// The next command after a response; none when the card has its new firmware.
    pub fn next(&mut self, response: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let name = self.stage.name();
        let (data, status) = response.split_last_chunk::<2>().ok_or(Error::Malformed(name))?;
        let status = Status(u16::from_be_bytes(*status));
        if status != Status::OK {
            return Err(Error::Refused(name, status));
        }
        let stage = core::mem::replace(&mut self.stage, Stage::SelectApplet);
        let (stage, command) = match stage {
            Stage::SelectCardManager => (Stage::GetData, Vec::from([0x80, 0xCA, 0x00, 0x66, 0x00])),
            Stage::GetData => {
                let options = options(data).ok_or(Error::Protocol)?;
                let header = [0x80, 0x50, 0x00, 0x00, 0x08];
                let command = [&header[..], &self.host_challenge, &[0x00]].concat();
                (Stage::InitializeUpdate { options }, command)
            }
            Stage::InitializeUpdate { options } => {
                let (command, channel) = self.initiation(options, data)?.prove();
                (Stage::InChannel { name: "EXTERNAL AUTHENTICATE", channel }, command)
            }
            Stage::InChannel { mut channel, .. } => match self.commands.pop_front() {
                Some((header, data)) => {
                    let command = channel.secure(header, &data);
                    let [_, ins, ..] = header;
                    let name = instruction::name(CARD_MANAGER, ins, 0).unwrap_or_default();
                    let command = command.map_err(|status| Error::Refused(name, status))?;
                    (Stage::InChannel { name, channel }, command)
                }
                None => (Stage::SelectApplet, select(&APPLET)),
            },
            Stage::SelectApplet => return Ok(None),
        };
        self.stage = stage;
        Ok(Some(command))
    }

    /// What INITIALIZE UPDATE has begun.
    fn initiation(&self, options: u8, answer: &[u8]) -> Result<Initiation, Error> {
        let malformed = Error::Malformed("INITIALIZE UPDATE");
        let (diversification, rest) = answer.split_first_chunk().ok_or(malformed)?;
        let [version, 0x02, high, low, a, b, c, d, e, f, cryptogram @ ..] = rest else {
            return Err(malformed);
        };
        let sequence = u16::from_be_bytes([*high, *low]);
        let delivered = IssuerKeys::derived(diversification);
        let keys = self.keys.as_ref().map_or(delivered.keys(), |Keys(keys)| keys);
        let keys = IssuerKeys::restored(*version, keys, sequence).ok_or(malformed)?;
        let challenge = [*a, *b, *c, *d, *e, *f];
        Initiation::of_issuer(&keys, options, self.host_challenge, challenge, cryptogram)
            .ok_or(Error::OtherKeys)
    }
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Self::SelectCardManager => "SELECT of the card manager",
            Self::GetData => "GET DATA",
            Self::InitializeUpdate { .. } => "INITIALIZE UPDATE",
            Self::InChannel { name, .. } => name,
            Self::SelectApplet => "SELECT of the applet",
        }
    }
}

/// The options of SCP02 in card recognition data, if they are those of a SmartCard-HSM.
fn options(recognition: &[u8]) -> Option<u8> {
    let scheme = tlv::at(recognition, &[0x66, 0x73, 0x64, 0x06])?;
    let options = *scheme.strip_prefix(&card_manager::SCP02)?.first()?;
    scp02::OPTIONS.contains(&options).then_some(options)
}

fn select(name: &[u8]) -> Vec<u8> {
    [&[0x00, 0xA4, 0x04, 0x00][..], &length_value(name), &[0x00]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Card;
    use crate::personalisation::PersonalisationData;

    /// Sends the commands of an update; how many they were, and how many it had announced.
    fn update(card: &mut Card, firmware: &str, keys: Option<Keys>) -> Result<[usize; 2], Error> {
        let firmware = Profile::built_in(firmware).expect("it is built in");
        let mut update = Update::new(&firmware, keys, [7; 8])?;
        let mut next = Some(update.first());
        let mut sent = 0;
        while let Some(command) = next {
            next = update.next(&card.transmit(&command).response)?;
            sent += 1;
        }
        Ok([sent, update.length()])
    }

    fn card(firmware: &str) -> Card {
        let firmware = Profile::built_in(firmware).expect("it is built in");
        Card::new(&PersonalisationData::default(), firmware, [9; 32]).expect("the default data")
    }

    #[test]
    fn an_update_takes_as_many_commands_as_it_says_and_ends_with_the_new_firmware() {
        for (old, new) in [("2.0", "2.5"), ("3.1", "3.4"), ("4.0", "4.1")] {
            let mut card = card(old);
            let [sent, announced] = update(&mut card, new, None).expect("it is updated");
            assert_eq!(sent, announced);
            assert_eq!(card.profile().name(), new);
            let former =
                card.state().previous_firmwares().iter().map(|former| former.firmware.as_str());
            assert!(former.eq([old]));
        }
    }

    #[test]
    fn an_update_to_another_platform_is_refused_when_the_card_has_seen_what_it_is() {
        let mut card = card("2.5");
        let refused = Error::Refused("LOAD", Status::FUNCTION_NOT_SUPPORTED);
        assert_eq!(update(&mut card, "2.6", None), Err(refused));
        assert_eq!(card.profile().name(), "2.5");
    }

    #[test]
    fn a_card_with_other_keys_is_not_talked_to() {
        let mut card = card("3.1");
        assert_eq!(update(&mut card, "3.4", Some([[1; 16]; 3].into())), Err(Error::OtherKeys));
    }
}
