//! The TCP connection to a reader's slot.

use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::io::{self, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::thread;
use std::time::Duration;
use vschsm_reader::vpcd;

/// The address where a reader's slot listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
}

impl Default for Address {
    fn default() -> Self {
        Self { host: "127.0.0.1".into(), port: vpcd::PORT }
    }
}

impl Address {
    /// The address of the slot `index` ports further on, if that is not beyond port 65535.
    pub(crate) fn slot(&self, index: usize) -> Option<Self> {
        let port = u16::try_from(index).ok().and_then(|index| self.port.checked_add(index))?;
        Some(Self { port, ..self.clone() })
    }

    /// Connects within a second.
    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                Ok(stream) if is_to_itself(&stream)? => {
                    failure = io::ErrorKind::ConnectionRefused.into();
                }
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    // A reader's machine may fail without closing the connection.
                    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(10));
                    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
                    return Ok(stream);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// Whether TCP has connected a socket to itself: that happens now and then to a program that keeps
/// trying a port of its own machine without a listener, and would keep the reader from listening.
fn is_to_itself(stream: &TcpStream) -> io::Result<bool> {
    Ok(stream.local_addr()? == stream.peer_addr()?)
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or("not HOST:PORT")?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port =
            port.parse().ok().filter(|port| *port != 0).ok_or("the port is not from 1 to 65535")?;
        if host.is_empty() {
            return Err("no host in front of the port");
        }
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Reads a stream and acknowledges at once what it reads (TCP_QUICKACK).
///
/// Debian's vpcd sends the length and the body of a message separately, and its second send waits
/// for the first one's acknowledgement, which Linux holds back for 40 ms unless told otherwise. The
/// setting does not last, so it is renewed before every read.
pub(crate) struct QuickAck<'a>(pub(crate) &'a TcpStream);

impl Read for QuickAck<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        std::os::linux::net::TcpStreamExt::set_quickack(self.0, true)?;
        self.0.read(buffer)
    }
}

/// The time to wait before the next attempt: longer each time, but never so long that a reader that
/// is back is kept waiting.
pub(crate) struct BackOff(Duration);

impl BackOff {
    const SHORTEST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_millis(500);

    /// Whether there was no wait since the last success.
    pub(crate) fn is_first(&self) -> bool {
        self.0 == Self::SHORTEST
    }

    /// Waits.
    pub(crate) fn wait(&mut self) {
        thread::sleep(self.0);
        self.0 = Self::LONGEST.min(self.0 * 2);
    }

    /// After a success the next wait is short again.
    pub(crate) fn reset(&mut self) {
        self.0 = Self::SHORTEST;
    }
}

impl Default for BackOff {
    fn default() -> Self {
        Self(Self::SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::net::{SocketAddr, TcpListener};

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for text in ["127.0.0.1:35963", "reader.example:1", "[::1]:65535"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "35963", "localhost", "localhost:", "localhost:0", "x:65536", ":35963"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        assert_eq!(Address::default().to_string(), "127.0.0.1:35963");
    }

    #[test]
    fn slots_have_consecutive_ports_and_end_at_the_last() {
        let first: Address = "localhost:65533".parse().unwrap();
        assert_eq!(first.slot(0), Some(first.clone()));
        assert_eq!(first.slot(2).unwrap().to_string(), "localhost:65535");
        assert_eq!(first.slot(3), None);
        assert_eq!(first.slot(1 << 16), None);
    }

    #[test]
    fn a_socket_connected_to_itself_is_distinguished_from_one_to_a_reader() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&any.into()).unwrap();
        socket.connect(&socket.local_addr().unwrap()).unwrap();
        assert!(is_to_itself(&TcpStream::from(socket)).unwrap());

        let reader = TcpListener::bind(any).unwrap();
        let stream = TcpStream::connect(reader.local_addr().unwrap()).unwrap();
        assert!(!is_to_itself(&stream).unwrap());
    }

    #[test]
    fn a_port_without_reader_is_an_error_and_one_with_a_reader_is_not() {
        let reader = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: Address = reader.local_addr().unwrap().to_string().parse().unwrap();
        assert!(address.connect().is_ok());
        drop(reader);
        assert_eq!(address.connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
