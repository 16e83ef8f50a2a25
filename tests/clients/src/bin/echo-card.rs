//! The least that a card can do: a yardstick for what the reader costs.
//!
//! `echo-card HOST:PORT` connects to a vpcd reader, prints `ready` after its first message, and
//! responds to every APDU with `9000`, GET CHALLENGE (`84`) with as many bytes as its short Le asks
//! for.

use std::error::Error;
use std::io::{self, BufReader, Read};
use std::net::TcpStream;
use std::os::linux::net::TcpStreamExt as _;

use vschsm_reader::vpcd::{self, VpcdMessage};

/// The ATR of a SmartCard-HSM 3.4 and later.
const ATR: [u8; 24] = [
    0x3B, 0xDE, 0x96, 0xFF, 0x81, 0x91, 0xFE, 0x1F, 0xC3, 0x80, 0x31, 0x81, 0x54, 0x48, 0x53, 0x4D,
    0x31, 0x73, 0x80, 0x21, 0x40, 0x81, 0x07, 0x92,
];

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: echo-card HOST:PORT")?;
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut incoming, mut outgoing) = (BufReader::new(Prompt(&stream)), &stream);
    let mut met = false;
    while let Some(message) = vpcd::receive(&mut incoming)? {
        match message {
            VpcdMessage::PowerOff | VpcdMessage::PowerOn | VpcdMessage::Reset => {}
            VpcdMessage::GetAtr => vpcd::send(&mut outgoing, &ATR)?,
            VpcdMessage::Apdu(apdu) => vpcd::send(&mut outgoing, &response(&apdu))?,
        }
        if !met {
            println!("ready");
            met = true;
        }
    }
    Ok(())
}

fn response(apdu: &[u8]) -> Vec<u8> {
    let ne = match apdu {
        [_, 0x84, _, _, ne] => usize::from(*ne),
        _ => 0,
    };
    let mut response = vec![0xA5; ne];
    response.extend([0x90, 0x00]);
    response
}

/// Acknowledges at once what has come: the driver sends length and body apart, and its second
/// message waits for the acknowledgement of the first.
struct Prompt<'a>(&'a TcpStream);

impl Read for Prompt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.set_quickack(true)?;
        self.0.read(buffer)
    }
}
