//! Proof of a login, for what only the user may do.

/// Proof that the user was verified in this session; only
/// [`Session::user`](super::Session::user) makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User(());

impl User {
    pub(super) fn verified() -> Self {
        Self(())
    }
}
