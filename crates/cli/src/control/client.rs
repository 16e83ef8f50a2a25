//! A client of a running program: a line for each request, and a line for each response.

use super::message::{ControlRequest, Done, LONGEST, Refused, Snapshot};
use crate::readers::ReaderName;
use crate::text::failure::Failure;
use serde::de::DeserializeOwned;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A connection to a running program.
pub(crate) struct ControlClient {
    stream: BufReader<UnixStream>,
}

impl ControlClient {
    pub(crate) fn connect(path: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path).map_err(|error| {
            let path = path.display();
            Failure::because(format_args!("no program listens at the control socket {path}"), error)
        })?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a request without a result.
    pub(crate) fn execute(&mut self, request: &ControlRequest) -> Result<(), Failure> {
        self.request::<Done>(request).map(drop)
    }

    /// The image of a card.
    pub(crate) fn snapshot(&mut self, reader: Option<ReaderName>) -> Result<Snapshot, Failure> {
        self.request(&ControlRequest::Snapshot { reader })
    }

    /// Sends a request, and receives its result.
    pub(crate) fn request<T: DeserializeOwned>(
        &mut self,
        request: &ControlRequest,
    ) -> Result<T, Failure> {
        let other_version =
            |error| Failure::because("the program speaks another version of the protocol", error);
        let request = serde_json::to_string(request)
            .map_err(|error| Failure::because("cannot encode the request", error))?;
        let response = self.exchange(&request)?;
        if let Ok(Refused { error }) = serde_json::from_str(&response) {
            return Err(Failure::Failed(error));
        }
        serde_json::from_str(&response).map_err(other_version)
    }

    /// Sends a line; the line that comes back.
    pub(crate) fn exchange(&mut self, request: &str) -> Result<String, Failure> {
        let mut exchange = || -> io::Result<String> {
            let mut line = String::new();
            let request = format!("{}\n", request.trim());
            let sent = self.stream.get_ref().write_all(request.as_bytes());
            // A client that was rejected is told why, but cannot send anything.
            self.stream.by_ref().take(LONGEST).read_line(&mut line).or(Ok::<_, io::Error>(0))?;
            if line.is_empty() {
                sent?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(line.trim_end().into())
        };
        exchange().map_err(|error| Failure::because("the program does not respond", error))
    }
}
