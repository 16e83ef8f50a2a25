//! Return codes.

/// What a call comes to, as the client's function returns it.
///
/// Source: pcsc-lite, `src/PCSC/pcsclite.h.in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    /// Done.
    pub const OK: Self = Self(0);
    /// A reader has no room for another handle.
    pub const INTERNAL_ERROR: Self = Self(0x8010_0001);
    /// The client has called off its own wait.
    pub const CANCELLED: Self = Self(0x8010_0002);
    /// No such context or handle.
    pub const INVALID_HANDLE: Self = Self(0x8010_0003);
    /// A client has no room for another handle.
    pub const NO_MEMORY: Self = Self(0x8010_0006);
    /// The answer does not fit.
    pub const INSUFFICIENT_BUFFER: Self = Self(0x8010_0008);
    /// No reader has that name.
    pub const UNKNOWN_READER: Self = Self(0x8010_0009);
    /// Somebody else has the card.
    pub const SHARING_VIOLATION: Self = Self(0x8010_000B);
    /// The reader is empty.
    pub const NO_SMARTCARD: Self = Self(0x8010_000C);
    /// The card speaks another protocol.
    pub const PROTO_MISMATCH: Self = Self(0x8010_000F);
    /// A parameter has a value that means nothing.
    pub const INVALID_VALUE: Self = Self(0x8010_0011);
    /// The card has not answered; or there is no transaction to end.
    pub const NOT_TRANSACTED: Self = Self(0x8010_0016);
    /// The reader is gone.
    pub const READER_UNAVAILABLE: Self = Self(0x8010_0017);
    /// The server speaks another version.
    pub const SERVICE_STOPPED: Self = Self(0x8010_001E);
    /// The reader cannot do that.
    pub const UNSUPPORTED_FEATURE: Self = Self(0x8010_001F);
    /// The card has no power, and nobody can give it any.
    pub const UNPOWERED_CARD: Self = Self(0x8010_0067);
    /// The card was reset since this client last asked it.
    pub const RESET_CARD: Self = Self(0x8010_0068);
    /// The card was taken out since this client last asked it.
    pub const REMOVED_CARD: Self = Self(0x8010_0069);
}
