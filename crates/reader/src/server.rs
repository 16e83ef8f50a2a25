//! A PC/SC server: the state machine of [`pcsc`](crate::pcsc) with a socket and threads.
//!
//! There is a thread for each client, one that accepts clients, and one that powers off cards
//! without clients. Cards and readers are added and removed while it serves.
//!
//! ```
//! use vschsm_reader::pcsc::{ReaderDescription, ServiceOptions};
//! use vschsm_reader::server::{ListeningSocket, PrivateFolder, Server, SocketAccess};
//!
//! let folder = PrivateFolder::new(&SocketAccess::default())?;
//! let socket = ListeningSocket::at(&folder.socket("pcscd"))?;
//! let server = Server::new(ServiceOptions::default());
//! server.serve(&socket)?;
//! // Clients whose PCSCLITE_CSOCK_NAME is `socket.path()` see this reader, which is empty.
//! let [name, vendor, serial] = ["ACME Reader 00 00", "ACME", "1"].map(String::from);
//! server.add_reader(ReaderDescription { name, vendor, serial })?;
//! server.close();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod error;
mod folder;
mod library;
mod socket;

use crate::pcsc::{
    Action, AddReaderError, ClientId, ClientWarning, PcscCard, PowerEvent, ReaderDescription,
    ReaderId, Service, ServiceOptions, WinscardMessage,
};
use rustix::net::{SendFlags, send};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use access::SocketAccess;
pub use error::{PrivateFolderError, ServerError};
pub use folder::PrivateFolder;
pub use library::{PcscLibrary, ReaderLimits, Redirection};
pub use socket::ListeningSocket;

/// The maximum of connections, as in pcscd.
const MAX_CLIENTS: usize = 200;

/// How long a client may take to read its last reply.
const LAST_REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// A PC/SC server; clones are the same server.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    shared: Mutex<Shared>,
    /// Something has changed that a blocked thread may wait for.
    changed: Condvar,
    /// The next deadline has changed.
    rescheduled: Condvar,
    warn: WarningHandler,
}

/// Is called with each warning about a client.
type WarningHandler = Box<dyn Fn(&ClientProcess, &ClientWarning) + Send + Sync>;

/// The process of a client, if the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientProcess(Option<i32>);

impl fmt::Display for ClientProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "the client of process {number}"),
            None => write!(f, "a client"),
        }
    }
}

/// What the threads share. It is not held while a card executes an operation or a client is slow
/// to read.
struct Shared {
    service: Service,
    streams: BTreeMap<ClientId, Arc<UnixStream>>,
    blocked: usize,
    deadline: Option<Instant>,
    /// The number of clients that are being sent a reply.
    replying: usize,
    /// Nothing new begins.
    closed: bool,
}

impl Shared {
    fn reply(&mut self, reply: Vec<u8>) -> ToClient {
        self.replying += 1;
        ToClient::Reply(reply)
    }
}

type Guard<'a> = MutexGuard<'a, Shared>;

impl Server {
    /// A server without readers, which clients cannot reach yet.
    pub fn new(options: ServiceOptions) -> Self {
        Self::with_warnings(options, |_, _| {})
    }

    /// The same; `warn` is called with what the users of clients should know.
    pub fn with_warnings(
        options: ServiceOptions,
        warn: impl Fn(&ClientProcess, &ClientWarning) + Send + Sync + 'static,
    ) -> Self {
        // Without the system's randomness there would be no socket, and the service asks again for
        // a number that is in use.
        let service = Service::new(options, || getrandom::u32().unwrap_or_default());
        let (streams, replying) = (BTreeMap::new(), 0);
        let shared =
            Shared { service, streams, blocked: 0, deadline: None, replying, closed: false };
        let (shared, changed, rescheduled) = (Mutex::new(shared), Condvar::new(), Condvar::new());
        Self(Arc::new(Inner { shared, changed, rescheduled, warn: Box::new(warn) }))
    }

    /// Serves clients that connect to the socket from here on.
    ///
    /// # Errors
    ///
    /// If the process has no file descriptor or no thread left.
    pub fn serve(&self, socket: &ListeningSocket) -> Result<(), ServerError> {
        let (for_clients, for_cards) = (Arc::clone(&self.0), Arc::clone(&self.0));
        socket.serve(move |stream| for_clients.serve_client(stream))?;
        let thread = thread::Builder::new().spawn(move || for_cards.power_off_idle_cards());
        thread.map(drop).map_err(ServerError::NoThread)
    }

    /// Adds an empty reader.
    ///
    /// # Errors
    ///
    /// If there is the maximum of readers, or the name is in use or invalid.
    pub fn add_reader(&self, description: ReaderDescription) -> Result<ReaderId, AddReaderError> {
        self.0.change(|service| service.add_reader(description))
    }

    /// Removes a reader and the card in it, which is dropped when its operation is completed.
    pub fn remove_reader(&self, reader: ReaderId) {
        self.0.change(|service| service.remove_reader(reader));
    }

    /// Inserts a card into a reader and powers it on; returns it if there is no such reader, or a
    /// card in it.
    pub fn insert(
        &self,
        reader: ReaderId,
        mut card: Box<dyn PcscCard>,
    ) -> Option<Box<dyn PcscCard>> {
        card.reset(PowerEvent::PowerOn);
        self.0.change(|service| service.insert(reader, card))
    }

    /// Removes the card from a reader; returns it unless it executes an operation: then it is
    /// dropped when that is completed.
    pub fn remove(&self, reader: ReaderId) -> Option<Box<dyn PcscCard>> {
        self.0.change(|service| service.remove(reader))
    }

    /// Resets the card in a reader when its operation is completed, and tells all handles to it;
    /// false if there is no card.
    pub fn reset(&self, reader: ReaderId) -> bool {
        let mut shared = self.0.lock();
        while !shared.closed {
            match shared.service.reset(reader) {
                Action::Wait(limit) => shared = self.0.wait(shared, limit),
                Action::Execute(operation) => {
                    self.0.notify(&mut shared);
                    drop(shared);
                    let completion = operation.execute();
                    self.0.change(|service| service.complete(completion));
                    return true;
                }
                _ => return false,
            }
        }
        false
    }

    /// Waits until all operations are completed and every reply is sent, and begins nothing new:
    /// clients find their connections closed. The cards are dropped with the last thread of the
    /// server.
    pub fn close(&self) {
        let mut shared = self.0.lock();
        shared.closed = true;
        let begun = Instant::now();
        while shared.service.is_busy()
            || shared.replying > 0 && begun.elapsed() < LAST_REPLY_TIMEOUT
        {
            let limit = if shared.service.is_busy() { Duration::MAX } else { LAST_REPLY_TIMEOUT };
            shared = self.0.wait(shared, limit);
        }
        for stream in shared.streams.values() {
            // It fails for a client that has just hung up.
            stream.shutdown(Shutdown::Both).ok();
        }
        self.0.changed.notify_all();
        self.0.rescheduled.notify_all();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> Guard<'_> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the service, and notifies everything that waits for a change.
    fn change<T>(&self, change: impl FnOnce(&mut Service) -> T) -> T {
        let mut shared = self.lock();
        let result = change(&mut shared.service);
        self.notify(&mut shared);
        result
    }

    /// Serves a client until it hangs up.
    fn serve_client(&self, stream: UnixStream) {
        let stream = Arc::new(stream);
        let mut shared = self.lock();
        if shared.closed || shared.service.client_count() >= MAX_CLIENTS {
            return;
        }
        let id = shared.service.add_client();
        shared.streams.insert(id, Arc::clone(&stream));
        drop(shared);

        let (mut incoming, mut outgoing) = (BufReader::new(&*stream), &*stream);
        while let Ok(Some(message)) = WinscardMessage::receive(&mut incoming) {
            let (received, mut warnings) = (Instant::now(), Vec::new());
            let to_client = self.carry_out(|service| {
                let action = service.request(id, &message, received.elapsed(), Instant::now());
                warnings.extend(service.take_warnings());
                action
            });
            for (_, warning) in warnings {
                (self.warn)(&process(&stream), &warning);
            }
            match to_client {
                ToClient::Reply(reply) => {
                    let sent = outgoing.write_all(&reply);
                    self.reply_sent(id);
                    if sent.is_err() {
                        break;
                    }
                }
                ToClient::NoReply => {}
                ToClient::HangUp => break,
            }
        }
        while !matches!(
            self.carry_out(|service| service.remove_client(id, Instant::now())),
            ToClient::HangUp
        ) {}
        self.lock().streams.remove(&id);
    }

    /// A client was sent its reply, or cannot be.
    fn reply_sent(&self, id: ClientId) {
        let mut shared = self.lock();
        shared.replying -= 1;
        shared.service.reply_sent(id);
        self.notify(&mut shared);
    }

    /// Requests an action and carries it out, until nothing is left but to reply to the client.
    fn carry_out(&self, mut request: impl FnMut(&mut Service) -> Action) -> ToClient {
        let begun = Instant::now();
        let mut shared = self.lock();
        loop {
            if shared.closed {
                return ToClient::HangUp;
            }
            let action = request(&mut shared.service);
            if let Action::Wait(limit) = action {
                shared = self.wait(shared, limit.saturating_sub(begun.elapsed()));
                continue;
            }
            self.notify(&mut shared);
            let operation = match action {
                Action::Reply(reply) => return shared.reply(reply),
                Action::NoReply => return ToClient::NoReply,
                Action::HangUp | Action::Wait(_) => return ToClient::HangUp,
                Action::Execute(operation) => operation,
            };
            drop(shared);
            let completion = operation.execute();
            shared = self.lock();
            let reply = shared.service.complete(completion);
            self.notify(&mut shared);
            if let Some(reply) = reply {
                return shared.reply(reply);
            }
        }
    }

    /// Waits until something has changed, and for no longer than `limit`.
    fn wait<'a>(&self, mut shared: Guard<'a>, limit: Duration) -> Guard<'a> {
        shared.blocked += 1;
        let waited = self.changed.wait_timeout(shared, limit);
        let (mut shared, _) = waited.unwrap_or_else(PoisonError::into_inner);
        shared.blocked -= 1;
        shared
    }

    /// After every change: notifies what waits for it.
    fn notify(&self, shared: &mut Shared) {
        for (id, event) in shared.service.take_events() {
            if let Some(stream) = shared.streams.get(&id) {
                // A client whose buffer has no room for eight bytes does not read: it is dropped.
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                if send(&**stream, &event, flags) != Ok(event.len()) {
                    stream.shutdown(Shutdown::Both).ok();
                }
            }
        }
        if shared.blocked > 0 {
            self.changed.notify_all();
        }
        let deadline = shared.service.power_off_deadline();
        if shared.deadline != deadline {
            shared.deadline = deadline;
            self.rescheduled.notify_one();
        }
    }

    /// Powers off cards that have been without clients for the grace period.
    fn power_off_idle_cards(&self) {
        let mut shared = self.lock();
        while !shared.closed {
            let now = Instant::now();
            if let Some(operation) = shared.service.next_power_off(now) {
                drop(shared);
                let completion = operation.execute();
                shared = self.lock();
                shared.service.complete(completion);
                self.notify(&mut shared);
                continue;
            }
            let limit = shared.deadline.map_or(Duration::MAX, |end| end - now);
            let waited = self.rescheduled.wait_timeout(shared, limit);
            (shared, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The process at the other end of a connection.
#[cfg(target_os = "linux")]
fn process(stream: &UnixStream) -> ClientProcess {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    // A process of another PID namespace may have no number here, which is 0.
    let peer = getsockopt(stream, PeerCredentials).ok();
    ClientProcess(peer.map(|peer| peer.pid()).filter(|number| *number != 0))
}

/// Other systems have their own ways to tell.
#[cfg(not(target_os = "linux"))]
fn process(_: &UnixStream) -> ClientProcess {
    ClientProcess(None)
}

/// What is left to do for a client.
enum ToClient {
    Reply(Vec<u8>),
    NoReply,
    HangUp,
}
