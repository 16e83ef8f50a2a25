//! Whether a PC/SC server responds at a socket, for the user who runs this.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a server may take to send its version.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How the server at a socket reacts to a query of its version.
#[derive(Debug)]
pub(crate) enum ServerReaction {
    /// It replies.
    Replied,
    /// It hangs up without a reply.
    HungUp,
    /// It does not reply in time.
    TimedOut,
    /// There is no connection.
    Unreachable(io::Error),
}

/// Queries the version of the protocol that the server at a socket speaks.
pub(crate) fn query_version(socket: &Path) -> ServerReaction {
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) => return ServerReaction::Unreachable(error),
    };
    // CMD_VERSION of twelve bytes: 4:4, which every server since 1.8.24 speaks.
    let request = [12_u32, 0x11, 4, 4, 0].map(u32::to_ne_bytes).concat();
    let replied = stream
        .set_read_timeout(Some(TIMEOUT))
        .and_then(|()| stream.write_all(&request))
        .and_then(|()| stream.read_exact(&mut [0; 12]));
    match replied {
        Ok(()) => ServerReaction::Replied,
        Err(error) if error.kind() == ErrorKind::WouldBlock => ServerReaction::TimedOut,
        Err(_) => ServerReaction::HungUp,
    }
}
