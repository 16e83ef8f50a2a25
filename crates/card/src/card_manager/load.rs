//! LOAD — `80 E8 p1 number block`: a part of a package, in order.
//!
//! Blocks are counted from 00; the last one has P1 `80`. Together they are C4 with the load file
//! data block. After a block that is refused all of it has to be loaded again, INSTALL included.
//!
//! | SW     | when                                                                             |
//! |--------|----------------------------------------------------------------------------------|
//! | `9000` | taken                                                                            |
//! | `6985` | INSTALL has not asked for a package                                              |
//! | `6A80` | the package is malformed, or not the one of the digest in it or the hash before  |
//! | `6A81` | the firmware is for another platform than the card's                             |
//! | `6A84` | it is longer than any package                                                    |
//! | `6A86` | not the number of the next block, or P1 is not 00 or 80                          |
//!
//! Source: GlobalPlatform Card Specification 2.1.1, section 9.6. That a firmware stays on its
//! platform: the vendor in Nitrokey's forum (no update leads from 2.x to 3.x).

use super::{Context, done, load_file};
use crate::apdu::{Answer, Command, Status};
use crate::crypto::hash::Hash;
use crate::profile::Profile;
use crate::tlv::{self, Object};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// The longest package with its tag, in bytes; those of the built-in firmwares have a sixth of it.
const LONGEST: usize = 0x1_0000;

/// P1 of the last block.
const LAST: u8 = 0x80;

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

    fn take(&mut self, number: u8, block: &[u8]) -> Result<(), Status> {
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
    fn finish(&self) -> Option<Profile> {
        let objects = tlv::parse(&self.bytes).ok()?;
        let [Object { tag: 0xC4, value: file, .. }] = objects.as_slice() else { return None };
        let announced = self.hash.as_ref();
        let is_announced = announced.is_none_or(|(hash, value)| hash.digest(file) == *value);
        if is_announced { load_file::parse(file) } else { None }
    }
}

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Answer {
    let replacement = &mut cx.session.replacement;
    let mut loading = replacement.loading.take().ok_or(Status::CONDITIONS_NOT_SATISFIED)?;
    if !matches!(command.p1, 0x00 | LAST) {
        return Err(Status::INCORRECT_P1P2);
    }
    loading.take(command.p2, &command.data)?;
    if command.p1 != LAST {
        replacement.loading = Some(loading);
        return done();
    }
    let firmware = loading.finish().ok_or(Status::WRONG_DATA)?;
    if firmware.platform() != cx.profile.platform() {
        return Err(Status::FUNCTION_NOT_SUPPORTED);
    }
    replacement.loaded = Some(Box::new(firmware));
    done()
}
