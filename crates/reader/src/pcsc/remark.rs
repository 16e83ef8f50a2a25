//! What a client does that goes well here, or looks as if it did, and makes others wait or would
//! have made the client itself wait with pcscd.

use std::fmt;

/// For who runs the client, not for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What it has done.
    pub deed: Deed,
    /// With which reader.
    pub reader: String,
}

/// What a client has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It has gone from exclusive to shared, and keeps the card all the same.
    KeptLock,
    /// It has connected inside a transaction of another handle of its own context.
    ConnectedInside,
    /// It has disconnected with a reset, to remove power or to eject the card, inside a transaction
    /// of another handle of its own context.
    DisconnectedInside,
}

/// Goes on behind the name of a client.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reader = &self.reader;
        match self.deed {
            Deed::KeptLock => write!(
                f,
                "has called SCardReconnect to share {reader}, which it had exclusively: as with \
                 pcscd the card stays locked, and others wait, until it calls SCardEndTransaction \
                 or SCardDisconnect"
            ),
            Deed::ConnectedInside => write!(
                f,
                "has called SCardConnect to {reader} inside a transaction of its own context: \
                 pcscd would have it wait for ever"
            ),
            Deed::DisconnectedInside => write!(
                f,
                "has called SCardDisconnect from {reader}, and not to leave the card as it is, \
                 inside a transaction of its own context: pcscd would have it wait for ever"
            ),
        }
    }
}
