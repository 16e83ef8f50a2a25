//! A package that is being loaded, block by block.

use crate::profile::Profile;
use alloc::vec::Vec;
use core::fmt;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::hash::Hash;
use vschsm_protocol::load_file;
use vschsm_protocol::tlv::{self, Object};

/// The longest package with its tag, in bytes; those of the built-in firmwares have a sixth of it.
const LONGEST: usize = 0x1_0000;

/// A package that comes in blocks.
pub(super) struct Loading {
    /// The hash that INSTALL has announced, by its algorithm, if it has.
    hash: Option<(Hash, Vec<u8>)>,
    blocks: usize,
    bytes: Vec<u8>,
}

impl fmt::Debug for Loading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loading({} blocks)", self.blocks)
    }
}

impl Loading {
    /// Nothing of a package yet; `6A80` for a hash that is neither SHA-1 nor SHA-256.
    pub(super) fn new(hash: &[u8]) -> Result<Self, Status> {
        let algorithm = match hash.len() {
            0 => None,
            20 => Some(Hash::Sha1),
            32 => Some(Hash::Sha256),
            _ => return Err(Status::WRONG_DATA),
        };
        let hash = algorithm.map(|algorithm| (algorithm, hash.to_vec()));
        Ok(Self { hash, blocks: 0, bytes: Vec::new() })
    }

    pub(super) fn take(&mut self, number: u8, block: &[u8]) -> Result<(), Status> {
        if usize::from(number) != self.blocks {
            return Err(Status::INCORRECT_P1P2);
        }
        if self.bytes.len() + block.len() > LONGEST {
            return Err(Status::NOT_ENOUGH_MEMORY);
        }
        self.blocks += 1;
        self.bytes.extend(block);
        Ok(())
    }

    /// The firmware that has been loaded.
    pub(super) fn finish(&self) -> Option<Profile> {
        let objects = tlv::parse(&self.bytes).ok()?;
        let [Object { tag: 0xC4, value: file, .. }] = objects.as_slice() else { return None };
        let announced = self.hash.as_ref();
        let is_announced = announced.is_none_or(|(hash, value)| hash.digest(file) == *value);
        let package = load_file::parse(file).filter(|_| is_announced)?;
        let firmware = Profile::parse(core::str::from_utf8(package.method).ok()?).ok()?;
        (firmware.version() == package.version).then_some(firmware)
    }
}
