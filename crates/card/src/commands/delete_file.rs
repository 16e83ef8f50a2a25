//! DELETE FILE — `00 E4 02 p2 fid`: deletes an EF or a key.
//!
//! P2 is `00`, or `80` to leave the freed memory for later, which makes no difference here.
//!
//! | SW     | when                                              |
//! |--------|---------------------------------------------------|
//! | `9000` | deleted                                           |
//! | `6700` | the file identifier is not two bytes              |
//! | `6982` | not logged in                                     |
//! | `6985` | the device key or its certificates                |
//! | `6A82` | no such file or key                               |
//! | `6A86` | P1 is not 02, P2 not 00 or 80                     |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_delete_file`; openKex's tests on firmware 1.2 and 2.0.

use crate::context::Context;
use crate::state::{Fid, KeyId};
use vschsm_protocol::apdu::{Command, Response, Status};

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    if !matches!((command.p1, command.p2), (0x02, 0x00 | 0x80)) {
        return Err(Status::INCORRECT_P1P2);
    }
    cx.session.user()?;
    let fid = Fid::try_from(command.data.as_slice())?;
    if matches!(fid, Fid::DEVICE_KEY | Fid::DEVICE_CERTIFICATES) {
        return Err(Status::CONDITIONS_NOT_SATISFIED);
    }

    let deleted = match KeyId::of_fid(fid) {
        _ if fid == Fid::WORK_BUFFER => cx.session.buffer.take().is_some(),
        Some(id) => cx.state.remove_key(id),
        None => cx.state.remove_file(fid),
    };
    if !deleted {
        return Err(Status::FILE_NOT_FOUND);
    }
    if cx.session.current == Some(fid) {
        cx.session.current = None;
    }
    Ok(Response::ok([]))
}
