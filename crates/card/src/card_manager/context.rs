//! What a command of the card manager may touch, and what several of them do.

use super::session::CardManagerSession;
use crate::personalisation;
use crate::profile::Profile;
use crate::randomness::Randomness;
use crate::state::{Fid, State, TrackedState};
use alloc::sync::Arc;
use vschsm_protocol::apdu::{Response, Status};

/// All that a command may touch.
pub(crate) struct CardManagerContext<'a> {
    pub(crate) profile: &'a mut Arc<Profile>,
    pub(crate) state: &'a mut TrackedState,
    pub(crate) session: &'a mut CardManagerSession,
    pub(crate) randomness: &'a mut Randomness,
}

/// `6985` unless the card may be replaced: it has no keys, no files but its certificates, and these
/// are by the test issuer, who can sign another one.
pub(super) fn replaceable(state: &State) -> Result<(), Status> {
    let mut files = state.files.iter().filter(|file| file.fid() != Fid::DEVICE_CERTIFICATES);
    let is_empty = state.keys.iter().next().is_none() && files.next().is_none();
    if is_empty && personalisation::is_repersonalisable(state) {
        Ok(())
    } else {
        Err(Status::CONDITIONS_NOT_SATISFIED)
    }
}

/// The response of a successful command: a confirmation of length 0.
pub(super) fn done() -> Result<Response, Status> {
    Ok(Response::ok([0x00]))
}
