//! ENUMERATE OBJECTS — `80 58 00 00`: lists the files in creation order, then the keys.
//!
//! The response is a list of file identifiers of two bytes; the device key CC00 is in it, the work
//! buffer 2F10 is not.
//!
//! | SW     | when                |
//! |--------|---------------------|
//! | `9000` | listed              |
//! | `6A86` | P1 or P2 is not 00  |
//!
//! Source: OpenSC `card-sc-hsm.c`, `sc_hsm_list_files`; the order as seen in OpenSC issue 528.

use crate::context::Context;
use crate::state::{Fid, File};
use alloc::vec::Vec;
use vschsm_protocol::apdu::{Command, Response, Status};

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    if command.p1p2() != 0 {
        return Err(Status::INCORRECT_P1P2);
    }
    let files = cx.state.files.iter().map(File::fid);
    let keys = cx.state.keys().map(|(id, _)| id.fid());
    let listed = files.chain([Fid::DEVICE_KEY]).chain(keys);
    Ok(Response::ok(listed.flat_map(|fid| fid.0.to_be_bytes()).collect::<Vec<_>>()))
}
