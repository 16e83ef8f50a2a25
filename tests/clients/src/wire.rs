//! A client without libpcsclite: as Debian 12 builds that, it knows 16 readers.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::PATIENCE;

/// What `SCARD_PROTOCOL_T1` and `SCARD_SHARE_SHARED` both are.
const T1_OR_SHARED: u32 = 2;

/// The most that a response may have.
const ROOM: u32 = 65_548;

/// A connection to a PC/SC server, with a context.
#[derive(Debug)]
pub struct Wire {
    stream: UnixStream,
    context: u32,
}

impl Wire {
    /// Connects to the server at `socket`.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn at(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut wire = Self { stream, context: 0 };
        wire.ask(0x11, &words(&[4, 4, 0]), &[]);
        let established = wire.ask(0x01, &words(&[0, 0, 0]), &[]);
        wire.context = word(&established, 1);
        wire
    }

    /// A handle for the card in `reader`.
    ///
    /// # Panics
    /// If there is none.
    pub fn connect(&mut self, reader: &str) -> u32 {
        let mut name = reader.as_bytes().to_vec();
        name.resize(128, 0);
        let how = words(&[T1_OR_SHARED, T1_OR_SHARED, 0, 0, 0]);
        let connected = self.ask(0x04, &[words(&[self.context]), name, how].concat(), &[]);
        word(&connected, 35)
    }

    /// The data of the card's response to `apdu`.
    ///
    /// # Panics
    /// If that does not end with 9000.
    pub fn transmit(&mut self, handle: u32, apdu: &[u8]) -> Vec<u8> {
        let length = u32::try_from(apdu.len()).unwrap();
        let request = words(&[handle, T1_OR_SHARED, 8, length, T1_OR_SHARED, 8, ROOM, 0]);
        let reply = self.ask(0x09, &request, apdu);
        let response = self.receive(word(&reply, 6));
        let data = response.strip_suffix(&[0x90, 0x00]);
        data.unwrap_or_else(|| panic!("{apdu:02X?}: {response:02X?}")).to_vec()
    }

    /// Gives a handle back.
    ///
    /// # Panics
    /// If it was none.
    pub fn disconnect(&mut self, handle: u32) {
        self.ask(0x06, &words(&[handle, 0, 0]), &[]);
    }

    /// The reply, which is of the size of the request and ends with a code.
    fn ask(&mut self, command: u32, request: &[u8], data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(request.len()).unwrap();
        let message = [&words(&[length, command]), request, data].concat();
        self.stream.write_all(&message).unwrap();
        let reply = self.receive(length);
        let code = word(&reply, request.len() / 4 - 1);
        assert_eq!(code, 0, "command {command:02X}: {code:08X}");
        reply
    }

    fn receive(&mut self, length: u32) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        let received = self.stream.read_exact(&mut bytes);
        received.unwrap_or_else(|error| panic!("the server does not answer: {error}"));
        bytes
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn word(bytes: &[u8], index: usize) -> u32 {
    let (words, _) = bytes.as_chunks();
    u32::from_ne_bytes(*words.get(index).unwrap())
}
