//! What the card manager knows until a reset, or SELECT.

use super::loading::Loading;
use crate::profile::Profile;
use alloc::boxed::Box;
use vschsm_protocol::scp02::{Initiation, SecureChannel};

/// What does not survive a reset, or SELECT.
#[derive(Debug, Default)]
pub(crate) struct CardManagerSession {
    pub(super) initiation: Option<Initiation>,
    pub(super) channel: Option<SecureChannel>,
    pub(super) replacement: Replacement,
}

/// What INSTALL will do.
#[derive(Debug, Default)]
pub(super) struct Replacement {
    pub(super) applet_is_deleted: bool,
    pub(super) package_is_deleted: bool,
    pub(super) loading: Option<Loading>,
    pub(super) loaded: Option<Box<Profile>>,
}
