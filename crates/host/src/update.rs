//! The side of a card's issuer: the commands that replace a card's firmware, by GlobalPlatform with
//! SCP02. Real cards have keys that nobody but the vendor knows.
//!
//! [`Update`] gives a command, and takes the response for the next one; [`update`] sends them.

use crate::error::HostError;
use crate::transport::Transport;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fmt;
use vschsm_protocol::aid::{self, APPLET, MODULE, PACKAGE};
use vschsm_protocol::apdu::Status;
use vschsm_protocol::instruction::{self, CARD_MANAGER};
use vschsm_protocol::load_file::{self, Package, length_value};
use vschsm_protocol::scp02::{self, Initiation, IssuerKeys, SecureChannel};
use vschsm_protocol::tlv;
use zeroize::Zeroizing;

/// The most data of a LOAD, in bytes: with its MAC it fits a short command.
const BLOCK: usize = 239;

/// The commands before those in the channel: SELECT, GET DATA, INITIALIZE UPDATE, EXTERNAL
/// AUTHENTICATE. One follows: SELECT of the applet.
const COMMANDS_AROUND: usize = 5;

/// Three keys of 16 bytes: encryption, MAC, data encryption.
#[derive(Clone)]
pub struct IssuerKeySet(Zeroizing<[[u8; 16]; 3]>);

impl From<[[u8; 16]; 3]> for IssuerKeySet {
    fn from(keys: [[u8; 16]; 3]) -> Self {
        Self(Zeroizing::new(keys))
    }
}

/// Shows no secret.
impl fmt::Debug for IssuerKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuerKeySet")
    }
}

/// An update of a card's firmware.
#[derive(Debug)]
pub struct Update {
    keys: Option<IssuerKeySet>,
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
/// file one after the other. `source` is the text of the firmware's file.
///
/// # Errors
/// If that has more than 60,000 bytes.
pub fn package(version: (u8, u8), source: &str) -> Result<Vec<u8>, UpdateError> {
    let fits = source.len() <= LONGEST_FIRMWARE;
    let package = || load_file::encode(Package { version, method: source.as_bytes() });
    fits.then(package).ok_or(UpdateError::TooLong)
}

/// Which command's response comes next.
#[derive(Debug)]
enum Stage {
    SelectCardManager,
    GetData,
    InitializeUpdate { options: u8 },
    InChannel { name: &'static str, channel: SecureChannel },
    SelectApplet,
}

/// Why a card was not updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateError {
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

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the firmware's file has more than 60,000 bytes"),
            Self::Refused(command, status) => write!(f, "{command} returns {status:?}"),
            Self::Malformed(command) => write!(f, "the response to {command} is malformed"),
            Self::Protocol => f.write_str("the card does not talk SCP02 with its issuer"),
            Self::OtherKeys => f.write_str("the card has other keys than its issuer's"),
        }
    }
}

impl std::error::Error for UpdateError {}

/// Updates a card; `progress` is called after each command with its number, from 1 on, and how many
/// there are. `package` is a [`package`](fn@package), `keys` are the issuer's, unless the card has
/// those that it was delivered with.
///
/// # Errors
/// Why the card was not updated. It is the old card then, unless the last command but one was sent.
pub fn update(
    card: &mut dyn Transport,
    package: &[u8],
    keys: Option<IssuerKeySet>,
    mut progress: impl FnMut(usize, usize),
) -> Result<(), HostError> {
    let mut challenge = [0; 8];
    getrandom::fill(&mut challenge)?;
    let mut update = Update::new(package, keys, challenge);
    let mut next = Some(update.first());
    let mut sent = 0;
    while let Some(command) = next {
        let response = card.transmit(&command)?;
        next = update.next(&response)?;
        sent += 1;
        progress(sent, update.length());
    }
    Ok(())
}

impl Update {
    /// An update to the firmware in that [`package`]; `keys` are the issuer's, unless the card has
    /// those that it was delivered with, and `host_challenge` is random.
    #[must_use]
    pub fn new(file: &[u8], keys: Option<IssuerKeySet>, host_challenge: [u8; 8]) -> Self {
        let [package, module, applet] = [&PACKAGE[..], &MODULE, &APPLET].map(length_value);
        let mut commands = VecDeque::new();
        commands.push_back(([0x80, 0xE4, 0x00, 0x80], tlv::encode(0x4F, &PACKAGE)));
        let for_load = [&package[..], &[0x00], &length_value(&Sha256::digest(file)), &[0x00, 0x00]];
        commands.push_back(([0x80, 0xE6, 0x02, 0x00], for_load.concat()));
        let file = tlv::encode(0xC4, file);
        let mut blocks = file.chunks(BLOCK).zip(0..=u8::MAX).peekable();
        while let Some((block, number)) = blocks.next() {
            let p1 = if blocks.peek().is_some() { 0x00 } else { 0x80 };
            commands.push_back(([0x80, 0xE8, p1, number], block.to_vec()));
        }
        let for_install = [&package[..], &module, &applet, &[0x01, 0x00], &[0x00, 0x00]];
        commands.push_back(([0x80, 0xE6, 0x0C, 0x00], for_install.concat()));
        let length = commands.len() + COMMANDS_AROUND;
        Self { keys, host_challenge, stage: Stage::SelectCardManager, commands, length }
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

    /// The next command after a response; `None` when the card has its new firmware.
    ///
    /// # Errors
    /// If the card refuses, or does not have the keys.
    pub fn next(&mut self, response: &[u8]) -> Result<Option<Vec<u8>>, UpdateError> {
        let name = self.stage.name();
        let (data, status) =
            response.split_last_chunk::<2>().ok_or(UpdateError::Malformed(name))?;
        let status = Status(u16::from_be_bytes(*status));
        if status != Status::OK {
            return Err(UpdateError::Refused(name, status));
        }
        let stage = core::mem::replace(&mut self.stage, Stage::SelectApplet);
        let (stage, command) = match stage {
            Stage::SelectCardManager => (Stage::GetData, Vec::from([0x80, 0xCA, 0x00, 0x66, 0x00])),
            Stage::GetData => {
                let options = options(data).ok_or(UpdateError::Protocol)?;
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
                    let command = channel.protect(header, &data);
                    let [_, ins, ..] = header;
                    let name = instruction::name(CARD_MANAGER, ins, 0).unwrap_or_default();
                    let command = command.map_err(|status| UpdateError::Refused(name, status))?;
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
    fn initiation(&self, options: u8, response: &[u8]) -> Result<Initiation, UpdateError> {
        let malformed = || UpdateError::Malformed("INITIALIZE UPDATE");
        let (diversification, rest) = response.split_first_chunk().ok_or_else(malformed)?;
        let [version, 0x02, high, low, a, b, c, d, e, f, cryptogram @ ..] = rest else {
            return Err(malformed());
        };
        let sequence = u16::from_be_bytes([*high, *low]);
        let delivered = IssuerKeys::derived(diversification);
        let keys = self.keys.as_ref().map_or(delivered.keys(), |IssuerKeySet(keys)| keys);
        let keys = IssuerKeys::restored(*version, keys, sequence).ok_or_else(malformed)?;
        let challenge = [*a, *b, *c, *d, *e, *f];
        Initiation::of_issuer(&keys, options, self.host_challenge, challenge, cryptogram)
            .ok_or(UpdateError::OtherKeys)
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
    let options = *scheme.strip_prefix(&scp02::IDENTIFIER)?.first()?;
    scp02::OPTIONS.contains(&options).then_some(options)
}

fn select(name: &[u8]) -> Vec<u8> {
    [&[0x00, 0xA4, 0x04, 0x00][..], &length_value(name), &[0x00]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vschsm_card::Card;
    use vschsm_card::personalisation::PersonalisationData;
    use vschsm_card::profile::Profile;

    /// Sends the commands of an update; how many they were, and how many it had announced.
    fn play(
        card: &mut Card,
        firmware: &str,
        keys: Option<IssuerKeySet>,
    ) -> Result<[usize; 2], UpdateError> {
        let firmware = Profile::built_in(firmware).expect("it is built in");
        let package = package(firmware.version(), firmware.source())?;
        let mut update = Update::new(&package, keys, [7; 8]);
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
            let [sent, announced] = play(&mut card, new, None).expect("it is updated");
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
        let refused = play(&mut card, "2.6", None);
        assert!(matches!(
            refused,
            Err(UpdateError::Refused("LOAD", Status::FUNCTION_NOT_SUPPORTED))
        ));
        assert_eq!(card.profile().name(), "2.5");
    }

    #[test]
    fn a_card_with_other_keys_is_not_talked_to() {
        let mut card = card("3.1");
        let refused = play(&mut card, "3.4", Some([[1; 16]; 3].into()));
        assert!(matches!(refused, Err(UpdateError::OtherKeys)));
    }
}
