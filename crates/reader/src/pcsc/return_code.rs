//! Return codes.

use std::fmt;

/// A PC/SC return code: what the function that the client has called returns.
///
/// Source: pcsc-lite, `src/PCSC/pcsclite.h.in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnCode(pub u32);

impl ReturnCode {
    /// SCARD_S_SUCCESS.
    pub const OK: Self = Self(0);
    /// SCARD_F_INTERNAL_ERROR: the reader has the maximum of handles.
    pub const INTERNAL_ERROR: Self = Self(0x8010_0001);
    /// SCARD_E_CANCELLED: the client has cancelled its wait.
    pub const CANCELLED: Self = Self(0x8010_0002);
    /// SCARD_E_INVALID_HANDLE: there is no such context or handle.
    pub const INVALID_HANDLE: Self = Self(0x8010_0003);
    /// SCARD_E_NO_MEMORY: the client has the maximum of handles.
    pub const NO_MEMORY: Self = Self(0x8010_0006);
    /// SCARD_E_INSUFFICIENT_BUFFER: the client's buffer is too small for the response.
    pub const INSUFFICIENT_BUFFER: Self = Self(0x8010_0008);
    /// SCARD_E_UNKNOWN_READER: no reader has that name.
    pub const UNKNOWN_READER: Self = Self(0x8010_0009);
    /// SCARD_E_SHARING_VIOLATION: another handle has the card exclusively.
    pub const SHARING_VIOLATION: Self = Self(0x8010_000B);
    /// SCARD_E_NO_SMARTCARD: the reader is empty.
    pub const NO_SMARTCARD: Self = Self(0x8010_000C);
    /// SCARD_E_PROTO_MISMATCH: the card uses another protocol.
    pub const PROTO_MISMATCH: Self = Self(0x8010_000F);
    /// SCARD_E_INVALID_VALUE: a parameter has a value without a meaning.
    pub const INVALID_VALUE: Self = Self(0x8010_0011);
    /// SCARD_E_NOT_TRANSACTED: the card has not responded, or there is no transaction to end.
    pub const NOT_TRANSACTED: Self = Self(0x8010_0016);
    /// SCARD_E_READER_UNAVAILABLE: the reader was removed.
    pub const READER_UNAVAILABLE: Self = Self(0x8010_0017);
    /// SCARD_E_SERVICE_STOPPED: the service speaks another version of the protocol.
    pub const SERVICE_STOPPED: Self = Self(0x8010_001E);
    /// SCARD_E_UNSUPPORTED_FEATURE: the reader does not support this.
    pub const UNSUPPORTED_FEATURE: Self = Self(0x8010_001F);
    /// SCARD_W_UNPOWERED_CARD: the card has no power, and connecting does not give it any.
    pub const UNPOWERED_CARD: Self = Self(0x8010_0067);
    /// SCARD_W_RESET_CARD: the card was reset since this handle was used last.
    pub const RESET_CARD: Self = Self(0x8010_0068);
    /// SCARD_W_REMOVED_CARD: the card was removed since this handle was used last.
    pub const REMOVED_CARD: Self = Self(0x8010_0069);
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}
