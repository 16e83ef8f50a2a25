//! The built-in PC/SC server: what `vschsm exec` and `vschsm run --pcsc-socket` have in common.

mod accounts;
mod named;
mod probe;

use crate::card::layer::NoResponse;
use crate::card::shared::Shared;
use crate::card::slot::Slot;
use crate::readers::served::Served;
use crate::readers::{Reader, Readers, Report};
use crate::text::failure::Failure;
use crate::text::output;
use clap::Args;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vschsm_reader::DEFAULT_READER_NAME;
use vschsm_reader::pcsc::{
    AddReaderError, ClientWarning, NoResponse as NoPcscResponse, PcscCard, PowerEvent,
    ReaderDescription, ReaderId, ServiceOptions,
};
use vschsm_reader::server::{
    ClientProcess, ListeningSocket, ReaderLimits, Server, ServerError, SocketAccess,
};

pub(crate) use accounts::user_in_words;
pub(crate) use named::{Answer, ask};
pub(crate) use probe::{Findings, probe};

/// The options of the readers that the built-in server has.
#[derive(Debug, Args)]
pub(crate) struct ReaderOptions {
    /// What the readers are called; {serial} stands for what a Nitrokey HSM says of itself there,
    /// and two numbers are added
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_READER_NAME)]
    reader_name: String,

    /// Let the readers not say that they take extended APDUs, so that OpenSC sends short ones where
    /// it can
    #[arg(long)]
    short_apdus: bool,

    /// After so many seconds without a client a card loses its power, and with that its login
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    power_off_after: Duration,

    /// How many readers the clients' libpcsclite was built for, if that is not the one which is
    /// installed here; `vschsm doctor` finds out
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    reader_entries: Option<u16>,

    /// Let the programs of this user connect too, besides your own and root's: for daemons that do
    /// not stay root; may come several times
    #[arg(long, value_name = "NAME|UID", value_parser = accounts::user)]
    socket_user: Vec<u32>,

    /// Let the programs in this group connect too; may come several times
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
    report: Report,
    held: Mutex<BTreeMap<usize, Held>>,
}

/// A reader that is there.
struct Held {
    id: ReaderId,
    name: String,
    card: Option<Shared>,
}

impl ReaderOptions {
    /// A server with a reader for each of the `slots`, and their cards in them; `report` is told
    /// of those that cannot go on, or not now.
    pub(crate) fn readers(&self, slots: Vec<Slot>, report: Report) -> Result<PcscReaders, Failure> {
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
            report,
            held: Mutex::default(),
        };
        for slot in slots {
            readers.insert(None, Shared::new(slot)).map_err(Failure::Usage)?;
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
            let user = user_in_words(user);
            output::warn(format_args!(
                "{user} may not connect and has been turned away; --socket-user and --socket-group \
                 say who may"
            ));
        })?;
        if let Some(obstacle) = self.access().first_closed_folder(path) {
            let (path, obstacle) = (path.display(), obstacle.display());
            output::warn(format_args!(
                "not all whom you let connect can reach {path}: {obstacle} is closed to them"
            ));
        }
        Ok(socket)
    }
}

impl PcscReaders {
    /// What serves them.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<usize, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts up a reader that is called after a card.
    fn plug(&self, held: &mut BTreeMap<usize, Held>, card: &Shared) -> Result<usize, String> {
        let number = (0..).find(|number| !held.contains_key(number)).unwrap_or_default();
        let description =
            card.with(|slot| ReaderDescription::for_card(&self.name, slot.card(), number));
        let description = description.ok_or("the card is gone")?;
        let name = description.name.clone();
        let refused = |error: AddReaderError| format!("cannot add a reader {name:?}: {error}");
        let id = self.server.add_reader(description).map_err(refused)?;
        held.insert(number, Held { id, name, card: None });
        Ok(number)
    }
}

impl Readers for PcscReaders {
    fn list(&self) -> Vec<Reader> {
        let held = self.held();
        let reader = |(number, held): (&usize, &Held)| Reader {
            number: *number,
            name: held.name.clone(),
            card: held.card.clone().filter(|card| !card.is_gone()),
        };
        held.iter().map(reader).collect()
    }

    fn insert(&self, number: Option<usize>, card: Shared) -> Result<usize, String> {
        let mut held = self.held();
        let number = match number {
            Some(number) => number,
            None => self.plug(&mut held, &card)?,
        };
        let reader = held.get_mut(&number).ok_or("there is no such reader")?;
        if reader.card.as_ref().is_some_and(|card| card.is_unsaved() && !card.is_gone()) {
            return Err(format!("the card in reader {number} is out until it can be saved"));
        }
        let served = Served::new(card.clone(), Arc::clone(&self.report));
        if self.server.insert(reader.id, Box::new(served)).is_some() {
            return Err(format!("there is a card in reader {number}"));
        }
        reader.card = Some(card);
        Ok(number)
    }

    fn take_out(&self, number: usize) {
        if let Some(reader) = self.held().get_mut(&number) {
            reader.card = None;
            self.server.remove(reader.id);
        }
    }

    fn unplug(&self, number: usize) {
        if let Some(reader) = self.held().remove(&number) {
            self.server.remove_reader(reader.id);
        }
    }

    fn reset(&self, number: usize) -> bool {
        // Not while the readers are held: the card may take its time.
        let id = self.held().get(&number).map(|reader| reader.id);
        id.is_some_and(|id| self.server.reset(id))
    }
    fn close(&self) {
        self.held().values().filter_map(|held| held.card.as_ref()).for_each(Shared::hurry);
        self.server.close();
    }
}

impl PcscCard for Served {
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

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoPcscResponse> {
        Self::transmit(self, apdu).map_err(|why| match why {
            NoResponse::ContactLost => NoPcscResponse::ContactLost,
            NoResponse::TimedOut => NoPcscResponse::TimedOut,
            NoResponse::Removed | NoResponse::Failed(_) | NoResponse::Unsaved(_) => {
                NoPcscResponse::Failed
            }
        })
    }
}
