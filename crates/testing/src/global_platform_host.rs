//! The host's side of a card manager as GlobalPlatform has it, with secure channels by its protocol
//! 02, without any of the card's code.
//!
//! Source: GlobalPlatform Card Specification 2.2, chapter 11 and appendix E; keys from a master key
//! as in EMV's Card Personalization Specification 1.1.

mod channel;
pub mod command;
mod keys;
mod package;
#[cfg(test)]
mod vectors;

pub use channel::{Chaining, ChannelLevel, HostChannel};
pub use keys::HostKeys;
pub use package::HostPackage;

use crate::test_card::TestResponse;
use vschsm_host::Transport;

/// The card manager.
pub const CARD_MANAGER: [u8; 8] = [0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00];

/// The SmartCard-HSM.
pub const APPLET: [u8; 11] = [0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x01];

/// The package that has the applet.
pub const PACKAGE: [u8; 12] =
    [0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x7F, 0x01];

/// The module of the package that the applet is an instance of.
pub const MODULE: [u8; 13] =
    [0xE8, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x81, 0xC3, 0x1F, 0x02, 0x7F, 0x01, 0x01];

/// The master key that everybody knows.
pub const MASTER_KEY: [u8; 16] =
    *b"\x40\x41\x42\x43\x44\x45\x46\x47\x48\x49\x4A\x4B\x4C\x4D\x4E\x4F";

/// The host's challenge, which is random outside of tests.
pub const CHALLENGE: [u8; 8] = [0x11; 8];

/// Why there is no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalPlatformError {
    /// The status word of this command is not 9000.
    Refused(&'static str, u16),
    /// The response to this command is malformed.
    Malformed(&'static str),
    /// The card does not have these keys.
    WrongCryptogram,
    /// The card's challenge is not the one that follows from its keys, though it says that it is.
    WrongChallenge,
}

/// The response to INITIALIZE UPDATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What the card's keys were made from.
    pub diversification: [u8; 10],
    /// Version of the keys.
    pub version: u8,
    /// Sequence counter.
    pub counter: [u8; 2],
    /// Challenge.
    pub challenge: [u8; 6],
    /// Cryptogram.
    pub cryptogram: [u8; 8],
}

impl Proposal {
    /// The proposal in response data, if it is one of protocol 02.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let (diversification, rest) = data.split_first_chunk()?;
        let [version, 0x02, rest @ ..] = rest else { return None };
        let (counter, rest) = rest.split_first_chunk()?;
        let (challenge, cryptogram) = rest.split_first_chunk()?;
        Some(Self {
            diversification: *diversification,
            version: *version,
            counter: *counter,
            challenge: *challenge,
            cryptogram: cryptogram.try_into().ok()?,
        })
    }
}

/// A host, and its channel to the card manager of a card.
#[derive(Debug)]
pub struct GlobalPlatformHost<'a, M> {
    card: &'a mut M,
    channel: HostChannel,
    proposal: Proposal,
}

impl<'a, M: Transport> GlobalPlatformHost<'a, M> {
    /// Selects the card manager and opens a channel with the keys that follow from the card's
    /// diversification data.
    ///
    /// # Errors
    ///
    /// What did not go as it should.
    pub fn open(
        card: &'a mut M,
        keys: impl FnOnce(&[u8; 10]) -> HostKeys,
        level: ChannelLevel,
    ) -> Result<Self, GlobalPlatformError> {
        ask(card, "SELECT", &command::select(&CARD_MANAGER))?;
        let recognition = ask(card, "GET DATA", &command::get_data(0x0066))?;
        let options = options(&recognition).ok_or(GlobalPlatformError::Malformed("GET DATA"))?;
        let proposal = initialize_update(card, 0x00)?;
        let keys = keys(&proposal.diversification).session(proposal.counter);
        if keys.card_cryptogram(&CHALLENGE, &proposal) != proposal.cryptogram {
            return Err(GlobalPlatformError::WrongCryptogram);
        }
        if options & 0x40 != 0 && keys.challenge(&CARD_MANAGER) != proposal.challenge {
            return Err(GlobalPlatformError::WrongChallenge);
        }
        let chaining = if options & 0x10 == 0 { Chaining::Plain } else { Chaining::Encrypted };
        let mut channel = HostChannel::new(keys, chaining);
        let authenticate = channel.authenticate(level, &CHALLENGE, &proposal);
        ask(card, "EXTERNAL AUTHENTICATE", &authenticate)?;
        Ok(Self { card, channel, proposal })
    }

    /// A command, protected as the level of the channel has it.
    pub fn send(&mut self, apdu: &[u8]) -> TestResponse {
        let protected = self.channel.protect(apdu);
        self.send_plain(&protected)
    }

    /// Any bytes, as they are.
    pub fn send_plain(&mut self, apdu: &[u8]) -> TestResponse {
        response(self.card, apdu)
    }

    /// All of these commands, each of which has to succeed.
    ///
    /// # Errors
    ///
    /// The number of the first that did not, and its status word.
    pub fn send_all(&mut self, apdus: &[Vec<u8>]) -> Result<(), (usize, u16)> {
        for (number, apdu) in apdus.iter().enumerate() {
            let status = self.send(apdu).status;
            if status != 0x9000 {
                return Err((number, status));
            }
        }
        Ok(())
    }

    /// PUT KEY: other keys in place of those of version `replaced`; 00 replaces no keys.
    pub fn put_keys(&mut self, replaced: u8, version: u8, keys: &HostKeys) -> TestResponse {
        let apdu = self.channel.put_keys(replaced, version, keys);
        self.send(&apdu)
    }

    /// The host's side of the channel.
    pub fn channel(&mut self) -> &mut HostChannel {
        &mut self.channel
    }

    /// The card's response to INITIALIZE UPDATE.
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }
}

/// INITIALIZE UPDATE with [`CHALLENGE`], for the keys of that version, 00 for any.
///
/// # Errors
///
/// What did not go as it should.
pub fn initialize_update(
    card: &mut impl Transport,
    version: u8,
) -> Result<Proposal, GlobalPlatformError> {
    let name = "INITIALIZE UPDATE";
    let data = ask(card, name, &command::initialize_update(version, &CHALLENGE))?;
    Proposal::parse(&data).ok_or(GlobalPlatformError::Malformed(name))
}

/// The data of a response whose status word is 9000.
fn ask(
    card: &mut impl Transport,
    name: &'static str,
    apdu: &[u8],
) -> Result<Vec<u8>, GlobalPlatformError> {
    let response = response(card, apdu);
    if response.status == 0x9000 {
        Ok(response.data)
    } else {
        Err(GlobalPlatformError::Refused(name, response.status))
    }
}

fn response(card: &mut impl Transport, apdu: &[u8]) -> TestResponse {
    TestResponse::parse(&card.transmit(apdu).unwrap_or_else(|error| panic!("{error}")))
}

/// Options `i` of protocol 02, the last byte of the object identifier in 66 / 73 / 64.
fn options(recognition: &[u8]) -> Option<u8> {
    const IDENTIFIER: [u8; 12] =
        [0x64, 0x0B, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x04, 0x02];
    let place = recognition.windows(12).position(|window| window == IDENTIFIER)?;
    recognition.get(place + 12).copied()
}
