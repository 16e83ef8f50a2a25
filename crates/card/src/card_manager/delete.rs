//! DELETE — `80 E4 00 p2 4F name`: deletes the applet, or its package, once INSTALL has made a new
//! one.
//!
//! P2 `80` deletes with a package what is made of it.
//!
//! | SW     | when                                                                          |
//! |--------|-------------------------------------------------------------------------------|
//! | `9000` | INSTALL will put another one in its place                                     |
//! | `6985` | there are keys or files on the card; its certificates are not by the test     |
//! |        | issuer; the package of an applet that is there; the card manager itself       |
//! | `6A80` | no name                                                                       |
//! | `6A86` | P1 is not 00, or P2 not 00 or 80                                              |
//! | `6A88` | there is nothing of that name                                                 |
//!
//! Source: GlobalPlatform Card Specification 2.1.1, section 9.2.

use super::context::{CardManagerContext, done, replaceable};
use vschsm_protocol::aid::{APPLET, CARD_MANAGER, PACKAGE};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::tlv;

pub(super) fn run(cx: &mut CardManagerContext<'_>, command: &Command) -> Result<Response, Status> {
    let with_applet = match command.p1p2() {
        0x0000 => false,
        0x0080 => true,
        _ => return Err(Status::INCORRECT_P1P2),
    };
    let objects = tlv::parse(&command.data)?;
    let name = tlv::find(&objects, 0x4F).ok_or(Status::WRONG_DATA)?;
    let replacement = &mut cx.session.replacement;
    let is_package = name == PACKAGE;
    let is_there = if is_package {
        !replacement.package_is_deleted || replacement.loaded.is_some()
    } else {
        name == CARD_MANAGER || (name == APPLET && !replacement.applet_is_deleted)
    };
    if !is_there {
        return Err(Status::REFERENCE_NOT_FOUND);
    }
    let is_needed = is_package && !with_applet && !replacement.applet_is_deleted;
    if name == CARD_MANAGER || is_needed {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }
    replaceable(cx.state)?;

    replacement.applet_is_deleted = true;
    if is_package {
        replacement.package_is_deleted = true;
        replacement.loaded = None;
    }
    done()
}
