//! What does not survive a reset: [`Session::default`] is the session after one.

use crate::apdu::Status;
use crate::state::Fid;
use alloc::vec::Vec;
use core::fmt;

/// Login, current EF and work buffer.
///
/// A failing command does not undo changes here: a wrong PIN logs out.
#[derive(Default)]
pub(crate) struct Session {
    user_verified: bool,
    /// The EF that P1P2 = `0000` means in READ and UPDATE BINARY.
    pub(crate) current: Option<Fid>,
    /// EF 2F10, where clients put command data that is too long for one APDU. Not a file of the
    /// card: no client has seen it listed, and nobody expects it back after a reset.
    pub(crate) buffer: Option<Vec<u8>>,
}

/// The buffer may hold anything.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user_verified, current, buffer } = self;
        let buffer = buffer.as_ref().map(Vec::len);
        write!(f, "Session(user {user_verified}, current {current:?}, buffer {buffer:?})")
    }
}

/// Proof that the user was verified in this session; only [`Session::user`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User(());

impl Session {
    pub(crate) fn log_in(&mut self) {
        self.user_verified = true;
    }

    pub(crate) fn log_out(&mut self) {
        self.user_verified = false;
    }

    /// `6982` without login.
    pub(crate) fn user(&self) -> Result<User, Status> {
        if self.user_verified { Ok(User(())) } else { Err(Status::SECURITY_STATUS_NOT_SATISFIED) }
    }
}
