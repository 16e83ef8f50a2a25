//! Clients, their contexts and their waits; a message becomes a step.

use super::desk::{Desk, Holder, Leaving, Verdict, Wish};
use super::message::{Answer, Message, Reply, Request, event};
use super::reader::{Full, Job, ReaderId, Task, Worked};
use super::remark::Remark;
use super::{Card, Code, Description};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How a hub behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many readers a library of version 4:5 or older wants to be told of: see
    /// [`ENTRIES`](super::ENTRIES).
    pub entries: usize,
    /// How many readers there may be.
    pub limit: usize,
    /// How long a card keeps its session when nobody has a handle to it.
    pub linger: Duration,
    /// Whether readers say that they take extended APDUs. They take them anyway.
    pub extended: bool,
}

/// All readers and all clients.
pub struct Hub {
    options: Options,
    desk: Desk,
    clients: BTreeMap<ClientId, Client>,
    next_client: u64,
    random: Box<dyn FnMut() -> u32 + Send>,
    /// The count of changes that waiting clients have been told of.
    announced: u64,
    events: Vec<(ClientId, [u8; 8])>,
}

/// A connection to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId(u64);

struct Client {
    /// The minor version that it speaks, if it has said so.
    minor: Option<u32>,
    context: Option<u32>,
    wait: Wait,
    /// Its wait was called off before it had properly begun.
    cancelled: bool,
    /// What a client of 4:6 was told last of the number of states, and after how many changes.
    told: Option<Size>,
}

#[derive(Clone, Copy, Debug)]
struct Size {
    entries: usize,
    changes: u64,
}

/// How far a client's wait is.
///
/// What tells it of a change may come at one moment only: after it has read the readers' states,
/// as it would take it for a part of them, and before it ends its wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// It does not wait; or has been told that it need not any more.
    No,
    /// It wants to, and will ask for the states first.
    Announced,
    /// The states are on their way to it, as they were after so many changes.
    Reading(u64),
    /// It waits.
    Yes,
}

/// What to do for a client.
#[must_use]
pub enum Step {
    /// Send it these bytes, and then say so with [`Hub::sent`].
    Reply(Vec<u8>),
    /// Send nothing: it expects nothing now.
    Silence,
    /// Hang up.
    HangUp,
    /// Let the card work, without the hub; [`Hub::finish`] has the reply.
    Work(Job),
    /// Ask again when something has changed, or when it has waited for so long in all.
    Later(Duration),
}

/// The versions 4:4 to 4:6; a client of any of them is spoken to in its own.
const MAJOR: u32 = 4;
const OLDEST: u32 = 4;
const NEWEST: u32 = 6;

impl Hub {
    /// A hub without readers. Handles are made of `random` numbers: who guesses one cannot use it,
    /// but who guesses a context can end its wait.
    pub fn new(options: Options, random: impl FnMut() -> u32 + Send + 'static) -> Self {
        Self {
            options: Options { entries: options.entries.max(1), ..options },
            desk: Desk::new(),
            clients: BTreeMap::new(),
            next_client: 0,
            random: Box::new(random),
            announced: 0,
            events: Vec::new(),
        }
    }

    /// Puts up an empty reader.
    ///
    /// # Errors
    /// If there is no room for it, or another has its name.
    pub fn add_reader(&mut self, description: Description) -> Result<ReaderId, Full> {
        let id = self.desk.add(description, self.options.limit)?;
        self.announce();
        Ok(id)
    }

    /// Takes away a reader and the card in it; gives the card back if it is not working.
    pub fn remove_reader(&mut self, reader: ReaderId) -> Option<Box<dyn Card>> {
        let card = self.desk.remove(reader);
        self.announce();
        card
    }

    /// Puts a card into a reader; gives it back if the reader is not there or not empty.
    pub fn insert(&mut self, reader: ReaderId, card: Box<dyn Card>) -> Option<Box<dyn Card>> {
        let refused = self.desk.insert(reader, card);
        self.announce();
        refused
    }

    /// Takes the card out of a reader; gives it back if it is not working.
    pub fn take_out(&mut self, reader: ReaderId) -> Option<Box<dyn Card>> {
        let card = self.desk.empty(reader);
        self.announce();
        card
    }

    /// Resets the card in a reader, which no client has asked for: all that have a handle to it
    /// learn of it. To be asked again while it is for later; silence means that there is no card.
    pub fn reset(&mut self, reader: ReaderId) -> Step {
        let step = self.desk.reset_by_hand(reader);
        self.announce();
        step
    }

    /// Lets a client in.
    pub fn join(&mut self) -> ClientId {
        let id = ClientId(self.next_client);
        self.next_client += 1;
        let (wait, cancelled) = (Wait::No, false);
        let client = Client { minor: None, context: None, wait, cancelled, told: None };
        self.clients.insert(id, client);
        id
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// The minor version that a client speaks, if it has named one that the hub speaks too.
    pub fn minor_version(&self, id: ClientId) -> Option<u32> {
        self.clients.get(&id)?.minor
    }

    /// Does what a client's message says, which it has waited for since `waited`.
    pub fn ask(&mut self, id: ClientId, message: &Message, waited: Duration, now: Instant) -> Step {
        let Some(request) = message.request() else { return Step::HangUp };
        let step = match request {
            Request::Version { major, minor } => self.version(id, message, (major, minor)),
            Request::States => Step::Reply(self.desk.states(self.options.entries)),
            Request::Size => Step::Reply(self.size(id)),
            Request::Wait => self.wait(id),
            Request::Array => self.array(id),
            Request::StopWaiting => self.stop_waiting(id),
            Request::Events => Step::Reply(event(u32::from(self.desk.arrivals), Code::OK).into()),
            Request::Release { context } => match self.release(id, context, now) {
                Ok(Leaving::Done) => Step::Reply(message.reply(Reply::of(Ok(Answer::Done)))),
                Ok(Leaving::Work(job)) => Step::Work(job),
                Ok(Leaving::Later) => Step::Later(Duration::MAX),
                Err(code) => Step::Reply(message.reply(Reply::of(Err(code)))),
            },
            request => match self.rule(id, &request, now) {
                Ok(Verdict::Now(reply)) => Step::Reply(message.reply(reply)),
                Ok(Verdict::After(event, away, reply)) => {
                    let reply = Some(message.reply(reply));
                    Step::Work(Job { away, task: Task::Reset(event, reply) })
                }
                Ok(Verdict::Ask(away)) => {
                    Step::Work(Job { away, task: Task::Transmit(message.clone()) })
                }
                Ok(Verdict::Later(limit)) if waited < limit => Step::Later(limit),
                Ok(Verdict::Later(_)) => {
                    Step::Reply(message.reply(Reply::of(Err(Code::SHARING_VIOLATION))))
                }
                Err(code) => Step::Reply(message.reply(Reply::of(Err(code)))),
            },
        };
        self.announce();
        step
    }

    /// Rules on a request about a context or a handle.
    fn rule(
        &mut self,
        client: ClientId,
        request: &Request<'_>,
        now: Instant,
    ) -> Result<Verdict, Code> {
        let holder = |handle| Holder { client, handle };
        let desk = &mut self.desk;
        match *request {
            Request::Establish { scope } => {
                let context = self.establish(client, scope)?;
                Ok(Verdict::Now(Reply::of(Ok(Answer::Context(context)))))
            }
            Request::Cancel { context } => {
                self.cancel(context)?;
                Ok(Verdict::Now(Reply::of(Ok(Answer::Done))))
            }
            Request::Connect { context, reader, share, protocols } => {
                self.context_of(client, context)?;
                let handle = self.unused();
                self.desk.connect(holder(handle), reader, Wish { share, protocols })
            }
            Request::Reconnect { handle, share, protocols, disposition } => {
                desk.reconnect(holder(handle), Wish { share, protocols }, disposition)
            }
            Request::Disconnect { handle, disposition } => {
                desk.disconnect(holder(handle), disposition, now)
            }
            Request::Begin { handle } => desk.begin(holder(handle)),
            Request::End { handle, disposition } => desk.end(holder(handle), disposition),
            Request::Transmit { handle, protocol } => desk.transmit(holder(handle), protocol),
            Request::Control { handle, code } => {
                desk.control(holder(handle), code, self.options.extended)
            }
            Request::Attribute { handle, attribute } => desk.attribute(holder(handle), attribute),
            Request::SetAttribute { handle } => desk.set_attribute(holder(handle)),
            Request::Status { handle } => desk.status(holder(handle)),
            _ => Err(Code::UNSUPPORTED_FEATURE),
        }
    }

    /// Takes a card back from its job; the reply to whose request it was, unless that is to be
    /// asked again.
    pub fn finish(&mut self, worked: Worked) -> Option<Vec<u8>> {
        let reply = self.desk.finish(worked);
        self.announce();
        reply
    }

    /// A client has been sent its reply.
    pub fn sent(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Wait::Reading(changes) = client.wait else { return };
        let over = if client.cancelled {
            Some(Code::CANCELLED)
        } else {
            (changes != self.desk.changes).then_some(Code::OK)
        };
        client.wait = if over.is_some() { Wait::No } else { Wait::Yes };
        self.events.extend(over.map(|code| (id, event(0, code))));
    }

    /// Goes on to see a client off, who has hung up: to be asked until the step is to hang up.
    pub fn leave(&mut self, id: ClientId, now: Instant) -> Step {
        let step = match self.desk.close_all(id, now) {
            Leaving::Work(job) => Step::Work(job),
            Leaving::Later => Step::Later(Duration::MAX),
            Leaving::Done => {
                self.clients.remove(&id);
                Step::HangUp
            }
        };
        self.announce();
        step
    }

    /// What is to be sent to clients who wait: at once, and only this much for each.
    pub fn take_events(&mut self) -> Vec<(ClientId, [u8; 8])> {
        std::mem::take(&mut self.events)
    }

    /// What clients do that needs a word to who runs them; each thing is said once of a client.
    pub fn take_remarks(&mut self) -> Vec<(ClientId, Remark)> {
        self.desk.take_remarks()
    }

    /// When a card will be [`overdue`](Self::overdue) next.
    pub fn deadline(&self) -> Option<Instant> {
        self.desk.deadline(self.options.linger)
    }

    /// A card that nobody has asked for long enough to lose its power.
    pub fn overdue(&mut self, now: Instant) -> Option<Job> {
        self.desk.overdue(self.options.linger, now)
    }

    /// Whether any card is working.
    pub fn is_working(&self) -> bool {
        self.desk.is_working()
    }
}

/// Contexts.
impl Hub {
    /// Answers a client in its own version, or tells it the nearest: then it tries again, or not.
    fn version(&mut self, id: ClientId, message: &Message, (major, minor): (u32, u32)) -> Step {
        if major != MAJOR || minor < OLDEST {
            return Step::Reply(message.other_version(OLDEST));
        }
        if minor > NEWEST {
            return Step::Reply(message.other_version(NEWEST));
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.minor = Some(minor);
        }
        Step::Reply(message.reply(Reply::of(Ok(Answer::Version { minor }))))
    }

    /// A client may ask for another context if it does not like the first one's number.
    fn establish(&mut self, id: ClientId, scope: u32) -> Result<u32, Code> {
        if scope > 3 {
            return Err(Code::INVALID_VALUE);
        }
        let context = self.unused();
        if let Some(client) = self.clients.get_mut(&id) {
            client.context = Some(context);
        }
        Ok(context)
    }

    fn context_of(&self, id: ClientId, context: u32) -> Result<(), Code> {
        let own = self.clients.get(&id).and_then(|client| client.context);
        if own == Some(context) { Ok(()) } else { Err(Code::INVALID_HANDLE) }
    }

    fn release(&mut self, id: ClientId, context: u32, now: Instant) -> Result<Leaving, Code> {
        self.context_of(id, context)?;
        let leaving = self.desk.close_all(id, now);
        if let (Leaving::Done, Some(client)) = (&leaving, self.clients.get_mut(&id)) {
            client.context = None;
        }
        Ok(leaving)
    }

    /// A positive number that is no context and no handle.
    fn unused(&mut self) -> u32 {
        loop {
            let number = (self.random)() & 0x7FFF_FFFF;
            let is_context = self.clients.values().any(|client| client.context == Some(number));
            if number != 0 && !is_context && !self.desk.has_handle(number) {
                return number;
            }
        }
    }
}

/// Waiting for a change.
impl Hub {
    /// A client of 4:6 asks for the states next; older ones have them in the answer.
    fn wait(&mut self, id: ClientId) -> Step {
        let Some(client) = self.clients.get_mut(&id) else { return Step::HangUp };
        client.wait = Wait::Announced;
        client.cancelled = false;
        if client.minor.is_some_and(|minor| minor >= 6) { Step::Silence } else { self.array(id) }
    }

    /// A client of 4:6 has asked how many there are, and gets as many, whoever has come since then.
    fn array(&mut self, id: ClientId) -> Step {
        let mut size = Size { entries: self.options.entries, changes: self.desk.changes };
        if let Some(client) = self.clients.get_mut(&id) {
            size = client.told.take().unwrap_or(size);
            if client.wait == Wait::Announced {
                client.wait = Wait::Reading(size.changes);
            }
        }
        Step::Reply(self.desk.states(size.entries))
    }

    /// How many states a client of 4:6 will get.
    fn size(&mut self, id: ClientId) -> Vec<u8> {
        let size = Size { entries: self.desk.most(), changes: self.desk.changes };
        if let Some(client) = self.clients.get_mut(&id) {
            client.told = Some(size);
        }
        u32::try_from(size.entries).unwrap_or(u32::MAX).to_ne_bytes().into()
    }

    /// The event that has ended a wait is all the reply that the client gets.
    fn stop_waiting(&mut self, id: ClientId) -> Step {
        let Some(client) = self.clients.get_mut(&id) else { return Step::HangUp };
        match std::mem::replace(&mut client.wait, Wait::No) {
            Wait::No => Step::Silence,
            _ => Step::Reply(event(0, Code::OK).into()),
        }
    }

    fn cancel(&mut self, context: u32) -> Result<(), Code> {
        let mut clients = self.clients.iter_mut();
        let found = clients.find(|(_, client)| client.context == Some(context));
        let (id, client) = found.ok_or(Code::INVALID_HANDLE)?;
        match client.wait {
            Wait::No => {}
            Wait::Announced | Wait::Reading(_) => client.cancelled = true,
            Wait::Yes => {
                client.wait = Wait::No;
                self.events.push((*id, event(0, Code::CANCELLED)));
            }
        }
        Ok(())
    }

    /// Tells all who wait that something has changed, if so.
    fn announce(&mut self) {
        if self.announced == self.desk.changes {
            return;
        }
        self.announced = self.desk.changes;
        for (id, client) in &mut self.clients {
            if client.wait == Wait::Yes {
                client.wait = Wait::No;
                self.events.push((*id, event(0, Code::OK)));
            }
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("options", &self.options).finish_non_exhaustive()
    }
}
