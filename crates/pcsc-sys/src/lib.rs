//! The part of PC/SC's C interface that `pcsc` needs, by a library that is loaded when it is first
//! used.
//!
//! A program that is linked with libpcsclite does not start without it, even if it never uses a
//! reader, and is not built without its headers. So this crate replaces `pcsc-sys`, by a `[patch]`
//! in the workspace's manifest. Here, and nowhere else in the workspace, code is `unsafe`: it
//! relies on the library's functions having the types that are in its headers.

// As in C, where return codes of 32 bits are negative numbers and those of 64 are not.
#![allow(non_snake_case, non_camel_case_types, non_upper_case_globals, overflowing_literals)]

mod numbers;

use libloading::Library;
pub use numbers::*;
use std::ffi::{c_char, c_void};
use std::sync::OnceLock;

#[cfg(not(target_os = "macos"))]
mod types {
    pub type DWORD = std::ffi::c_ulong;
    pub type LONG = std::ffi::c_long;
    pub type ULONG = std::ffi::c_ulong;

    /// The library's name for the loader.
    pub(super) const NAME: &str = "libpcsclite.so.1";
    pub(super) const CONTROL: &[u8] = b"SCardControl";
}

#[cfg(target_os = "macos")]
mod types {
    pub type DWORD = u32;
    pub type LONG = i32;
    pub type ULONG = u32;

    pub(super) const NAME: &str = "/System/Library/Frameworks/PCSC.framework/PCSC";
    pub(super) const CONTROL: &[u8] = b"SCardControl132";
}

use types::{CONTROL, NAME};
pub use types::{DWORD, LONG, ULONG};

pub type SCARDCONTEXT = LONG;
pub type SCARDHANDLE = LONG;

/// The protocol of a command.
#[cfg_attr(not(target_os = "macos"), repr(C))]
#[cfg_attr(target_os = "macos", repr(C, packed))]
pub struct SCARD_IO_REQUEST {
    pub dwProtocol: DWORD,
    pub cbPciLength: DWORD,
}

/// The known and the current state of a reader.
#[cfg_attr(not(target_os = "macos"), repr(C))]
#[cfg_attr(target_os = "macos", repr(C, packed))]
pub struct SCARD_READERSTATE {
    pub szReader: *const c_char,
    pub pvUserData: *mut c_void,
    pub dwCurrentState: DWORD,
    pub dwEventState: DWORD,
    pub cbAtr: DWORD,
    pub rgbAtr: [u8; ATR_BUFFER_SIZE],
}

const fn request(protocol: DWORD) -> SCARD_IO_REQUEST {
    let length = size_of::<SCARD_IO_REQUEST>() as DWORD;
    SCARD_IO_REQUEST { dwProtocol: protocol, cbPciLength: length }
}

pub static g_rgSCardT0Pci: SCARD_IO_REQUEST = request(SCARD_PROTOCOL_T0);
pub static g_rgSCardT1Pci: SCARD_IO_REQUEST = request(SCARD_PROTOCOL_T1);
pub static g_rgSCardRawPci: SCARD_IO_REQUEST = request(SCARD_PROTOCOL_RAW);

/// Functions of the library; without it they return SCARD_E_NO_SERVICE.
macro_rules! functions {
    ($($symbol:tt $name:ident($($argument:ident: $kind:ty),*);)*) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($kind),*) -> LONG,)*
            /// The library that they are in, which stays loaded.
            _library: Library,
        }

        impl Functions {
            fn load() -> Result<Self, libloading::Error> {
                // Safety: the library does nothing when it is loaded, and its functions have these
                // types in `winscard.h`.
                unsafe {
                    let library = Library::new(NAME)?;
                    Ok(Self { $($name: *library.get($symbol)?,)* _library: library })
                }
            }
        }

        $(
            /// # Safety
            /// As for the function of that name in C: pointers are null where it allows that, or
            /// point to as much memory as its arguments say.
            pub unsafe fn $name($($argument: $kind),*) -> LONG {
                match functions() {
                    // Safety: that of the caller.
                    Some(functions) => unsafe { (functions.$name)($($argument),*) },
                    None => SCARD_E_NO_SERVICE,
                }
            }
        )*
    };
}

fn functions() -> Option<&'static Functions> {
    static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| Functions::load().ok()).as_ref()
}

functions! {
    b"SCardEstablishContext" SCardEstablishContext(
        dwScope: DWORD, pvReserved1: *const c_void, pvReserved2: *const c_void,
        phContext: *mut SCARDCONTEXT
    );
    b"SCardReleaseContext" SCardReleaseContext(hContext: SCARDCONTEXT);
    b"SCardIsValidContext" SCardIsValidContext(hContext: SCARDCONTEXT);
    b"SCardCancel" SCardCancel(hContext: SCARDCONTEXT);
    b"SCardListReaders" SCardListReaders(
        hContext: SCARDCONTEXT, mszGroups: *const c_char, mszReaders: *mut c_char,
        pcchReaders: *mut DWORD
    );
    b"SCardGetStatusChange" SCardGetStatusChange(
        hContext: SCARDCONTEXT, dwTimeout: DWORD, rgReaderStates: *mut SCARD_READERSTATE,
        cReaders: DWORD
    );
    b"SCardConnect" SCardConnect(
        hContext: SCARDCONTEXT, szReader: *const c_char, dwShareMode: DWORD,
        dwPreferredProtocols: DWORD, phCard: *mut SCARDHANDLE, pdwActiveProtocol: *mut DWORD
    );
    b"SCardReconnect" SCardReconnect(
        hCard: SCARDHANDLE, dwShareMode: DWORD, dwPreferredProtocols: DWORD,
        dwInitialization: DWORD, pdwActiveProtocol: *mut DWORD
    );
    b"SCardDisconnect" SCardDisconnect(hCard: SCARDHANDLE, dwDisposition: DWORD);
    b"SCardBeginTransaction" SCardBeginTransaction(hCard: SCARDHANDLE);
    b"SCardEndTransaction" SCardEndTransaction(hCard: SCARDHANDLE, dwDisposition: DWORD);
    b"SCardStatus" SCardStatus(
        hCard: SCARDHANDLE, szReaderName: *mut c_char, pcchReaderLen: *mut DWORD,
        pdwState: *mut DWORD, pdwProtocol: *mut DWORD, pbAtr: *mut u8, pcbAtrLen: *mut DWORD
    );
    b"SCardGetAttrib" SCardGetAttrib(
        hCard: SCARDHANDLE, dwAttrId: DWORD, pbAttr: *mut u8, pcbAttrLen: *mut DWORD
    );
    b"SCardSetAttrib" SCardSetAttrib(
        hCard: SCARDHANDLE, dwAttrId: DWORD, pbAttr: *const u8, cbAttrLen: DWORD
    );
    b"SCardTransmit" SCardTransmit(
        hCard: SCARDHANDLE, pioSendPci: *const SCARD_IO_REQUEST, pbSendBuffer: *const u8,
        cbSendLength: DWORD, pioRecvPci: *mut SCARD_IO_REQUEST, pbRecvBuffer: *mut u8,
        pcbRecvLength: *mut DWORD
    );
    CONTROL SCardControl(
        hCard: SCARDHANDLE, dwControlCode: DWORD, pbSendBuffer: *const u8,
        cbSendLength: DWORD, pbRecvBuffer: *mut u8, cbRecvLength: DWORD,
        lpBytesReturned: *mut DWORD
    );
}
