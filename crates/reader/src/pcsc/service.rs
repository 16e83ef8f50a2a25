//! Clients, their contexts and their waits; a message becomes an action.

mod options;

pub use options::ServiceOptions;

use super::handles::{ConnectParameters, Decision, HandleRef, Handles, Teardown};
use super::message::{Reply, ReplyBody, WinscardMessage, WinscardRequest, event};
use super::reader::{AddReaderError, Completion, Operation, OperationKind, ReaderId};
use super::warning::ClientWarning;
use super::{PcscCard, ReaderDescription, ReturnCode};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// All readers and all clients of a PC/SC service.
pub struct Service {
    options: ServiceOptions,
    handles: Handles,
    clients: BTreeMap<ClientId, Client>,
    next_client: u64,
    random: Box<dyn FnMut() -> u32 + Send>,
    /// The number of changes that waiting clients have been notified of.
    notified: u64,
    events: Vec<(ClientId, [u8; 8])>,
}

/// A connection to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(u64);

struct Client {
    /// The minor version of its protocol, once it has sent that.
    minor: Option<u32>,
    context: Option<u32>,
    wait: Wait,
    /// Its wait was cancelled before it had begun.
    cancelled: bool,
    /// The number of states that a client of 4:6 was told last, and after how many changes.
    announced: Option<StateCount>,
}

#[derive(Clone, Copy, Debug)]
struct StateCount {
    states: usize,
    changes: u64,
}

/// How far a client's wait is.
///
/// The event that notifies it may be sent at one moment only: after the client has read the
/// readers' states, as it would take the event for a part of them, and before it ends its wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// It does not wait, or was notified.
    Idle,
    /// It is about to wait, and will ask for the states first.
    Requested,
    /// It is being sent the states as they were after so many changes.
    SendingStates(u64),
    /// It waits.
    Waiting,
}

/// What the server is to do for a client.
#[derive(Debug)]
#[must_use]
pub enum Action {
    /// Send it these bytes, and then call [`Service::reply_sent`].
    Reply(Vec<u8>),
    /// Send nothing: it expects no reply now.
    NoReply,
    /// Close the connection.
    HangUp,
    /// Execute this without holding the service; [`Service::complete`] returns the reply.
    Execute(Operation),
    /// Request again when something has changed, or when the client has waited so long in all.
    Wait(Duration),
}

/// Versions 4:4 to 4:6 of the protocol; each client is served in its own.
const MAJOR: u32 = 4;
const OLDEST: u32 = 4;
const NEWEST: u32 = 6;

impl Service {
    /// A service without readers. Contexts and handles are `random` numbers: a client that guesses
    /// another's handle cannot use it, but one that guesses a context can cancel its wait.
    pub fn new(options: ServiceOptions, random: impl FnMut() -> u32 + Send + 'static) -> Self {
        Self {
            options: ServiceOptions {
                max_readers_contexts: options.max_readers_contexts.max(1),
                ..options
            },
            handles: Handles::new(),
            clients: BTreeMap::new(),
            next_client: 0,
            random: Box::new(random),
            notified: 0,
            events: Vec::new(),
        }
    }

    /// Adds an empty reader.
    ///
    /// # Errors
    ///
    /// If there is the maximum of readers, or the name is in use or invalid.
    pub fn add_reader(
        &mut self,
        description: ReaderDescription,
    ) -> Result<ReaderId, AddReaderError> {
        let id = self.handles.add(description, self.options.max_readers)?;
        self.notify();
        Ok(id)
    }

    /// Removes a reader and the card in it; returns the card unless it is checked out.
    pub fn remove_reader(&mut self, reader: ReaderId) -> Option<Box<dyn PcscCard>> {
        let card = self.handles.remove_reader(reader);
        self.notify();
        card
    }

    /// Inserts a card into a reader; returns it if there is no such reader, or a card in it.
    pub fn insert(
        &mut self,
        reader: ReaderId,
        card: Box<dyn PcscCard>,
    ) -> Option<Box<dyn PcscCard>> {
        let refused = self.handles.insert(reader, card);
        self.notify();
        refused
    }

    /// Removes the card from a reader; returns it unless it is checked out.
    pub fn remove(&mut self, reader: ReaderId) -> Option<Box<dyn PcscCard>> {
        let card = self.handles.remove_card(reader);
        self.notify();
        card
    }

    /// Resets the card in a reader without a client's request; all handles to it are told. To be
    /// called again while the action is to wait; [`Action::NoReply`] means that there is no card.
    pub fn reset(&mut self, reader: ReaderId) -> Action {
        let action = self.handles.reset_by_operator(reader);
        self.notify();
        action
    }

    /// Adds a client, which has connected.
    pub fn add_client(&mut self) -> ClientId {
        let id = ClientId(self.next_client);
        self.next_client += 1;
        let (wait, cancelled) = (Wait::Idle, false);
        let client = Client { minor: None, context: None, wait, cancelled, announced: None };
        self.clients.insert(id, client);
        id
    }

    /// The number of clients.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// The minor version of a client's protocol, once it has sent one that the service speaks too.
    pub fn minor_version(&self, id: ClientId) -> Option<u32> {
        self.clients.get(&id)?.minor
    }

    /// Decides on a client's message; the client has waited for `waited` already.
    pub fn request(
        &mut self,
        id: ClientId,
        message: &WinscardMessage,
        waited: Duration,
        now: Instant,
    ) -> Action {
        let Some(request) = message.request() else { return Action::HangUp };
        let action = match request {
            WinscardRequest::Version { major, minor } => self.version(id, message, (major, minor)),
            WinscardRequest::GetReadersState => {
                Action::Reply(self.handles.states(self.options.max_readers_contexts))
            }
            WinscardRequest::GetReadersStateSize => Action::Reply(self.state_count(id)),
            WinscardRequest::WaitReaderStateChange => self.begin_waiting(id),
            WinscardRequest::GetReadersStateArray => self.state_array(id),
            WinscardRequest::StopWaitingReaderStateChange => self.stop_waiting(id),
            WinscardRequest::GetReaderEvents => {
                let events = u32::from(self.handles.reader_events);
                Action::Reply(event(events, ReturnCode::OK).into())
            }
            WinscardRequest::ReleaseContext { context } => match self.release(id, context, now) {
                Ok(Teardown::Done) => Action::Reply(message.reply(Reply::of(Ok(ReplyBody::Done)))),
                Ok(Teardown::Execute(operation)) => Action::Execute(operation),
                Ok(Teardown::Wait) => Action::Wait(Duration::MAX),
                Err(code) => Action::Reply(message.reply(Reply::of(Err(code)))),
            },
            request => match self.decide(id, &request, now) {
                Ok(Decision::Reply(reply)) => Action::Reply(message.reply(reply)),
                Ok(Decision::Reset(event, checked_out, reply)) => {
                    let reply = Some(message.reply(reply));
                    Action::Execute(Operation {
                        checked_out,
                        kind: OperationKind::Reset(event, reply),
                    })
                }
                Ok(Decision::Transmit(checked_out)) => Action::Execute(Operation {
                    checked_out,
                    kind: OperationKind::Transmit(message.clone()),
                }),
                Ok(Decision::Wait(limit)) if waited < limit => Action::Wait(limit),
                Ok(Decision::Wait(_)) => {
                    Action::Reply(message.reply(Reply::of(Err(ReturnCode::SHARING_VIOLATION))))
                }
                Err(code) => Action::Reply(message.reply(Reply::of(Err(code)))),
            },
        };
        self.notify();
        action
    }

    /// Decides on a request about a context or a handle.
    fn decide(
        &mut self,
        client: ClientId,
        request: &WinscardRequest<'_>,
        now: Instant,
    ) -> Result<Decision, ReturnCode> {
        let handle_ref = |handle| HandleRef { client, handle };
        let handles = &mut self.handles;
        match *request {
            WinscardRequest::EstablishContext { scope } => {
                let context = self.establish(client, scope)?;
                Ok(Decision::Reply(Reply::of(Ok(ReplyBody::Context(context)))))
            }
            WinscardRequest::Cancel { context } => {
                self.cancel(context)?;
                Ok(Decision::Reply(Reply::of(Ok(ReplyBody::Done))))
            }
            WinscardRequest::Connect { context, reader, share, protocols } => {
                self.context_of(client, context)?;
                let handle = self.unused_number();
                self.handles.connect(
                    handle_ref(handle),
                    reader,
                    ConnectParameters { share, protocols },
                )
            }
            WinscardRequest::Reconnect { handle, share, protocols, disposition } => handles
                .reconnect(handle_ref(handle), ConnectParameters { share, protocols }, disposition),
            WinscardRequest::Disconnect { handle, disposition } => {
                handles.disconnect(handle_ref(handle), disposition, now)
            }
            WinscardRequest::BeginTransaction { handle } => {
                handles.begin_transaction(handle_ref(handle))
            }
            WinscardRequest::EndTransaction { handle, disposition } => {
                handles.end_transaction(handle_ref(handle), disposition)
            }
            WinscardRequest::Transmit { handle, protocol } => {
                handles.transmit(handle_ref(handle), protocol)
            }
            WinscardRequest::Control { handle, code } => {
                handles.control(handle_ref(handle), code, self.options.extended_apdus)
            }
            WinscardRequest::GetAttrib { handle, attribute } => {
                handles.attribute(handle_ref(handle), attribute)
            }
            WinscardRequest::SetAttrib { handle } => handles.set_attribute(handle_ref(handle)),
            WinscardRequest::Status { handle } => handles.status(handle_ref(handle)),
            _ => Err(ReturnCode::UNSUPPORTED_FEATURE),
        }
    }

    /// Checks a card in again after its operation; returns the reply to the client whose request it
    /// was, or nothing if the request is to be made again.
    pub fn complete(&mut self, completion: Completion) -> Option<Vec<u8>> {
        let reply = self.handles.complete(completion);
        self.notify();
        reply
    }

    /// A client was sent its reply.
    pub fn reply_sent(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Wait::SendingStates(changes) = client.wait else { return };
        let over = if client.cancelled {
            Some(ReturnCode::CANCELLED)
        } else {
            (changes != self.handles.changes).then_some(ReturnCode::OK)
        };
        client.wait = if over.is_some() { Wait::Idle } else { Wait::Waiting };
        self.events.extend(over.map(|code| (id, event(0, code))));
    }

    /// Removes a client that has hung up: to be called until the action is to hang up.
    pub fn remove_client(&mut self, id: ClientId, now: Instant) -> Action {
        let action = match self.handles.close_all(id, now) {
            Teardown::Execute(operation) => Action::Execute(operation),
            Teardown::Wait => Action::Wait(Duration::MAX),
            Teardown::Done => {
                self.clients.remove(&id);
                Action::HangUp
            }
        };
        self.notify();
        action
    }

    /// The events for waiting clients, to be sent at once: no more than one for each.
    pub fn take_events(&mut self) -> Vec<(ClientId, [u8; 8])> {
        std::mem::take(&mut self.events)
    }

    /// Warnings for the users of clients; each is given once for each client.
    pub fn take_warnings(&mut self) -> Vec<(ClientId, ClientWarning)> {
        self.handles.take_warnings()
    }

    /// When [`next_power_off`](Self::next_power_off) will have an operation.
    pub fn power_off_deadline(&self) -> Option<Instant> {
        self.handles.power_off_deadline(self.options.power_off_grace_period)
    }

    /// Powers off a card that has been without clients for the grace period.
    pub fn next_power_off(&mut self, now: Instant) -> Option<Operation> {
        self.handles.next_power_off(self.options.power_off_grace_period, now)
    }

    /// Whether any card is checked out.
    pub fn is_busy(&self) -> bool {
        self.handles.is_busy()
    }
}

/// Contexts.
impl Service {
    /// Agrees on a client's version of the protocol, or tells it the nearest: it may try again.
    fn version(
        &mut self,
        id: ClientId,
        message: &WinscardMessage,
        (major, minor): (u32, u32),
    ) -> Action {
        if major != MAJOR || minor < OLDEST {
            return Action::Reply(message.other_version(OLDEST));
        }
        if minor > NEWEST {
            return Action::Reply(message.other_version(NEWEST));
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.minor = Some(minor);
        }
        Action::Reply(message.reply(Reply::of(Ok(ReplyBody::Version { minor }))))
    }

    /// A client may ask for another context if it does not accept the first one's number.
    fn establish(&mut self, id: ClientId, scope: u32) -> Result<u32, ReturnCode> {
        if scope > 3 {
            return Err(ReturnCode::INVALID_VALUE);
        }
        let context = self.unused_number();
        if let Some(client) = self.clients.get_mut(&id) {
            client.context = Some(context);
        }
        Ok(context)
    }

    fn context_of(&self, id: ClientId, context: u32) -> Result<(), ReturnCode> {
        let own = self.clients.get(&id).and_then(|client| client.context);
        if own == Some(context) { Ok(()) } else { Err(ReturnCode::INVALID_HANDLE) }
    }

    fn release(
        &mut self,
        id: ClientId,
        context: u32,
        now: Instant,
    ) -> Result<Teardown, ReturnCode> {
        self.context_of(id, context)?;
        let teardown = self.handles.close_all(id, now);
        if let (Teardown::Done, Some(client)) = (&teardown, self.clients.get_mut(&id)) {
            client.context = None;
        }
        Ok(teardown)
    }

    /// A positive number that neither a context nor a handle has.
    fn unused_number(&mut self) -> u32 {
        loop {
            let number = (self.random)() & 0x7FFF_FFFF;
            let is_context = self.clients.values().any(|client| client.context == Some(number));
            if number != 0 && !is_context && !self.handles.has_handle(number) {
                return number;
            }
        }
    }
}

/// Waiting for a change.
impl Service {
    /// A client of 4:6 asks for the states next; older ones get them in the reply.
    fn begin_waiting(&mut self, id: ClientId) -> Action {
        let Some(client) = self.clients.get_mut(&id) else { return Action::HangUp };
        client.wait = Wait::Requested;
        client.cancelled = false;
        if client.minor.is_some_and(|minor| minor >= 6) {
            Action::NoReply
        } else {
            self.state_array(id)
        }
    }

    /// The readers' states. A client of 4:6 gets as many as it was told, whatever was added since.
    fn state_array(&mut self, id: ClientId) -> Action {
        let mut count =
            StateCount { states: self.options.max_readers_contexts, changes: self.handles.changes };
        if let Some(client) = self.clients.get_mut(&id) {
            count = client.announced.take().unwrap_or(count);
            if client.wait == Wait::Requested {
                client.wait = Wait::SendingStates(count.changes);
            }
        }
        Action::Reply(self.handles.states(count.states))
    }

    /// The number of states that a client of 4:6 will get.
    fn state_count(&mut self, id: ClientId) -> Vec<u8> {
        let count =
            StateCount { states: self.handles.peak_reader_count(), changes: self.handles.changes };
        if let Some(client) = self.clients.get_mut(&id) {
            client.announced = Some(count);
        }
        u32::try_from(count.states).unwrap_or(u32::MAX).to_ne_bytes().into()
    }

    /// A client whose wait was ended by an event gets no other reply.
    fn stop_waiting(&mut self, id: ClientId) -> Action {
        let Some(client) = self.clients.get_mut(&id) else { return Action::HangUp };
        match std::mem::replace(&mut client.wait, Wait::Idle) {
            Wait::Idle => Action::NoReply,
            _ => Action::Reply(event(0, ReturnCode::OK).into()),
        }
    }

    fn cancel(&mut self, context: u32) -> Result<(), ReturnCode> {
        let mut clients = self.clients.iter_mut();
        let found = clients.find(|(_, client)| client.context == Some(context));
        let (id, client) = found.ok_or(ReturnCode::INVALID_HANDLE)?;
        match client.wait {
            Wait::Idle => {}
            Wait::Requested | Wait::SendingStates(_) => client.cancelled = true,
            Wait::Waiting => {
                client.wait = Wait::Idle;
                self.events.push((*id, event(0, ReturnCode::CANCELLED)));
            }
        }
        Ok(())
    }

    /// Notifies all waiting clients, if something has changed.
    fn notify(&mut self) {
        if self.notified == self.handles.changes {
            return;
        }
        self.notified = self.handles.changes;
        for (id, client) in &mut self.clients {
            if client.wait == Wait::Waiting {
                client.wait = Wait::Idle;
                self.events.push((*id, event(0, ReturnCode::OK)));
            }
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("options", &self.options).finish_non_exhaustive()
    }
}
