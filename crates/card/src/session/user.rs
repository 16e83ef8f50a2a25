//! Proof of a login, for whom only the user may ask.

/// Proof that the user was verified in this session; only
/// [`Session::user`](super::Session::user) makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User(());

impl User {
    pub(super) fn verified() -> Self {
        Self(())
    }
}
