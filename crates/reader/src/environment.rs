//! Cards for a program under test: a server, and the environment in which clients find it.

use crate::pcsc::{
    AddReaderError, NoResponse, PcscCard, PowerEvent, ReaderDescription, ReaderId, SOCKET_VARIABLE,
    ServiceOptions,
};
use crate::server::{
    ListeningSocket, PrivateFolder, ReaderLimits, Server, ServerError, SocketAccess,
};
use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use vschsm_card::Card;

/// The default name of a reader: that of a Nitrokey HSM, which is its own reader.
pub const DEFAULT_READER_NAME: &str = "Nitrokey Nitrokey HSM ({serial})";

/// Readers with a card in each, and what a process needs to find them.
///
/// Clients of libpcsclite that are started with [`command`](Self::command), or that have
/// [`variable`](Self::variable) in their environment, see these readers and no others. Neither root
/// nor pcscd is needed, and there can be any number of environments at once. The readers are
/// removed when this value is dropped.
#[derive(Debug)]
pub struct Environment {
    server: Server,
    readers: Vec<ReaderId>,
    socket: ListeningSocket,
    /// Dropped last, with the socket in it.
    _folder: PrivateFolder,
}

impl Environment {
    /// Readers with these cards in them, powered off five seconds after their last client has gone.
    ///
    /// # Errors
    ///
    /// If there is no socket, or clients cannot see so many readers: 16, as libpcsclite was usually
    /// built before version 2.5.
    pub fn new(cards: impl IntoIterator<Item = Card>) -> Result<Self, EnvironmentError> {
        let ReaderLimits { max_readers_contexts, max_readers } = ReaderLimits::installed();
        let options =
            ServiceOptions { max_readers_contexts, max_readers, ..ServiceOptions::default() };
        let server = Server::new(options);
        let folder = PrivateFolder::new(&SocketAccess::default())?;
        let socket = ListeningSocket::at(&folder.socket("pcscd"))?;
        server.serve(&socket)?;
        let mut environment = Self { server, readers: Vec::new(), socket, _folder: folder };
        for card in cards {
            environment.add(card)?;
        }
        Ok(environment)
    }

    /// Adds another reader with a card in it; clients that run already see it as well.
    ///
    /// # Errors
    ///
    /// [`AddReaderError::TooManyReaders`] if clients cannot see so many.
    pub fn add(&mut self, card: Card) -> Result<ReaderId, AddReaderError> {
        let description =
            ReaderDescription::for_card(DEFAULT_READER_NAME, &card, self.readers.len());
        let reader = self.server.add_reader(description)?;
        self.readers.push(reader);
        self.server.insert(reader, Box::new(card));
        Ok(reader)
    }

    /// The readers, in the order in which they were added.
    #[must_use]
    pub fn readers(&self) -> &[ReaderId] {
        &self.readers
    }

    /// The server, to remove, insert and reset cards.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The environment variable by which clients find the server, and its value.
    #[must_use]
    pub fn variable(&self) -> (&'static str, PathBuf) {
        (SOCKET_VARIABLE, self.socket.path().into())
    }

    /// A command whose program sees these readers.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let (variable, socket) = self.variable();
        let mut command = Command::new(program);
        command.env(variable, socket);
        command
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.server.close();
    }
}

impl ReaderDescription {
    /// The reader that a card is itself, as a Nitrokey HSM is: its serial number, and `{serial}` in
    /// its name, are the start of the card's holder reference. As pcscd does, it appends the number
    /// of the reader and that of its slot to the name.
    #[must_use]
    pub fn for_card(name: &str, card: &Card, number: usize) -> Self {
        let reference = String::from_utf8_lossy(card.state().device().reference());
        let serial = format!("{:<24}", reference.chars().take(15).collect::<String>());
        let name = name.replace("{serial}", &serial);
        let vendor = name.split(' ').next().unwrap_or_default().to_owned();
        Self { name: format!("{name} {number:02X} 00"), vendor, serial }
    }
}

/// Why an [`Environment`] cannot be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// There is no socket.
    Server(ServerError),
    /// A card's reader cannot be added.
    AddReader(AddReaderError),
}

impl From<ServerError> for EnvironmentError {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

impl From<AddReaderError> for EnvironmentError {
    fn from(error: AddReaderError) -> Self {
        Self::AddReader(error)
    }
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::AddReader(error) => error.fmt(f),
        }
    }
}

impl Error for EnvironmentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Server(error) => Some(error),
            Self::AddReader(error) => Some(error),
        }
    }
}

/// A card in memory, whose state is lost when it is dropped.
impl PcscCard for Card {
    fn atr(&self) -> Vec<u8> {
        Self::atr(self).into()
    }

    fn reset(&mut self, _: PowerEvent) {
        Self::reset(self);
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse> {
        Ok(Self::transmit(self, apdu).response)
    }
}
