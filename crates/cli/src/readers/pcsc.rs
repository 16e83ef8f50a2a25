//! The built-in PC/SC server: what `vschsm exec` and `vschsm run --pcsc-socket` have in common.

mod accounts;
mod probe;
mod version_query;

use crate::card::shared::SharedCard;
use crate::card::virtual_card::VirtualCard;
use crate::readers::served::ServedCard;
use crate::readers::{EventHandler, ReaderEntry, Readers};
use crate::text::failure::{Failure, TransmitError};
use crate::text::output;
use clap::Args;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vschsm_reader::DEFAULT_READER_NAME;
use vschsm_reader::pcsc::{
    AddReaderError, ClientWarning, NoResponse, PcscCard, PowerEvent, ReaderDescription, ReaderId,
    ServiceOptions,
};
use vschsm_reader::server::{
    ClientProcess, ListeningSocket, ReaderLimits, Server, ServerError, SocketAccess,
};

pub(crate) use accounts::describe_user;
pub(crate) use probe::{ProbeFindings, probe};
pub(crate) use version_query::{ServerReaction, query_version};

/// The options of the built-in server's readers.
#[derive(Debug, Args)]
pub(crate) struct ReaderOptions {
    /// The names of the readers; {serial} stands for the serial number, as in the name of a
    /// Nitrokey HSM, and two numbers are appended
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_READER_NAME)]
    reader_name: String,

    /// Let the readers not announce extended APDUs, so that OpenSC sends short ones where it can
    #[arg(long)]
    short_apdus: bool,

    /// After so many seconds without a client a card loses its power, and with it its login
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    power_off_after: Duration,

    /// How many readers the clients' libpcsclite was built for, if it is not the installed one;
    /// `vschsm doctor` finds out
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    reader_entries: Option<u16>,

    /// Let the programs of this user connect, too, besides your own and root's: for daemons that
    /// drop root privileges; may be given several times
    #[arg(long, value_name = "NAME|UID", value_parser = accounts::user)]
    socket_user: Vec<u32>,

    /// Let the programs in this group connect, too; may be given several times
    #[arg(long, value_name = "NAME|GID", value_parser = accounts::group)]
    socket_group: Vec<u32>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        if error.is_invalid_argument() {
            Self::Usage(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// Readers of the built-in server.
pub(crate) struct PcscReaders {
    server: Server,
    /// The pattern of their names.
    name: String,
    on_event: EventHandler,
    readers: Mutex<BTreeMap<usize, PcscReader>>,
}

/// A reader of the built-in server.
struct PcscReader {
    id: ReaderId,
    name: String,
    card: Option<SharedCard>,
}

impl ReaderOptions {
    /// A server with a reader for each of the `cards`, and the cards in them; `on_event` is called
    /// with those that fail or cannot be saved.
    pub(crate) fn readers(
        &self,
        cards: Vec<VirtualCard>,
        on_event: EventHandler,
    ) -> Result<PcscReaders, Failure> {
        let named = self.reader_entries.map(|entries| ReaderLimits::of(entries.into()));
        let ReaderLimits { max_readers_contexts, max_readers } =
            named.unwrap_or_else(ReaderLimits::installed);
        let options = ServiceOptions {
            max_readers_contexts,
            max_readers,
            power_off_grace_period: self.power_off_after,
            extended_apdus: !self.short_apdus,
        };
        let warn = |client: &ClientProcess, warning: &ClientWarning| {
            output::warn(format_args!("{client} {warning}"));
        };
        let readers = PcscReaders {
            server: Server::with_warnings(options, warn),
            name: self.reader_name.clone(),
            on_event,
            readers: Mutex::default(),
        };
        for card in cards {
            readers.insert(None, SharedCard::new(card)).map_err(Failure::Usage)?;
        }
        Ok(readers)
    }

    /// Who may connect.
    pub(crate) fn access(&self) -> SocketAccess {
        SocketAccess { users: self.socket_user.clone(), groups: self.socket_group.clone() }
    }

    /// The socket at that path, for those who may connect.
    pub(crate) fn socket(&self, path: &Path) -> Result<ListeningSocket, Failure> {
        let socket = ListeningSocket::for_others(path, self.access(), |user| {
            let user = describe_user(user);
            output::warn(format_args!(
                "{user} may not connect and was rejected; --socket-user and --socket-group admit \
                 other users"
            ));
        })?;
        if let Some(closed) = self.access().first_closed_folder(path) {
            let (path, closed) = (path.display(), closed.display());
            output::warn(format_args!(
                "not all users who may connect can reach {path}: {closed} is closed to them"
            ));
        }
        Ok(socket)
    }
}

impl PcscReaders {
    /// The server.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    fn readers(&self) -> MutexGuard<'_, BTreeMap<usize, PcscReader>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a reader that is named after a card.
    fn add_reader(
        &self,
        readers: &mut BTreeMap<usize, PcscReader>,
        card: &SharedCard,
    ) -> Result<usize, String> {
        let number = (0..).find(|number| !readers.contains_key(number)).unwrap_or_default();
        let description =
            card.with(|card| ReaderDescription::for_card(&self.name, card.card(), number));
        let description = description.ok_or("the card was removed")?;
        let name = description.name.clone();
        let refused = |error: AddReaderError| format!("cannot add a reader {name:?}: {error}");
        let id = self.server.add_reader(description).map_err(refused)?;
        readers.insert(number, PcscReader { id, name, card: None });
        Ok(number)
    }
}

impl Readers for PcscReaders {
    fn list(&self) -> Vec<ReaderEntry> {
        let readers = self.readers();
        let reader = |(number, reader): (&usize, &PcscReader)| ReaderEntry {
            number: *number,
            name: reader.name.clone(),
            card: reader.card.clone().filter(|card| !card.is_gone()),
        };
        readers.iter().map(reader).collect()
    }

    fn insert(&self, number: Option<usize>, card: SharedCard) -> Result<usize, String> {
        let mut readers = self.readers();
        let number = match number {
            Some(number) => number,
            None => self.add_reader(&mut readers, &card)?,
        };
        let reader = readers.get_mut(&number).ok_or("there is no such reader")?;
        if reader.card.as_ref().is_some_and(|card| card.is_unsaved() && !card.is_gone()) {
            return Err(format!("the card in reader {number} is removed until it can be saved"));
        }
        let served = ServedCard::new(card.clone(), Arc::clone(&self.on_event));
        if self.server.insert(reader.id, Box::new(served)).is_some() {
            return Err(format!("there is a card in reader {number}"));
        }
        reader.card = Some(card);
        Ok(number)
    }

    fn remove(&self, number: usize) {
        if let Some(reader) = self.readers().get_mut(&number) {
            reader.card = None;
            self.server.remove(reader.id);
        }
    }

    fn unplug(&self, number: usize) {
        if let Some(reader) = self.readers().remove(&number) {
            self.server.remove_reader(reader.id);
        }
    }

    fn reset(&self, number: usize) -> bool {
        // Without the lock of the readers: the card may take its time.
        let id = self.readers().get(&number).map(|reader| reader.id);
        id.is_some_and(|id| self.server.reset(id))
    }

    fn close(&self) {
        let readers = self.readers();
        readers.values().filter_map(|it| it.card.as_ref()).for_each(SharedCard::end_delays);
        drop(readers);
        self.server.close();
    }
}

impl PcscCard for ServedCard {
    fn atr(&self) -> Vec<u8> {
        self.card.atr()
    }

    fn reset(&mut self, event: PowerEvent) {
        self.card.reset(match event {
            PowerEvent::PowerOn => "power on",
            PowerEvent::WarmReset => "reset",
            PowerEvent::PowerOff => "power off",
        });
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse> {
        Self::transmit(self, apdu).map_err(|why| match why {
            TransmitError::ContactLost => NoResponse::ContactLost,
            TransmitError::TimedOut => NoResponse::TimedOut,
            TransmitError::Removed | TransmitError::Failed(_) | TransmitError::Unsaved(_) => {
                NoResponse::Failed
            }
        })
    }
}
