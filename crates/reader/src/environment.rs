//! Cards for a program under test: a server, and the environment in which clients find it.

use crate::pcsc::{self, Description, Full, NoAnswer, Options, ReaderId, Reset, VARIABLE};
use crate::server::{Access, Error, Listening, PrivateFolder, Room, Server};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use vschsm_card::Card;

/// What a reader is called by default: like the Nitrokey HSM, which is its own reader.
pub const READER_NAME: &str = "Nitrokey Nitrokey HSM ({serial})";

/// Readers with a card in each, and what a process needs to find them.
///
/// All clients that use libpcsclite see these readers, and no others, if they are started with
/// [`command`](Self::command) or have [`variable`](Self::variable) in their environment. Neither
/// root nor pcscd is needed, and any number can be there at once. The readers are gone when this
/// value is dropped.
#[derive(Debug)]
pub struct Environment {
    server: Server,
    readers: Vec<ReaderId>,
    socket: Listening,
    /// Goes last, with what is in it.
    _folder: PrivateFolder,
}

impl Environment {
    /// Readers with these cards in them, powered off five seconds after their last client has gone.
    ///
    /// # Errors
    /// If there can be no socket, or not so many readers: 16, as libpcsclite was usually built
    /// before version 2.5.
    pub fn new(cards: impl IntoIterator<Item = Card>) -> Result<Self, Error> {
        let Room { entries, limit } = Room::expected();
        let options = Options { entries, limit, linger: Duration::from_secs(5), extended: true };
        let server = Server::new(options);
        let folder = PrivateFolder::new(&Access::default())?;
        let socket = Listening::at(&folder.socket("pcscd"))?;
        server.serve(&socket)?;
        let mut environment = Self { server, readers: Vec::new(), socket, _folder: folder };
        for card in cards {
            environment.add(card).map_err(|Full| {
                Error::Failed(format!("clients cannot see more than {limit} readers"))
            })?;
        }
        Ok(environment)
    }

    /// Puts up another reader with a card in it, for clients that are there and those to come.
    ///
    /// # Errors
    /// If clients could not see so many.
    pub fn add(&mut self, card: Card) -> Result<ReaderId, Full> {
        let description = describe(READER_NAME, &card, self.readers.len());
        let reader = self.server.add_reader(description)?;
        self.readers.push(reader);
        self.server.insert(reader, Box::new(card));
        Ok(reader)
    }

    /// The readers, in the order in which they came.
    #[must_use]
    pub fn readers(&self) -> &[ReaderId] {
        &self.readers
    }

    /// What serves them, to take cards out, put them in, and reset them.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The environment variable that leads clients here, and its value.
    #[must_use]
    pub fn variable(&self) -> (&'static str, PathBuf) {
        (VARIABLE, self.socket.path().into())
    }

    /// A program that finds these readers.
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

/// A reader for a card, as the Nitrokey HSM is its own: {serial} in its name, and its serial
/// number, are the start of the card's holder reference. pcscd adds the number of the reader and
/// that of its slot.
#[must_use]
pub fn describe(name: &str, card: &Card, number: usize) -> Description {
    let reference = String::from_utf8_lossy(card.state().device().reference());
    let serial = format!("{:<24}", reference.chars().take(15).collect::<String>());
    let name = name.replace("{serial}", &serial);
    let vendor = name.split(' ').next().unwrap_or_default().to_owned();
    Description { name: format!("{name} {number:02X} 00"), vendor, serial }
}

/// A card in memory: what it keeps is gone with it.
impl pcsc::Card for Card {
    fn atr(&self) -> Vec<u8> {
        Self::atr(self).into()
    }

    fn reset(&mut self, _: Reset) {
        Self::reset(self);
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        Ok(Self::transmit(self, apdu).response)
    }
}
