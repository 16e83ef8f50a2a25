//! LOAD — `80 E8 p1 number block`: a part of a package, in order.
//!
//! Blocks are counted from 00; the last one has P1 `80`. Together they are C4 with the load file
//! data block. After a refused block everything has to be loaded again, beginning with INSTALL.
//!
//! | SW     | when                                                                             |
//! |--------|----------------------------------------------------------------------------------|
//! | `9000` | taken                                                                            |
//! | `6985` | there was no INSTALL for load                                                    |
//! | `6A80` | the package is malformed, or not the one of the digest in it or the hash before  |
//! | `6A81` | the firmware is for another platform than the card's                             |
//! | `6A84` | it is longer than any package                                                    |
//! | `6A86` | not the number of the next block, or P1 is not 00 or 80                          |
//!
//! Source: GlobalPlatform Card Specification 2.1.1, section 9.6. That a firmware stays on its
//! platform: the vendor in Nitrokey's forum (no update leads from 2.x to 3.x).

use super::context::{CardManagerContext, done};
use alloc::boxed::Box;
use vschsm_protocol::apdu::{Command, Response, Status};

/// P1 of the last block.
const LAST: u8 = 0x80;

pub(super) fn run(cx: &mut CardManagerContext<'_>, command: &Command) -> Result<Response, Status> {
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
