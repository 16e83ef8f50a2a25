//! What a client does that succeeds here, or seems to, and makes others wait or would have made the
//! client itself wait with pcscd.

use std::fmt;

/// A warning for the user of a client, not for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientWarning {
    /// What the client has done.
    pub cause: WarningCause,
    /// The name of the reader.
    pub reader: String,
}

/// What a client has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningCause {
    /// It has changed from exclusive to shared access, and still has the card locked.
    KeptLock,
    /// It has connected inside a transaction of another handle of its own context.
    ConnectInTransaction,
    /// It has disconnected, and not with SCARD_LEAVE_CARD, inside a transaction of another handle
    /// of its own context.
    DisconnectInTransaction,
}

/// Continues a sentence that begins with the name of a client.
impl fmt::Display for ClientWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reader = &self.reader;
        match self.cause {
            WarningCause::KeptLock => write!(
                f,
                "has called SCardReconnect to share {reader}, which it had exclusively: as with \
                 pcscd the card stays locked, and others wait, until it calls SCardEndTransaction \
                 or SCardDisconnect"
            ),
            WarningCause::ConnectInTransaction => write!(
                f,
                "has called SCardConnect to {reader} inside a transaction of its own context: \
                 with pcscd it would wait for ever"
            ),
            WarningCause::DisconnectInTransaction => write!(
                f,
                "has called SCardDisconnect from {reader} without SCARD_LEAVE_CARD inside a \
                 transaction of its own context: with pcscd it would wait for ever"
            ),
        }
    }
}
