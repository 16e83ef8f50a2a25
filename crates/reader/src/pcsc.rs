//! pcscd's side of PC/SC: what libpcsclite, the library in every client, finds behind its socket.
//!
//! A state machine without sockets, threads and clocks. A server reads a [`WinscardMessage`] from a
//! client, passes it to [`Service::request`], and does what the [`Action`] says: it sends a reply,
//! executes an [`Operation`] on a card, or waits and requests again. A card is in one place: an
//! operation checks it out of its reader, and [`Service::complete`] checks it in again, so that
//! readers can be listed meanwhile.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use vschsm_reader::pcsc::{Action, Service, ServiceOptions, WinscardMessage};
//!
//! let mut numbers = 1..;
//! let random = move || numbers.next().unwrap_or_default();
//! let mut service = Service::new(ServiceOptions::default(), random);
//! let client = service.add_client();
//! // The header (length and command) and the struct of CMD_VERSION: 4:5.
//! let bytes = [12_u32, 0x11, 4, 5, 0].map(u32::to_ne_bytes).concat();
//! let message = WinscardMessage::receive(&mut bytes.as_slice())?.ok_or("no message")?;
//! let action = service.request(client, &message, Duration::ZERO, Instant::now());
//! let Action::Reply(reply) = action else { return Err("no reply".into()) };
//! assert_eq!(reply, [4_u32, 5, 0].map(u32::to_ne_bytes).concat());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file                  | what                                                         |
//! |-----------------------|--------------------------------------------------------------|
//! | `message.rs`          | bytes from and to a client: lengths, offsets of fields       |
//! | `service.rs`          | clients, contexts and waits; a message becomes an action     |
//! | `handles.rs`          | handles, and the events that each has to be told of          |
//! | `handles/requests.rs` | share modes, transactions, resets: who may use the card      |
//! | `reader.rs`           | a reader, and the card in it                                 |
//! | `control.rs`          | features and attributes of a reader                          |
//! | `warning.rs`          | what a client's user should know                             |
//! | `return_code.rs`      | return codes                                                 |
//!
//! Source: pcsc-lite, `src/winscard_msg.h`, `winscard_svc.c`, `winscard.c` and
//! `winscard_clnt.c` of 1.9.9, 2.3.3 and 2.5.1, for versions 4:4, 4:5 and 4:6 of the protocol.

mod control;
mod handles;
mod message;
mod reader;
mod return_code;
mod service;
mod warning;

pub use message::{MAX_READERS_CONTEXTS, SOCKET_VARIABLE, WinscardMessage};
pub use reader::{AddReaderError, Completion, Operation, ReaderDescription, ReaderId};
pub use return_code::ReturnCode;
pub use service::{Action, ClientId, Service, ServiceOptions};
pub use warning::{ClientWarning, WarningCause};

use std::fmt;

/// A card that can be inserted into a reader.
pub trait PcscCard: Send {
    /// Its answer to reset, 2 to 33 bytes.
    fn atr(&self) -> Vec<u8>;

    /// Ends its session, as a reset and a loss of power both do.
    fn reset(&mut self, event: PowerEvent);

    /// The response to a command APDU.
    ///
    /// # Errors
    ///
    /// Why there is no response: the client gets [`ReturnCode::NOT_TRANSACTED`].
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse>;
}

/// Why a card's session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerEvent {
    /// The card was inserted into a reader.
    PowerOn,
    /// A client asked for a reset, or died in a transaction.
    WarmReset,
    /// A client took the power away, or the card was without clients for a while.
    PowerOff,
}

/// Why a card has given no response, and what becomes of the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoResponse {
    /// The card lost contact for a moment: handles to it see it removed and inserted.
    ContactLost,
    /// The reader waited for as long as it does; the card stays in it.
    TimedOut,
    /// The card cannot go on: its reader is empty from here on.
    Failed,
}

impl fmt::Display for NoResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ContactLost => "the card lost contact",
            Self::TimedOut => "the card did not respond in time",
            Self::Failed => "the card failed",
        })
    }
}

impl std::error::Error for NoResponse {}
