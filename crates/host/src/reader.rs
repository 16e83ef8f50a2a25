//! SmartCard-HSMs in PC/SC readers: real ones, and virtual ones in readers of pcscd or of a server.
//!
//! ```no_run
//! use vschsm_host::SmartCardHsm;
//! use vschsm_host::reader::Reader;
//!
//! let mut card = SmartCardHsm::select(Reader::open("Nitrokey HSM")?)?;
//! println!("firmware {}", card.version()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::command;
use crate::transport::{SELECT_APPLET, Transport, TransportError};
use pcsc::{Card, Context, Disposition, Error, Protocols, Scope, ShareMode, Transaction};
use std::ffi::{CStr, CString};
use std::fmt;
use vschsm_protocol::apdu::Status;

/// A SmartCard-HSM that nobody else can use meanwhile. When it is dropped the card is reset.
pub struct Reader {
    name: String,
    card: Card,
    buffer: Vec<u8>,
    /// What the card says that it is.
    certificates: Vec<u8>,
}

/// A card that others may be connected to: they wait until the transaction ends.
pub struct SharedReader<'a> {
    name: String,
    transaction: Transaction<'a>,
    buffer: Vec<u8>,
}

/// Why a card in a reader cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReaderError {
    /// No PC/SC service responds: pcscd does not run, or libpcsclite is not installed.
    NoService(Error),
    /// The readers cannot be listed.
    NotListed(Error),
    /// No reader, or several, have that in their name.
    NotOneReader {
        /// What was looked for.
        name: String,
        /// The names of all readers.
        readers: Vec<String>,
    },
    /// There is no card in the reader of that name.
    NoCard(String),
    /// Another program uses the card in the reader of that name, and shares it with nobody.
    InUse(String),
    /// The card in the reader of that name cannot be used, for another reason.
    CannotUse(String, Error),
    /// The card in the reader of that name has no SmartCard-HSM applet: SELECT returns that.
    NotSmartCardHsm(String, Status),
    /// The card in the reader of that name is another one than before.
    Exchanged(String),
    /// Others may use the card in the reader of that name, which is not reset.
    Shared(String),
}

impl fmt::Display for ReaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoService(error) => write!(f, "no PC/SC service responds: {error}"),
            Self::NotListed(error) => write!(f, "cannot list the readers: {error}"),
            Self::NotOneReader { name, readers } => {
                let names: Vec<_> = readers.iter().map(|name| format!("{name:?}")).collect();
                let there = if names.is_empty() { "none".into() } else { names.join(", ") };
                write!(f, "{name:?} is not the name of one reader; there are {there}")
            }
            Self::NoCard(name) => write!(f, "cannot use the card in {name}: there is none"),
            Self::InUse(name) => {
                write!(f, "cannot use the card in {name}: another program uses it")
            }
            Self::CannotUse(name, error) => write!(f, "cannot use the card in {name}: {error}"),
            Self::NotSmartCardHsm(name, status) => {
                write!(f, "the card in {name} is not a SmartCard-HSM: SELECT returns {status:?}")
            }
            Self::Exchanged(name) => {
                write!(f, "the card in {name} is another one than before")
            }
            Self::Shared(name) => {
                write!(f, "others may use the card in {name}, which is not reset")
            }
        }
    }
}

impl std::error::Error for ReaderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoService(error) | Self::NotListed(error) | Self::CannotUse(_, error) => {
                Some(error)
            }
            _ => None,
        }
    }
}

impl From<ReaderError> for TransportError {
    fn from(error: ReaderError) -> Self {
        match error {
            ReaderError::NoCard(_) => Self::Removed,
            error => Self::failed(error),
        }
    }
}

/// The names of all readers.
///
/// # Errors
/// If no PC/SC service responds.
pub fn names() -> Result<Vec<String>, ReaderError> {
    let (_, readers) = readers()?;
    Ok(readers.iter().map(|name| text(name)).collect())
}

/// The whole name of the one reader whose name is `name`, or has it in it.
///
/// # Errors
/// If there is not one such reader.
pub fn name_of(name: &str) -> Result<String, ReaderError> {
    let (_, readers) = readers()?;
    Ok(text(chosen(name, &readers)?))
}

impl Reader {
    /// Connects to the card in the one reader whose name is `name`, or has it in it. The card is
    /// reset.
    ///
    /// # Errors
    /// If there is not one such reader, it has no SmartCard-HSM, or another program uses it.
    pub fn open(name: &str) -> Result<Self, ReaderError> {
        let (name, card) = connect(name, ShareMode::Exclusive)?;
        let mut reader = Self { name, card, buffer: buffer(), certificates: Vec::new() };
        reader.certificates = reader.select()?;
        Ok(reader)
    }

    /// The name of the reader.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the card has in EF 2F02: its device certificate and those of its issuers.
    #[must_use]
    pub fn certificates(&self) -> &[u8] {
        &self.certificates
    }

    /// Resets the card and selects the applet. What EF 2F02 has then.
    fn select(&mut self) -> Result<Vec<u8>, ReaderError> {
        self.reset_only()?;
        certificates(&self.card, &self.name, &mut self.buffer, Selection::First)
    }

    /// Resets the card, whichever it is.
    fn reset_only(&mut self) -> Result<(), ReaderError> {
        self.card
            .reconnect(ShareMode::Exclusive, Protocols::ANY, Disposition::ResetCard)
            .map_err(|error| cannot_use(&self.name, error))
    }
}

impl Transport for Reader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        transmit(&self.card, &self.name, command, &mut self.buffer)
    }

    /// Fails if the card is another one now, which costs a second reset: the applet says which it
    /// is.
    fn reset(&mut self) -> Result<(), TransportError> {
        self.begin()?;
        Ok(self.reset_only()?)
    }

    /// Fails if the card is another one now: nobody has said what may be done to that.
    fn begin(&mut self) -> Result<(), TransportError> {
        if self.select()? == self.certificates {
            return Ok(());
        }
        Err(ReaderError::Exchanged(self.name.clone()).into())
    }
}

/// Connects to the card in a reader, named as for [`Reader::open`], as others do too, and has it
/// alone for as long as `talk` lasts. The card is not reset: logins of others stay.
///
/// # Errors
/// If there is not one such reader, it has no card, or a program shares it with nobody; and what
/// `talk` fails with.
pub fn with_shared<R, E: From<ReaderError>>(
    name: &str,
    talk: impl FnOnce(SharedReader<'_>) -> Result<R, E>,
) -> Result<R, E> {
    let (name, mut card) = connect(name, ShareMode::Shared)?;
    let result = match card.transaction() {
        Ok(transaction) => talk(SharedReader { name: name.clone(), transaction, buffer: buffer() }),
        Err(error) => Err(cannot_use(&name, error).into()),
    };
    // Without this the card would be reset.
    let left = card.disconnect(Disposition::LeaveCard);
    let left = left.map_err(|(_, error)| ReaderError::CannotUse(name, error));
    result.and_then(|result| Ok(left.map(|()| result)?))
}

impl SharedReader<'_> {
    /// The name of the reader.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What EF 2F02 has; the applet is selected if it does not respond, as then nobody uses it.
    ///
    /// # Errors
    /// If the card does not respond, or has no such applet.
    pub fn certificates(&mut self) -> Result<Vec<u8>, ReaderError> {
        certificates(&self.transaction, &self.name, &mut self.buffer, Selection::IfNeeded)
    }
}

impl Transport for SharedReader<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        transmit(&self.transaction, &self.name, command, &mut self.buffer)
    }

    /// Fails: the session is others' as well.
    fn reset(&mut self) -> Result<(), TransportError> {
        Err(ReaderError::Shared(self.name.clone()).into())
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({:?})", self.name)
    }
}

impl fmt::Debug for SharedReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedReader({:?})", self.name)
    }
}

/// When the applet is selected.
#[derive(PartialEq, Eq)]
enum Selection {
    First,
    IfNeeded,
}

/// The content of EF 2F02.
fn certificates(
    card: &Card,
    name: &str,
    buffer: &mut [u8],
    selection: Selection,
) -> Result<Vec<u8>, ReaderError> {
    let mut ask = |command: &[u8]| match card.transmit(command, buffer) {
        Ok(response) => match response.split_last_chunk() {
            Some((data, status)) => Ok((data.to_vec(), Status(u16::from_be_bytes(*status)))),
            None => Ok((Vec::new(), Status(0))),
        },
        Err(error) => Err(cannot_use(name, error)),
    };
    // A shorter file than was asked for ends with a warning.
    let is_content = |status: Status| matches!(status.0, 0x9000 | 0x6282);
    let read = command::read(0x2F02);
    if selection == Selection::IfNeeded {
        let (content, status) = ask(&read)?;
        if is_content(status) {
            return Ok(content);
        }
    }
    match ask(SELECT_APPLET)? {
        (_, Status::OK) => {}
        (_, status) => return Err(ReaderError::NotSmartCardHsm(name.into(), status)),
    }
    let (content, status) = ask(&read)?;
    Ok(if is_content(status) { content } else { Vec::new() })
}

fn readers() -> Result<(Context, Vec<CString>), ReaderError> {
    let context = Context::establish(Scope::User).map_err(ReaderError::NoService)?;
    let readers = context.list_readers_owned().or_else(|error| match error {
        Error::NoReadersAvailable => Ok(Vec::new()),
        error => Err(ReaderError::NotListed(error)),
    })?;
    Ok((context, readers))
}

/// Connects to the card in a reader; the whole name of that, and the card.
fn connect(name: &str, share: ShareMode) -> Result<(String, Card), ReaderError> {
    let (context, readers) = readers()?;
    let reader = chosen(name, &readers)?;
    let name = text(reader);
    let card = context.connect(reader, share, Protocols::ANY);
    let card = card.map_err(|error| cannot_use(&name, error))?;
    Ok((name, card))
}

fn buffer() -> Vec<u8> {
    vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED]
}

fn transmit(
    card: &Card,
    name: &str,
    command: &[u8],
    buffer: &mut [u8],
) -> Result<Vec<u8>, TransportError> {
    let response = card.transmit(command, buffer).map(<[u8]>::to_vec);
    response.map_err(|error| match error {
        Error::NoSmartcard | Error::RemovedCard => TransportError::Removed,
        error => TransportError::failed(format!("{name}: {error}")),
    })
}

/// The reader of that name, or the only one that has it in its name.
fn chosen<'a>(name: &str, readers: &'a [CString]) -> Result<&'a CString, ReaderError> {
    if let Some(reader) = readers.iter().find(|reader| reader.to_bytes() == name.as_bytes()) {
        return Ok(reader);
    }
    let mut matching = readers.iter().filter(|reader| reader.to_string_lossy().contains(name));
    if let (Some(reader), None) = (matching.next(), matching.next()) {
        return Ok(reader);
    }
    let readers = readers.iter().map(|reader| text(reader)).collect();
    Err(ReaderError::NotOneReader { name: name.into(), readers })
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

fn cannot_use(name: &str, error: Error) -> ReaderError {
    match error {
        Error::SharingViolation => ReaderError::InUse(name.into()),
        Error::NoSmartcard | Error::RemovedCard => ReaderError::NoCard(name.into()),
        error => ReaderError::CannotUse(name.into(), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_chosen_by_its_name_or_a_part_that_no_other_has() {
        let readers = ["Virtual PCD 00 00", "Virtual PCD 00 01", "Virtual PCD 00 01 too"]
            .map(|name| CString::new(name).unwrap_or_default());
        let chosen = |name| chosen(name, &readers).map(|reader| reader.to_string_lossy());
        assert!(chosen("00 00").is_ok_and(|name| name == "Virtual PCD 00 00"));
        assert!(chosen("too").is_ok_and(|name| name == "Virtual PCD 00 01 too"));
        assert!(chosen("Virtual PCD 00 01").is_ok_and(|name| name == "Virtual PCD 00 01"));
        for several_or_none in ["Virtual", "01", "Nitrokey", ""] {
            let error = chosen(several_or_none).map_err(|error| error.to_string());
            assert!(error.is_err_and(|error| error.contains("\"Virtual PCD 00 00\", ")));
        }
    }
}
