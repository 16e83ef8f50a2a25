//! pcscd's side of PC/SC: what libpcsclite, the library in every client, finds behind its socket.
//!
//! No socket, thread or clock is in here. A server reads a [`Message`] from a client, asks the
//! [`Hub`], and does what the [`Step`] says: it sends a reply, has a card work on a [`Job`], or
//! waits and asks again. A card is in one place: a job takes it out of its reader, and the end of
//! the job puts it back, so that readers can be listed meanwhile.
//!
//! | file         | what                                                              |
//! |--------------|-------------------------------------------------------------------|
//! | `message.rs` | bytes from and to a client: lengths, places of fields              |
//! | `hub.rs`     | clients, contexts, who waits for what; a message becomes a step   |
//! | `desk.rs`    | handles, and what each has to be told                             |
//! | `desk/requests.rs` | share modes, transactions, resets: who may ask the card     |
//! | `reader.rs`  | a reader, and the card in it                                      |
//! | `control.rs` | what a reader says of itself: features, attributes                |
//! | `remark.rs`  | what is said of a client to who runs it                            |
//! | `code.rs`    | return codes                                                      |
//!
//! Source: pcsc-lite, `src/winscard_msg.h`, `winscard_svc.c`, `winscard.c` and
//! `winscard_clnt.c` of 1.9.9, 2.3.3 and 2.5.1, for versions 4:4, 4:5 and 4:6 of the protocol.

mod code;
mod control;
mod desk;
mod hub;
mod message;
mod reader;
mod remark;

pub use code::Code;
pub use hub::{ClientId, Hub, Options, Step};
pub use message::{ENTRIES, Message, VARIABLE};
pub use reader::{Description, Full, Job, ReaderId, Worked};
pub use remark::{Deed, Remark};

/// A card that can be put into a reader.
pub trait Card: Send {
    /// Its answer to reset.
    fn atr(&self) -> Vec<u8>;

    /// Ends its session, as a reset and a loss of power both do.
    fn reset(&mut self, event: Reset);

    /// Answers a command APDU; if it cannot, its client is told that nothing was transacted.
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoAnswer>;
}

/// Why a card's session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// It has come into a reader.
    PowerOn,
    /// A client wants it, or has died in a transaction.
    Warm,
    /// A client has taken the power, or there has been no client for a while.
    PowerOff,
}

/// Why a card has not answered, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It cannot go on: its reader is empty from here on.
    Dead,
    /// It had no contact for a moment: it has gone and come, for all that have a handle to it.
    Bounced,
    /// The reader has waited long enough: the card is where it was.
    Mute,
}
