//! GET STATUS — `80 F2 what form 4F criterion`: what is installed.
//!
//! `80` the card manager itself, `40` the applet, `20` its package, `10` package and module. A name
//! in 4F, or the beginning of one, leaves only what has it. P2 `00` is a list of names, each after
//! its length, life cycle and privileges; `02` has an E3 object for each, with 4F, 9F70 and C5, and
//! 84 for what is in a package. What DELETE has deleted in this channel is not listed.
//!
//! | SW     | when                                       |
//! |--------|--------------------------------------------|
//! | `9000` | the list                                   |
//! | `6A80` | the data does not begin with tag 4F        |
//! | `6A86` | P1 is none of these, or P2 not 00 or 02    |
//! | `6A88` | there is nothing                           |
//!
//! Source: GlobalPlatform Card Specification 2.1.1, section 9.4; for the E3 objects 2.2, section
//! 11.4.

use super::context::CardManagerContext;
use alloc::vec::Vec;
use vschsm_protocol::aid::{self, APPLET, MODULE, PACKAGE};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::load_file::length_value;
use vschsm_protocol::tlv;

/// What a row of the list tells.
struct Entry {
    name: &'static [u8],
    life_cycle: u8,
    privileges: u8,
    module: Option<&'static [u8]>,
}

/// Life cycle: in its holder's hands. Privileges: security domain, what comes with that, and that a
/// reset selects it.
const CARD_MANAGER: Entry =
    Entry { name: &aid::CARD_MANAGER, life_cycle: 0x0F, privileges: 0x9E, module: None };

/// Life cycle: selectable.
const APPLICATION: Entry =
    Entry { name: &APPLET, life_cycle: 0x07, privileges: 0x00, module: None };

/// Life cycle: loaded.
const LOADED: Entry =
    Entry { name: &PACKAGE, life_cycle: 0x01, privileges: 0x00, module: Some(&MODULE) };

pub(super) fn run(cx: &mut CardManagerContext<'_>, command: &Command) -> Result<Response, Status> {
    let replacement = &cx.session.replacement;
    let has_package = !replacement.package_is_deleted || replacement.loaded.is_some();
    let (there, entry) = match command.p1 {
        0x80 => (true, CARD_MANAGER),
        0x40 => (!replacement.applet_is_deleted, APPLICATION),
        0x20 => (has_package, Entry { module: None, ..LOADED }),
        0x10 => (has_package, LOADED),
        _ => return Err(Status::INCORRECT_P1P2),
    };
    let listed = match command.p2 {
        0x00 => entry.listed(),
        0x02 => entry.object(),
        _ => return Err(Status::INCORRECT_P1P2),
    };
    let criteria = tlv::parse(&command.data)?;
    let [criterion, ..] = criteria.as_slice() else { return Err(Status::WRONG_DATA) };
    if criterion.tag != 0x4F {
        return Err(Status::WRONG_DATA);
    }
    if !there || !entry.name.starts_with(criterion.value) {
        return Err(Status::REFERENCE_NOT_FOUND);
    }
    Ok(Response::ok(listed))
}

impl Entry {
    fn listed(&self) -> Vec<u8> {
        let mut bytes = length_value(self.name);
        bytes.extend([self.life_cycle, self.privileges]);
        if let Some(module) = self.module {
            bytes.push(1);
            bytes.extend(length_value(module));
        }
        bytes
    }

    fn object(&self) -> Vec<u8> {
        let mut objects = tlv::encode(0x4F, self.name);
        objects.extend(tlv::encode(0x9F70, &[self.life_cycle]));
        objects.extend(tlv::encode(0xC5, &[self.privileges]));
        if let Some(module) = self.module {
            objects.extend(tlv::encode(0x84, module));
        }
        tlv::encode(0xE3, &objects)
    }
}
