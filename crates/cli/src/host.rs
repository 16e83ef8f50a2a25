//! What talks to a card, a virtual or a real one, as any client does: in commands and responses.

pub(crate) mod connection;
pub(crate) mod dkek_share;
pub(crate) mod known_roots;
pub(crate) mod provision;
