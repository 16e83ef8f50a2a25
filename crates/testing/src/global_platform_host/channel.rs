//! The host's side of a secure channel.

use super::keys::{encrypt_blocks, encrypt_chain, padded};
use super::{HostKeys, Proposal};

/// How much a channel protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelLevel {
    /// Nothing: the host has shown that it has the keys.
    Open = 0x00,
    /// Each command has a MAC.
    Mac = 0x01,
    /// Each command has a MAC, and its data is encrypted.
    Encrypted = 0x03,
}

impl ChannelLevel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Mac, Self::Encrypted];
}

/// What a MAC starts from: the one before, or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chaining {
    /// The MAC itself.
    Plain,
    /// The MAC, encrypted.
    Encrypted,
}

/// The host's side of a channel.
#[derive(Clone, Debug)]
pub struct HostChannel {
    keys: HostKeys,
    chaining: Chaining,
    level: ChannelLevel,
    previous: Option<[u8; 8]>,
}

impl HostChannel {
    /// A channel with these keys of a session, before EXTERNAL AUTHENTICATE.
    #[must_use]
    pub fn new(keys: HostKeys, chaining: Chaining) -> Self {
        Self { keys, chaining, level: ChannelLevel::Open, previous: None }
    }

    /// EXTERNAL AUTHENTICATE, after which the channel has that level.
    pub fn authenticate(
        &mut self,
        level: ChannelLevel,
        host: &[u8; 8],
        proposal: &Proposal,
    ) -> Vec<u8> {
        let cryptogram = self.keys.host_cryptogram(host, proposal);
        self.level = ChannelLevel::Mac;
        let protected =
            self.protect(&[&[0x80, 0x82, level as u8, 0x00, 0x08][..], &cryptogram].concat());
        self.level = level;
        protected
    }

    /// The next command, protected; `apdu` is in short form and has up to 239 bytes of data.
    ///
    /// # Panics
    ///
    /// If it is not, or has more.
    pub fn protect(&mut self, apdu: &[u8]) -> Vec<u8> {
        if self.level == ChannelLevel::Open {
            return apdu.to_vec();
        }
        let (data, le) = match &apdu[4..] {
            le @ ([] | [_]) => (&[][..], le),
            [length, rest @ ..] => rest.split_at(usize::from(*length)),
        };
        let header = |length: usize| {
            let length = u8::try_from(length + 8).expect("a short command");
            [apdu[0] | 0x04, apdu[1], apdu[2], apdu[3], length]
        };
        let start = match (self.previous, self.chaining) {
            (None, _) => [0; 8],
            (Some(previous), Chaining::Plain) => previous,
            (Some(previous), Chaining::Encrypted) => self.keys.chained(previous),
        };
        let mac = self.keys.mac(start, &[&header(data.len())[..], data].concat());
        self.previous = Some(mac);
        let data = match (self.level, data) {
            (ChannelLevel::Encrypted, [_, ..]) => {
                encrypt_chain(&self.keys.encryption, &padded(data))
            }
            _ => data.to_vec(),
        };
        [&header(data.len())[..], &data, &mac, le].concat()
    }

    /// PUT KEY, not protected yet.
    #[must_use]
    pub fn put_keys(&self, replaced: u8, version: u8, keys: &HostKeys) -> Vec<u8> {
        let mut data = vec![version];
        for key in [&keys.encryption, &keys.mac, &keys.data] {
            data.extend([0x80, 0x10]);
            data.extend(encrypt_blocks(&self.keys.data, key));
            data.push(0x03);
            data.extend(&encrypt_blocks(key, &[0; 8])[..3]);
        }
        [&[0x80, 0xD8, replaced, 0x81, u8::try_from(data.len()).unwrap()][..], &data].concat()
    }
}
