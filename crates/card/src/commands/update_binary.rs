//! UPDATE BINARY — `00 D7 fid 54 02 offset 53 L data`: writes into an EF.
//!
//! P1P2 is the file identifier, `0000` the current EF. The file is created if there is none, grows
//! if it must, never shrinks, and becomes the current EF. A gap before the offset is filled with
//! 00. EF 2F10 is the work buffer: a write at offset 0 begins it anew.
//!
//! | SW     | when                                                                     |
//! |--------|--------------------------------------------------------------------------|
//! | `9000` | written                                                                  |
//! | `6982` | not logged in; or the device certificates or a key                       |
//! | `6986` | no current EF                                                            |
//! | `6A80` | malformed, no offset of two bytes, or no data object                     |
//! | `6A84` | the memory is full, or the file would have more than 65,533 bytes        |
//! | `6A86` | not an identifier that a file can have                                   |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_update_binary`; openKex's tests on firmware 1.2 and 2.0
//! for "never shrinks".

use super::read_binary::{file, offset};
use crate::context::Context;
use crate::state::{Fid, File, files};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::tlv;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    cx.session.user()?;
    let fid = file(cx, command)?;
    match (fid, fid.prefix()) {
        (Fid::DEVICE_CERTIFICATES, _) | (_, 0xCC) => {
            return Err(Status::SECURITY_STATUS_NOT_SATISFIED);
        }
        (Fid::LABEL | Fid::WORK_BUFFER, _) | (_, 0xC4 | 0xC8..=0xCB | 0xCD..=0xCF) => {}
        _ => return Err(Status::INCORRECT_P1P2),
    }
    let objects = tlv::parse(&command.data)?;
    let offset = offset(&objects)?;
    let data = tlv::find(&objects, 0x53).ok_or(Status::WRONG_DATA)?;
    if offset + data.len() > File::LONGEST {
        return Err(Status::NOT_ENOUGH_MEMORY);
    }

    if fid == Fid::WORK_BUFFER {
        let buffer = cx.session.buffer.get_or_insert_default();
        if offset == 0 {
            buffer.clear();
        }
        files::write(buffer, offset, data);
    } else {
        cx.state.write_file(fid, offset, data);
    }
    cx.session.current = Some(fid);
    Ok(Response::ok([]))
}
