//! READ BINARY — `00 B1 fid 54 02 offset`: reads an EF from an offset on.
//!
//! P1P2 is the file identifier, `0000` the current EF. Without an Le all up to the end is read;
//! with Le `00` or `0000` at most 256 or 65,536 bytes, and less is no end of file.
//!
//! | SW     | when                                                                          |
//! |--------|-------------------------------------------------------------------------------|
//! | `9000` | as many bytes as asked for, or all up to the end                              |
//! | `6282` | fewer bytes than asked for; none if the offset is at or beyond the end        |
//! | `6982` | a key; or protected data (CDxx) or the work buffer without login              |
//! | `6986` | no current EF                                                                 |
//! | `6A80` | malformed, or no offset of two bytes                                          |
//! | `6A82` | no such file                                                                  |
//!
//! Source: ISO 7816-4 section 7.2.3; OpenSC `card-sc-hsm.c`, `sc_hsm_read_binary`.

use super::select;
use crate::context::Context;
use crate::state::{Fid, KeyId};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::tlv;
use zeroize::Zeroizing;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    let fid = file(cx, command)?;
    if KeyId::of_fid(fid).is_some_and(|id| cx.state.keys.get(id).is_some())
        || fid == Fid::DEVICE_KEY
    {
        return Err(Status::SECURITY_STATUS_NOT_SATISFIED);
    }
    let content = select::content(cx, fid).ok_or(Status::FILE_NOT_FOUND)?;
    if fid.prefix() == 0xCD || fid == Fid::WORK_BUFFER {
        cx.session.user()?;
    }
    let offset = offset(&tlv::parse(&command.data)?)?;

    let rest = content.get(offset..).unwrap_or_default();
    let most = command.ne.unwrap_or(rest.len());
    let data = Zeroizing::new(rest.get(..most).unwrap_or(rest).to_vec());
    let short = rest.is_empty() || !command.le_is_max && data.len() < most;
    Ok(Response { data, status: if short { Status::END_OF_FILE } else { Status::OK } })
}

/// The file that P1P2 names.
pub(super) fn file(cx: &Context<'_>, command: &Command) -> Result<Fid, Status> {
    match command.p1p2() {
        0 => cx.session.current.ok_or(Status::NO_CURRENT_FILE),
        fid => Ok(Fid(fid)),
    }
}

/// The offset in tag 54, two bytes.
pub(super) fn offset(objects: &[tlv::Object<'_>]) -> Result<usize, Status> {
    let offset = tlv::find(objects, 0x54).and_then(|offset| offset.try_into().ok());
    offset.map(|offset| usize::from(u16::from_be_bytes(offset))).ok_or(Status::WRONG_DATA)
}
