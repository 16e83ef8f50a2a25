//! A client of a PC/SC server, as libpcsclite is one: its messages, and one at a socket.
//!
//! A message is the size of a struct, a command, and the struct, all in words of four bytes in the
//! machine's order; SCARD_TRANSMIT has the APDU behind that. The reply is the struct again, without
//! size and command, and has its return code in the last word; behind that of SCARD_TRANSMIT comes
//! the response.
//!
//! Source: pcsc-lite, `winscard_msg.h`, `winscard.h`, `pcsclite.h`.

use crate::{digits, hex};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a client waits before its test fails; nothing takes a hundredth of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The most bytes that a response may have: `MAX_BUFFER_SIZE_EXTENDED`.
const ROOM: u32 = 65_548;
/// How many readers a server has room for, as Debian 12 builds it.
const READERS: usize = 16;
/// The bytes of a reader's state.
const STATE: usize = 184;

/// The return code `SCARD_S_SUCCESS`.
pub const OK: u32 = 0;
/// The return code `SCARD_F_INTERNAL_ERROR`.
pub const INTERNAL_ERROR: u32 = 0x8010_0001;
/// The return code `SCARD_E_CANCELLED`.
pub const CANCELLED: u32 = 0x8010_0002;
/// The return code `SCARD_E_INVALID_HANDLE`.
pub const INVALID_HANDLE: u32 = 0x8010_0003;
/// The return code `SCARD_E_INSUFFICIENT_BUFFER`.
pub const INSUFFICIENT_BUFFER: u32 = 0x8010_0008;
/// The return code `SCARD_E_SHARING_VIOLATION`.
pub const SHARING_VIOLATION: u32 = 0x8010_000B;
/// The return code `SCARD_E_NO_SMARTCARD`.
pub const NO_SMARTCARD: u32 = 0x8010_000C;
/// The return code `SCARD_E_PROTO_MISMATCH`.
pub const PROTO_MISMATCH: u32 = 0x8010_000F;
/// The return code `SCARD_E_INVALID_VALUE`.
pub const INVALID_VALUE: u32 = 0x8010_0011;
/// The return code `SCARD_E_NOT_TRANSACTED`.
pub const NOT_TRANSACTED: u32 = 0x8010_0016;
/// The return code `SCARD_E_UNSUPPORTED_FEATURE`, as pcsc-lite numbers it.
pub const UNSUPPORTED_FEATURE: u32 = 0x8010_001F;
/// The return code `SCARD_W_UNPOWERED_CARD`.
pub const UNPOWERED_CARD: u32 = 0x8010_0067;
/// The return code `SCARD_W_RESET_CARD`.
pub const RESET_CARD: u32 = 0x8010_0068;
/// The return code `SCARD_W_REMOVED_CARD`.
pub const REMOVED_CARD: u32 = 0x8010_0069;

/// `SCARD_SHARE_EXCLUSIVE`.
pub const EXCLUSIVE: u32 = 1;
/// `SCARD_SHARE_SHARED`.
pub const SHARED: u32 = 2;
/// `SCARD_SHARE_DIRECT`.
pub const DIRECT: u32 = 3;

/// `SCARD_LEAVE_CARD`.
pub const LEAVE: u32 = 0;
/// `SCARD_RESET_CARD`.
pub const RESET: u32 = 1;
/// `SCARD_UNPOWER_CARD`.
pub const UNPOWER: u32 = 2;
/// `SCARD_EJECT_CARD`.
pub const EJECT: u32 = 3;

/// `SCARD_PROTOCOL_T0`.
pub const T0: u32 = 1;
/// `SCARD_PROTOCOL_T1`.
pub const T1: u32 = 2;
/// `SCARD_PROTOCOL_RAW`.
pub const RAW: u32 = 4;
/// `SCARD_PROTOCOL_ANY_OLD`.
pub const ANY_OLD: u32 = 0x1000;

/// A message with a struct of words.
///
/// # Panics
///
/// If there are more words than a size can say.
#[must_use]
pub fn message(command: u32, words: &[u32]) -> Vec<u8> {
    let size = u32::try_from(words.len() * 4).expect("a short message");
    [size, command].iter().chain(words).flat_map(|word| word.to_ne_bytes()).collect()
}

/// The words of a reply.
///
/// # Panics
///
/// If there are bytes left over.
#[must_use]
pub fn to_words(bytes: &[u8]) -> Vec<u32> {
    let (words, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "{} bytes", bytes.len());
    words.iter().map(|word| u32::from_ne_bytes(*word)).collect()
}

/// SCARD_CONNECT: in the reply, word 35 is the handle, 36 the active protocol, 37 the return code.
#[must_use]
pub fn connect(context: u32, reader: &str, share: u32, protocols: u32) -> Vec<u8> {
    let mut name = reader.as_bytes().to_vec();
    name.resize(128, 0);
    let mut words = vec![context];
    words.extend(to_words(&name));
    words.extend([share, protocols, 0, 0, 0]);
    message(0x04, &words)
}

/// SCARD_TRANSMIT: in the reply, word 6 is the length of the response, 7 the return code.
///
/// # Panics
///
/// If the APDU is longer than a word can say.
#[must_use]
pub fn transmit(handle: u32, protocol: u32, apdu: &[u8], room: u32) -> Vec<u8> {
    let length = u32::try_from(apdu.len()).expect("a short APDU");
    let words = [handle, protocol, 16, length, 3, 16, room, 0];
    [message(0x09, &words), apdu.to_vec()].concat()
}

/// A connection to a server, with a context. Its methods panic where the server does not reply, or
/// replies what a server does not.
#[derive(Debug)]
pub struct PcscClient {
    /// What it is connected by.
    pub stream: UnixStream,
    /// The context that it has established.
    pub context: u32,
}

impl PcscClient {
    /// Connects to the server at `socket`: CMD_VERSION, SCARD_ESTABLISH_CONTEXT.
    ///
    /// # Panics
    ///
    /// If nobody listens there.
    #[must_use]
    pub fn at(socket: impl AsRef<Path>) -> Self {
        let stream = UnixStream::connect(socket).expect("a server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time above zero");
        let mut client = Self { stream, context: 0 };
        assert_eq!(client.call(0x11, &[4, 4, 0]), [4, 4, OK]);
        client.context = client.call(0x01, &[2, 0, 0])[1];
        client
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    ///
    /// If the server has hung up.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server listens");
    }

    /// Sends a message whose reply is as long as its struct; the words of the reply.
    pub fn call(&mut self, command: u32, words: &[u32]) -> Vec<u32> {
        self.send(&message(command, words));
        self.receive(words.len())
    }

    /// The next so many words.
    pub fn receive(&mut self, words: usize) -> Vec<u32> {
        to_words(&self.receive_bytes(4 * words))
    }

    fn receive_bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let received: io::Result<()> = self.stream.read_exact(&mut bytes);
        received.unwrap_or_else(|error| panic!("the server does not reply: {error}"));
        bytes
    }

    /// Whether the server has hung up.
    pub fn is_hung_up(&mut self) -> bool {
        !matches!(self.stream.read(&mut [0]), Ok(1))
    }

    /// The readers' names: CMD_GET_READERS_STATE.
    ///
    /// # Panics
    ///
    /// If a name is no text.
    pub fn names(&mut self) -> Vec<String> {
        self.send(&message(0x12, &[]));
        let states = self.receive_bytes(READERS * STATE);
        let name = |state: &[u8]| {
            let name = state[..128].split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8(name.into()).expect("a name is text")
        };
        states.chunks(STATE).map(name).filter(|name| !name.is_empty()).collect()
    }

    /// The ATR of the card in the first reader, as its state has it.
    ///
    /// # Panics
    ///
    /// If it says that it is longer than it can be.
    pub fn atr(&mut self) -> Vec<u8> {
        self.send(&message(0x12, &[]));
        let states = self.receive_bytes(READERS * STATE);
        let length = to_words(&states[176..180])[0];
        states[140..140 + usize::try_from(length).expect("33 at most")].to_vec()
    }

    /// Connects to a reader, by T=0 or T=1: the handle.
    ///
    /// # Errors
    ///
    /// The return code.
    pub fn connect(&mut self, reader: &str, share: u32) -> Result<u32, u32> {
        self.send(&connect(self.context, reader, share, T0 | T1));
        match self.receive(38)[35..] {
            [handle, T1, OK] => Ok(handle),
            [0, _, code] => Err(code),
            ref other => panic!("{other:?}"),
        }
    }

    /// Connects to the first reader, and selects the card's applet: the handle.
    pub fn connected(&mut self) -> u32 {
        let handle = self.connected_only();
        self.select(handle);
        handle
    }

    /// Connects to the first reader: the handle.
    ///
    /// # Panics
    ///
    /// If that is refused.
    pub fn connected_only(&mut self) -> u32 {
        let names = self.names();
        self.connect(&names[0], SHARED).unwrap_or_else(|code| panic!("{code:08X}"))
    }

    /// Selects the card's applet.
    pub fn select(&mut self, handle: u32) {
        let select = "00A4040C 0B E82B0601040181C31F0201";
        assert_eq!(self.ask(handle, select).as_deref(), Ok("9000"));
    }

    /// SCARD_BEGIN_TRANSACTION: its return code.
    pub fn begin(&mut self, handle: u32) -> u32 {
        self.call(0x07, &[handle, 0])[1]
    }

    /// SCARD_DISCONNECT, which leaves the card as it is.
    pub fn disconnect(&mut self, handle: u32) {
        assert_eq!(self.call(0x06, &[handle, LEAVE, 0])[2], OK);
    }

    /// SCARD_TRANSMIT: the card's response.
    ///
    /// # Errors
    ///
    /// The return code.
    ///
    /// # Panics
    ///
    /// If the server does not reply.
    pub fn transmit(&mut self, handle: u32, apdu: &[u8]) -> Result<Vec<u8>, u32> {
        self.send(&transmit(handle, T1, apdu, ROOM));
        match self.receive(8)[6..] {
            [length, OK] => Ok(self.receive_bytes(usize::try_from(length).expect("a length"))),
            [_, code] => Err(code),
            _ => unreachable!("eight words have two after the sixth"),
        }
    }

    /// The same in hexadecimal digits.
    ///
    /// # Errors
    ///
    /// The return code.
    pub fn ask(&mut self, handle: u32, apdu: &str) -> Result<String, u32> {
        self.transmit(handle, &hex(apdu)).map(|response| digits(&response))
    }

    /// Dies, as far as the server can see.
    ///
    /// # Panics
    ///
    /// If the server has hung up before.
    pub fn die(self) {
        self.stream.shutdown(Shutdown::Both).expect("it is connected");
    }
}
