//! SELECT — `00 A4 04 p2 AID` the applet or the card manager, `00 A4 00 p2 fid` an EF or a key.
//!
//! P2 chooses the response: `00` an FCI template (6F), `04` an FCP template (62), `0C` no data.
//! Selecting an application ends the session: it logs out all clients. An empty AID selects the
//! card manager.
//!
//! | SW     | when                                           |
//! |--------|------------------------------------------------|
//! | `9000` | selected                                       |
//! | `6700` | the file identifier is not two bytes           |
//! | `6A82` | no such application, file or key               |
//! | `6A86` | P1 is not 00, 02 or 04; P2 not 00, 04 or 0C    |
//!
//! Source: ISO 7816-4 section 7.1.1; OpenSC issue 715 for the FCI of an EF and for `6A86`.

use crate::card_manager;
use crate::context::Context;
use crate::session::Session;
use crate::state::{Fid, Key, KeyId};
use alloc::vec::Vec;
use vschsm_protocol::aid::APPLET;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::tlv;

/// The fewest bytes that can name an applet: a registered application provider identifier.
const RID_LENGTH: usize = 5;

/// P1: the data is the name of an application.
const BY_NAME: u8 = 0x04;

/// Whether a command chooses an application, whichever is chosen now.
pub(super) fn is_by_name(command: &Command) -> bool {
    (command.cla, command.ins, command.p1) == (0x00, 0xA4, BY_NAME)
}

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    let template = match command.p2 {
        0x00 => Some(0x6F),
        0x04 => Some(0x62),
        0x0C => None,
        _ => return Err(Status::INCORRECT_P1P2),
    };
    let information = match command.p1 {
        BY_NAME => select_application(cx, &command.data)?,
        0x00 | 0x02 => select_file(cx, Fid::try_from(command.data.as_slice())?)?,
        _ => return Err(Status::INCORRECT_P1P2),
    };
    Ok(Response::ok(template.map_or_else(Vec::new, |tag| tlv::encode(tag, &information))))
}

fn select_application(cx: &mut Context<'_>, aid: &[u8]) -> Result<Vec<u8>, Status> {
    if card_manager::is_named_by(aid) {
        *cx.session = Session::in_card_manager();
        return Ok(card_manager::information());
    }
    if aid.len() < RID_LENGTH || !APPLET.starts_with(aid) {
        return Err(Status::FILE_NOT_FOUND);
    }
    *cx.session = Session::default();

    let mut proprietary = Vec::new();
    if cx.profile.options_in_fci() {
        proprietary.extend(cx.state.configuration.options.0.to_be_bytes());
        proprietary.push(cx.profile.platform_id());
    }
    let (major, minor) = cx.profile.version();
    proprietary.extend([major, minor]);
    Ok([tlv::encode(0x82, &[0x78]), tlv::encode(0x85, &proprietary)].concat())
}

fn select_file(cx: &mut Context<'_>, fid: Fid) -> Result<Vec<u8>, Status> {
    let (size, metadata) = match (fid, KeyId::of_fid(fid)) {
        (Fid::DEVICE_KEY, _) => (0, Vec::new()),
        (_, Some(id)) => {
            let key = cx.state.keys.get(id).ok_or(Status::FILE_NOT_FOUND)?;
            let is_shown = cx.profile.key_metadata_in_fci();
            let uses = cx.state.uses_left(key);
            (0, if is_shown { metadata(key, uses) } else { Vec::new() })
        }
        _ => (content(cx, fid).ok_or(Status::FILE_NOT_FOUND)?.len(), Vec::new()),
    };
    cx.session.current = Some(fid);

    let size = u16::try_from(size).expect("no file is longer than 65,535 bytes");
    let descriptor = [
        tlv::encode(0x80, &size.to_be_bytes()),
        tlv::encode(0x82, &[0x01]),
        tlv::encode(0x83, &fid.0.to_be_bytes()),
    ];
    Ok([descriptor.concat(), metadata].concat())
}

/// The content of an EF, the work buffer included.
pub(super) fn content<'a>(cx: &'a Context<'_>, fid: Fid) -> Option<&'a [u8]> {
    if fid == Fid::WORK_BUFFER {
        cx.session.buffer.as_deref().map(Vec::as_slice)
    } else {
        cx.state.files.content(fid)
    }
}

/// Tag A5: use counter, algorithm list, key domain and quota, those that the key has.
fn metadata(key: &Key, uses: Option<u32>) -> Vec<u8> {
    let mut objects = Vec::new();
    if let Some(uses) = uses {
        objects.extend(tlv::encode(0x90, &uses.to_be_bytes()));
    }
    if !key.algorithms().is_empty() {
        objects.extend(tlv::encode(0x91, key.algorithms()));
    }
    if let Some(domain) = key.domain() {
        objects.extend(tlv::encode(0x92, &[domain]));
    }
    if let Some(wrapping_key) = key.wrapping_key() {
        objects.extend(tlv::encode(0x93, &[wrapping_key.number()]));
    }
    if let Some(quota) = key.quota() {
        objects.extend(quota.encode());
    }
    if objects.is_empty() { objects } else { tlv::encode(0xA5, &objects) }
}
