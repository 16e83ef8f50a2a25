//! What travels through the socket.
//!
//! A request is its length and its command, and a struct of that length; TRANSMIT and CONTROL are
//! followed by data whose length is in the struct. A reply is the same struct, filled in by the
//! server, without a header. Integers are four bytes in the byte order of the host, the last of
//! each struct is the return code:
//!
//! | command                | fields and their offsets                                          |
//! |------------------------|-------------------------------------------------------------------|
//! | `01` ESTABLISH_CONTEXT | 0 scope, 4 context                                                |
//! | `02` RELEASE_CONTEXT   | 0 context                                                         |
//! | `04` CONNECT           | 0 context, 4 reader\[128\], 132 share, 136 protocols, 140 handle, |
//! |                        | 144 active protocol                                               |
//! | `05` RECONNECT         | 0 handle, 4 share, 8 protocols, 12 disposition, 16 active         |
//! | `06` DISCONNECT        | 0 handle, 4 disposition                                           |
//! | `07` BEGIN_TRANSACTION | 0 handle                                                          |
//! | `08` END_TRANSACTION   | 0 handle, 4 disposition                                           |
//! | `09` TRANSMIT          | 0 handle, 4 protocol, 8 its struct's size, 12 length of the APDU, |
//! |                        | 16 and 20 what the client has there for the protocol of the       |
//! |                        | response, and keeps: libccid fills in nothing, 24 room, length    |
//! | `0A` CONTROL           | 0 handle, 4 code, 8 length, 12 room, 16 length of the response    |
//! | `0B` STATUS            | 0 handle                                                          |
//! | `0D` CANCEL            | 0 context                                                         |
//! | `0F` GET_ATTRIB, `10`  | 0 handle, 4 attribute, 8 value\[264\], 272 length                 |
//! | `11` VERSION           | 0 major, 4 minor                                                  |
//! | `12` to `17`           | the readers' states, and waiting for a change: no struct          |

use super::ReturnCode;
use std::io::{self, Read};

/// The environment variable that names the socket to a client.
pub const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// PCSCLITE_MAX_READERS_CONTEXTS: the number of reader states that a library of version 4:5 or
/// older reads, whether there are as many readers or not. A constant of its build: 16, or 48 in
/// Fedora.
pub const MAX_READERS_CONTEXTS: usize = 16;

/// The longest APDU or control data: header, extended length, 65,536 bytes, extended Le, status.
pub(super) const LONGEST: u32 = 65_548;

/// The room for an attribute in bytes.
pub(super) const ATTRIBUTE: usize = 264;

/// A request as it was received; its reply is made from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WinscardMessage {
    command: u32,
    fields: Vec<u8>,
    data: Vec<u8>,
}

/// What a client requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WinscardRequest<'a> {
    EstablishContext { scope: u32 },
    ReleaseContext { context: u32 },
    Connect { context: u32, reader: &'a [u8], share: u32, protocols: u32 },
    Reconnect { handle: u32, share: u32, protocols: u32, disposition: u32 },
    Disconnect { handle: u32, disposition: u32 },
    BeginTransaction { handle: u32 },
    EndTransaction { handle: u32, disposition: u32 },
    Transmit { handle: u32, protocol: u32 },
    Control { handle: u32, code: u32 },
    Status { handle: u32 },
    Cancel { context: u32 },
    GetAttrib { handle: u32, attribute: u32 },
    SetAttrib { handle: u32 },
    Version { major: u32, minor: u32 },
    GetReadersState,
    WaitReaderStateChange,
    StopWaitingReaderStateChange,
    GetReaderEvents,
    GetReadersStateSize,
    GetReadersStateArray,
}

/// What a reply has besides its return code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReplyBody {
    Done,
    Version {
        minor: u32,
    },
    Context(u32),
    Connected {
        handle: u32,
        protocol: u32,
    },
    Reconnected {
        protocol: u32,
    },
    /// A response APDU, or the result of CONTROL.
    Data(Vec<u8>),
    Attribute(Vec<u8>),
}

/// A reply to a client. A call that fails may have a result besides its return code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) body: ReplyBody,
    pub(super) code: ReturnCode,
}

impl Reply {
    /// The reply to a request that succeeded or failed.
    pub(super) fn of(result: Result<ReplyBody, ReturnCode>) -> Self {
        match result {
            Ok(body) => Self { body, code: ReturnCode::OK },
            Err(code) => Self { body: ReplyBody::Done, code },
        }
    }
}

impl WinscardMessage {
    /// Waits for the next message; `None` when the client has hung up between two messages.
    ///
    /// # Errors
    ///
    /// Those of the stream, and `InvalidData` for a message that no client sends.
    pub fn receive(stream: &mut impl Read) -> io::Result<Option<Self>> {
        let mut size = [0; 4];
        if !fill_or_end(stream, &mut size)? {
            return Ok(None);
        }
        let command = receive_word(stream)?;
        let expected = struct_size(command).ok_or_else(invalid)?;
        if usize::try_from(u32::from_ne_bytes(size)) != Ok(expected) {
            return Err(invalid());
        }
        let mut message = Self { command, fields: vec![0; expected], data: Vec::new() };
        stream.read_exact(&mut message.fields)?;
        let announced = match command {
            0x09 => message.word(12),
            0x0A => message.word(8),
            _ => 0,
        };
        if announced > LONGEST {
            return Err(invalid());
        }
        message.data.resize(usize::try_from(announced).unwrap_or_default(), 0);
        stream.read_exact(&mut message.data)?;
        Ok(Some(message))
    }

    /// What it asks; nothing that [`receive`](Self::receive) lets through is without meaning.
    pub(super) fn request(&self) -> Option<WinscardRequest<'_>> {
        let handle = self.word(0);
        Some(match self.command {
            0x01 => WinscardRequest::EstablishContext { scope: handle },
            0x02 => WinscardRequest::ReleaseContext { context: handle },
            0x04 => WinscardRequest::Connect {
                context: handle,
                reader: until_zero(self.fields.get(4..132)?),
                share: self.word(132),
                protocols: self.word(136),
            },
            0x05 => WinscardRequest::Reconnect {
                handle,
                share: self.word(4),
                protocols: self.word(8),
                disposition: self.word(12),
            },
            0x06 => WinscardRequest::Disconnect { handle, disposition: self.word(4) },
            0x07 => WinscardRequest::BeginTransaction { handle },
            0x08 => WinscardRequest::EndTransaction { handle, disposition: self.word(4) },
            0x09 => WinscardRequest::Transmit { handle, protocol: self.word(4) },
            0x0A => WinscardRequest::Control { handle, code: self.word(4) },
            0x0B => WinscardRequest::Status { handle },
            0x0D => WinscardRequest::Cancel { context: handle },
            0x0F => WinscardRequest::GetAttrib { handle, attribute: self.word(4) },
            0x10 => WinscardRequest::SetAttrib { handle },
            0x11 => WinscardRequest::Version { major: handle, minor: self.word(4) },
            0x12 => WinscardRequest::GetReadersState,
            0x13 => WinscardRequest::WaitReaderStateChange,
            0x14 => WinscardRequest::StopWaitingReaderStateChange,
            0x15 => WinscardRequest::GetReaderEvents,
            0x16 => WinscardRequest::GetReadersStateSize,
            0x17 => WinscardRequest::GetReadersStateArray,
            _ => return None,
        })
    }

    /// What follows the struct: an APDU, or control data for the reader.
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The reply in bytes.
    pub(super) fn reply(&self, Reply { body, code }: Reply) -> Vec<u8> {
        let mut fields = Self { command: self.command, fields: self.fields.clone(), data: vec![] };
        fields.clear_results(code);
        match body {
            ReplyBody::Done => {}
            ReplyBody::Version { minor } => {
                fields.put(0, 4);
                fields.put(4, minor);
            }
            ReplyBody::Context(context) => fields.put(4, context),
            ReplyBody::Connected { handle, protocol } => {
                fields.put(140, handle);
                fields.put(144, protocol);
            }
            ReplyBody::Reconnected { protocol } => fields.put(16, protocol),
            ReplyBody::Data(data) => return fields.with_data(data),
            ReplyBody::Attribute(value) => {
                fields.put(272, length(&value));
                if let Some(place) = fields.fields.get_mut(8..8 + value.len()) {
                    place.copy_from_slice(&value);
                }
            }
        }
        fields.put_code(code);
        fields.fields
    }

    /// The reply of a service that speaks version 4:`minor` and not the client's.
    pub(super) fn other_version(&self, minor: u32) -> Vec<u8> {
        self.reply(Reply { body: ReplyBody::Version { minor }, code: ReturnCode::SERVICE_STOPPED })
    }

    /// The struct followed by data. If the client has too little room for them, only their length
    /// is sent, as it would take the data for the next reply.
    fn with_data(mut self, data: Vec<u8>) -> Vec<u8> {
        let (room, len) = if self.command == 0x09 { (24, 24) } else { (12, 16) };
        let room = self.word(room);
        self.put(len, length(&data));
        if length(&data) > room {
            self.put_code(ReturnCode::INSUFFICIENT_BUFFER);
            return self.fields;
        }
        self.put_code(ReturnCode::OK);
        self.fields.extend(data);
        self.fields
    }

    /// Clears what the request has in fields for results.
    fn clear_results(&mut self, code: ReturnCode) {
        match self.command {
            0x04 if code != ReturnCode::OK => self.put(140, 0),
            0x05 => self.put(16, 0),
            0x09 if code != ReturnCode::OK => self.put(24, 0),
            0x0A => self.put(16, 0),
            0x0F | 0x10 => {
                self.put(272, 0);
                if let Some(value) = self.fields.get_mut(8..8 + ATTRIBUTE) {
                    value.fill(0);
                }
            }
            _ => {}
        }
    }

    fn word(&self, at: usize) -> u32 {
        let bytes = self.fields.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_ne_bytes)
    }

    fn put(&mut self, at: usize, value: u32) {
        if let Some(place) = self.fields.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_ne_bytes());
        }
    }

    fn put_code(&mut self, code: ReturnCode) {
        self.put(self.fields.len().saturating_sub(4), code.0);
    }
}

/// An event, which tells a waiting client of a change or that its wait was cancelled. The reply to
/// the end of a wait, and the count of reader events, have the same form.
pub(super) fn event(value: u32, code: ReturnCode) -> [u8; 8] {
    let mut event = [0; 8];
    let (first, second) = event.split_at_mut(4);
    first.copy_from_slice(&value.to_ne_bytes());
    second.copy_from_slice(&code.0.to_ne_bytes());
    event
}

/// The size of a command's struct in bytes, if there is such a command.
///
/// LIST_READERS, GET_STATUS_CHANGE and CANCEL_TRANSACTION have numbers, but are never sent.
fn struct_size(command: u32) -> Option<usize> {
    Some(match command {
        0x01 | 0x06 | 0x08 | 0x11 => 12,
        0x02 | 0x07 | 0x0B | 0x0D => 8,
        0x04 => 152,
        0x05 | 0x0A => 24,
        0x09 => 32,
        0x0F | 0x10 => 280,
        0x12..=0x17 => 0,
        _ => return None,
    })
}

/// Fills `buffer`; false if the stream ends before its first byte.
fn fill_or_end(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut first = 0;
    while first == 0 {
        match stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => first = read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.read_exact(buffer.get_mut(first..).unwrap_or_default())?;
    Ok(true)
}

fn receive_word(stream: &mut impl Read) -> io::Result<u32> {
    let mut word = [0; 4];
    stream.read_exact(&mut word)?;
    Ok(u32::from_ne_bytes(word))
}

fn until_zero(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

fn invalid() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a message of a PC/SC client")
}
