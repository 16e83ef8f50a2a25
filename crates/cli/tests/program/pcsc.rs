//! A client of the built-in PC/SC server, as libpcsclite is one, in words of four bytes.

use crate::vschsm::{Home, Running, SELECT, hex};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Prints where the socket is, and then waits for the end of its standard input.
pub(crate) const WAIT: [&str; 4] = ["--", "sh", "-c", "echo $PCSCLITE_CSOCK_NAME; cat"];

pub(crate) const SHARED: u32 = 2;
pub(crate) const EXCLUSIVE: u32 = 1;
pub(crate) const OK: u32 = 0;
pub(crate) const NO_SMARTCARD: u32 = 0x8010_000C;
pub(crate) const SHARING_VIOLATION: u32 = 0x8010_000B;
pub(crate) const NOT_TRANSACTED: u32 = 0x8010_0016;
pub(crate) const REMOVED_CARD: u32 = 0x8010_0069;
pub(crate) const RESET_CARD: u32 = 0x8010_0068;

/// A connection with a context.
pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    pub(crate) context: u32,
}

/// Starts `vschsm exec` with `options`; a client can connect to what it says.
pub(crate) fn exec(home: &Home, options: &[&str]) -> (Running, String) {
    let mut running = home.start_with_input(&[&["exec"], options, &WAIT].concat());
    let socket = running.line();
    (running, socket)
}

impl Client {
    pub(crate) fn at(socket: impl AsRef<Path>) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(crate::reader::PATIENCE)).unwrap();
        let mut client = Self { stream, context: 0 };
        assert_eq!(client.call(0x11, &[4, 4, 0]), [4, 4, OK]);
        client.context = client.call(0x01, &[2, 0, 0])[1];
        client
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a message whose reply is as long as its struct.
    pub(crate) fn call(&mut self, command: u32, words: &[u32]) -> Vec<u32> {
        self.send(&message(command, words));
        self.receive(words.len())
    }

    pub(crate) fn receive(&mut self, words: usize) -> Vec<u32> {
        to_words(&self.receive_bytes(4 * words))
    }

    fn receive_bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Whether the server has hung up.
    pub(crate) fn is_hung_up(&mut self) -> bool {
        !matches!(self.stream.read(&mut [0]), Ok(1))
    }

    /// Takes the states that a request brings: the readers' names.
    pub(crate) fn names(&mut self) -> Vec<String> {
        self.send(&message(0x12, &[]));
        let states = self.receive_bytes(16 * 184);
        let name = |state: &[u8]| {
            let name = state[..128].split(|byte| *byte == 0).next().unwrap();
            String::from_utf8(name.into()).unwrap()
        };
        states.chunks(184).map(name).filter(|name| !name.is_empty()).collect()
    }

    /// The ATR of the card in the first reader, as its state has it.
    pub(crate) fn atr(&mut self) -> Vec<u8> {
        self.send(&message(0x12, &[]));
        let states = self.receive_bytes(16 * 184);
        let length = u32::from_ne_bytes(states[176..180].try_into().unwrap());
        states[140..140 + usize::try_from(length).unwrap()].to_vec()
    }

    /// Connects to a reader: the handle, or the return code.
    pub(crate) fn connect(&mut self, reader: &str, share: u32) -> Result<u32, u32> {
        let mut name = reader.as_bytes().to_vec();
        name.resize(128, 0);
        let mut words = vec![self.context];
        words.extend(to_words(&name));
        words.extend([share, 3, 0, 0, 0]);
        match self.call(0x04, &words)[35..] {
            [handle, 2, OK] => Ok(handle),
            [0, _, code] => Err(code),
            ref other => panic!("{other:?}"),
        }
    }

    /// Connects to the first reader, and selects the card's applet.
    pub(crate) fn connected(&mut self) -> u32 {
        let handle = self.connected_only();
        self.select(handle);
        handle
    }

    /// Connects to the first reader.
    pub(crate) fn connected_only(&mut self) -> u32 {
        let names = self.names();
        self.connect(&names[0], SHARED).unwrap()
    }

    /// Selects the card's applet.
    pub(crate) fn select(&mut self, handle: u32) {
        assert_eq!(self.ask(handle, SELECT).as_deref(), Ok("9000"));
    }

    /// BEGIN_TRANSACTION: its return code.
    pub(crate) fn begin(&mut self, handle: u32) -> u32 {
        self.call(0x07, &[handle, 0])[1]
    }

    /// Asks the card in hexadecimal: its answer, or the return code.
    pub(crate) fn ask(&mut self, handle: u32, digits: &str) -> Result<String, u32> {
        let apdu = hex(digits);
        let length = u32::try_from(apdu.len()).unwrap();
        self.send(&message(0x09, &[handle, 2, 16, length, 3, 16, 65_548, 0]));
        self.send(&apdu);
        match self.receive(8)[6..] {
            [length, OK] => {
                let response = self.receive_bytes(length.try_into().unwrap());
                Ok(base16ct::upper::encode_string(&response))
            }
            [_, code] => Err(code),
            _ => unreachable!(),
        }
    }

    /// Dies, as far as the server can see.
    pub(crate) fn die(self) {
        self.stream.shutdown(Shutdown::Both).unwrap();
    }
}

/// A message with a struct of words.
pub(crate) fn message(command: u32, words: &[u32]) -> Vec<u8> {
    let size = u32::try_from(words.len() * 4).unwrap();
    [size, command].iter().chain(words).flat_map(|word| word.to_ne_bytes()).collect()
}

fn to_words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_ne_bytes(*word)).collect()
}
