//! What travels through the socket.
//!
//! A request is its length and its command, and a struct of that length; TRANSMIT and CONTROL are
//! followed by data whose length the struct has. A reply is the same struct with what the server
//! has to say filled in, and has no header. Integers are four bytes in the order of the host, the
//! last of each struct is the return code:
//!
//! | command                | fields and their places                                           |
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
//! | `0A` CONTROL           | 0 handle, 4 code, 8 length, 12 room, 16 length of the answer      |
//! | `0B` STATUS            | 0 handle                                                          |
//! | `0D` CANCEL            | 0 context                                                         |
//! | `0F` GET_ATTRIB, `10`  | 0 handle, 4 attribute, 8 value\[264\], 272 length                 |
//! | `11` VERSION           | 0 major, 4 minor                                                  |
//! | `12` to `17`           | the readers' states, and waiting for a change: no struct to send  |

use super::Code;
use std::io::{self, Read};

/// The environment variable that names the socket to a client.
pub const VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// How many readers a library of version 4:5 or older wants to be told of, be they there or not:
/// a constant of its build, and 16 but in Fedora, which has had 48.
pub const ENTRIES: usize = 16;

/// The longest APDU or control data: header, extended length, 65,536 bytes, extended Le, status.
pub(super) const LONGEST: u32 = 65_548;

/// The room for an attribute.
pub(super) const ATTRIBUTE: usize = 264;

/// A request as it came, and the paper that its reply is written on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    command: u32,
    fields: Vec<u8>,
    data: Vec<u8>,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    Establish { scope: u32 },
    Release { context: u32 },
    Connect { context: u32, reader: &'a [u8], share: u32, protocols: u32 },
    Reconnect { handle: u32, share: u32, protocols: u32, disposition: u32 },
    Disconnect { handle: u32, disposition: u32 },
    Begin { handle: u32 },
    End { handle: u32, disposition: u32 },
    Transmit { handle: u32, protocol: u32 },
    Control { handle: u32, code: u32 },
    Status { handle: u32 },
    Cancel { context: u32 },
    Attribute { handle: u32, attribute: u32 },
    SetAttribute { handle: u32 },
    Version { major: u32, minor: u32 },
    States,
    Wait,
    StopWaiting,
    Events,
    Size,
    Array,
}

/// What a reply says beside its return code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
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
    /// A response APDU, or what CONTROL brings.
    Data(Vec<u8>),
    Attribute(Vec<u8>),
}

/// What a client is told. A call that fails may have something to say beside its code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) code: Code,
}

impl Reply {
    /// That it is done, or why not.
    pub(super) fn of(result: Result<Answer, Code>) -> Self {
        match result {
            Ok(answer) => Self { answer, code: Code::OK },
            Err(code) => Self { answer: Answer::Done, code },
        }
    }
}

impl Message {
    /// Waits for the next message; `None` when the client has hung up between two messages.
    ///
    /// # Errors
    /// As the stream has them; `InvalidData` for a message that no client sends.
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
    pub(super) fn request(&self) -> Option<Request<'_>> {
        let handle = self.word(0);
        Some(match self.command {
            0x01 => Request::Establish { scope: handle },
            0x02 => Request::Release { context: handle },
            0x04 => Request::Connect {
                context: handle,
                reader: until_zero(self.fields.get(4..132)?),
                share: self.word(132),
                protocols: self.word(136),
            },
            0x05 => Request::Reconnect {
                handle,
                share: self.word(4),
                protocols: self.word(8),
                disposition: self.word(12),
            },
            0x06 => Request::Disconnect { handle, disposition: self.word(4) },
            0x07 => Request::Begin { handle },
            0x08 => Request::End { handle, disposition: self.word(4) },
            0x09 => Request::Transmit { handle, protocol: self.word(4) },
            0x0A => Request::Control { handle, code: self.word(4) },
            0x0B => Request::Status { handle },
            0x0D => Request::Cancel { context: handle },
            0x0F => Request::Attribute { handle, attribute: self.word(4) },
            0x10 => Request::SetAttribute { handle },
            0x11 => Request::Version { major: handle, minor: self.word(4) },
            0x12 => Request::States,
            0x13 => Request::Wait,
            0x14 => Request::StopWaiting,
            0x15 => Request::Events,
            0x16 => Request::Size,
            0x17 => Request::Array,
            _ => return None,
        })
    }

    /// What follows the struct: an APDU, or what a reader is told.
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// The reply in bytes.
    pub(super) fn reply(&self, Reply { answer, code }: Reply) -> Vec<u8> {
        let mut fields = Self { command: self.command, fields: self.fields.clone(), data: vec![] };
        fields.clear_answer(code);
        match answer {
            Answer::Done => {}
            Answer::Version { minor } => {
                fields.put(0, 4);
                fields.put(4, minor);
            }
            Answer::Context(context) => fields.put(4, context),
            Answer::Connected { handle, protocol } => {
                fields.put(140, handle);
                fields.put(144, protocol);
            }
            Answer::Reconnected { protocol } => fields.put(16, protocol),
            Answer::Data(data) => return fields.with_data(data),
            Answer::Attribute(value) => {
                fields.put(272, length(&value));
                if let Some(place) = fields.fields.get_mut(8..8 + value.len()) {
                    place.copy_from_slice(&value);
                }
            }
        }
        fields.put_code(code);
        fields.fields
    }

    /// The reply of a server that speaks version 4:`minor` and not the client's.
    pub(super) fn other_version(&self, minor: u32) -> Vec<u8> {
        self.reply(Reply { answer: Answer::Version { minor }, code: Code::SERVICE_STOPPED })
    }

    /// Data to follow the struct, unless there is too little room for them: then only their length
    /// is told, as whatever is in the stream besides would be taken for the next reply.
    fn with_data(mut self, data: Vec<u8>) -> Vec<u8> {
        let (room, len) = if self.command == 0x09 { (24, 24) } else { (12, 16) };
        let room = self.word(room);
        self.put(len, length(&data));
        if length(&data) > room {
            self.put_code(Code::INSUFFICIENT_BUFFER);
            return self.fields;
        }
        self.put_code(Code::OK);
        self.fields.extend(data);
        self.fields
    }

    /// Leaves nothing of the request where an answer belongs.
    fn clear_answer(&mut self, code: Code) {
        match self.command {
            0x04 if code != Code::OK => self.put(140, 0),
            0x05 => self.put(16, 0),
            0x09 if code != Code::OK => self.put(24, 0),
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

    fn put_code(&mut self, code: Code) {
        self.put(self.fields.len().saturating_sub(4), code.0);
    }
}

/// What tells a waiting client to look again, or that its wait is over; also the reply to the end
/// of a wait, and to the question how often readers have come and gone.
pub(super) fn event(value: u32, code: Code) -> [u8; 8] {
    let mut event = [0; 8];
    let (first, second) = event.split_at_mut(4);
    first.copy_from_slice(&value.to_ne_bytes());
    second.copy_from_slice(&code.0.to_ne_bytes());
    event
}

/// The size of a command's struct; none for what is no command.
///
/// LIST_READERS, GET_STATUS_CHANGE and CANCEL_TRANSACTION have numbers and are never sent.
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
    io::Error::new(io::ErrorKind::InvalidData, "no message of a PC/SC client")
}
