//! The socket that the environment names, as the user who runs this finds it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a server may take to say which version it speaks.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is found at a socket.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A server answers.
    Answered,
    /// It has hung up without a word.
    TurnedAway,
    /// It says nothing.
    Silent,
    /// Nobody can be reached.
    Unreachable(io::Error),
}

/// Asks the server at a socket which version of the protocol it speaks.
pub(crate) fn ask(socket: &Path) -> Answer {
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) => return Answer::Unreachable(error),
    };
    // CMD_VERSION of twelve bytes: 4:4, which every server since 1.8.24 speaks.
    let request = [12_u32, 0x11, 4, 4, 0].map(u32::to_ne_bytes).concat();
    let asked = stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.write_all(&request))
        .and_then(|()| stream.read_exact(&mut [0; 12]));
    match asked {
        Ok(()) => Answer::Answered,
        Err(error) if error.kind() == ErrorKind::WouldBlock => Answer::Silent,
        Err(_) => Answer::TurnedAway,
    }
}
