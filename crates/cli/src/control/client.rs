//! Who asks a running program: a line for each request, and a line in answer.

use super::message::{Done, Image, LONGEST, Refused, Request};
use crate::readers::Which;
use crate::text::failure::Failure;
use serde::de::DeserializeOwned;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The program that is asked.
pub(crate) struct Program {
    stream: BufReader<UnixStream>,
}

impl Program {
    pub(crate) fn at(path: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path).map_err(|error| {
            let path = path.display();
            Failure::because(format_args!("nobody listens at the control socket {path}"), error)
        })?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks for something to be done.
    pub(crate) fn order(&mut self, request: &Request) -> Result<(), Failure> {
        self.ask::<Done>(request).map(drop)
    }

    /// The image of a card.
    pub(crate) fn image(&mut self, reader: Option<Which>) -> Result<Image, Failure> {
        self.ask(&Request::Snapshot { reader })
    }

    /// Asks for something; a failure if it is not done.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, Failure> {
        let strange = |error| Failure::because("the program is no vschsm of this version", error);
        let request = serde_json::to_string(request)
            .map_err(|error| Failure::because("what cannot be asked for", error))?;
        let answer = self.exchange(&request)?;
        if let Ok(Refused { error }) = serde_json::from_str(&answer) {
            return Err(Failure::Failed(error));
        }
        serde_json::from_str(&answer).map_err(strange)
    }

    /// Sends a line; the line that comes back.
    pub(crate) fn exchange(&mut self, request: &str) -> Result<String, Failure> {
        let mut exchange = || -> io::Result<String> {
            let mut line = String::new();
            let request = format!("{}\n", request.trim());
            let sent = self.stream.get_ref().write_all(request.as_bytes());
            // Who is turned away is told why, and can send nothing.
            self.stream.by_ref().take(LONGEST).read_line(&mut line).or(Ok::<_, io::Error>(0))?;
            if line.is_empty() {
                sent?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(line.trim_end().into())
        };
        exchange().map_err(|error| Failure::because("the program does not answer", error))
    }
}
