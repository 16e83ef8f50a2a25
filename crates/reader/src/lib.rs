//! Ways to put a card in front of PC/SC clients: wire formats, without sockets.

pub mod pcsc;
pub mod vpcd;
