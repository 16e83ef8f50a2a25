//! A PC/SC server: the state machine of [`pcsc`](crate::pcsc) with a socket and threads.
//!
//! There is a thread for each client, one that accepts them, and one that looks after the cards
//! that nobody uses. Cards and readers come and go while it serves.

mod access;
mod folder;
mod library;
mod socket;

use crate::pcsc::{
    Card, ClientId, Description, Full, Hub, Message, Options, ReaderId, Remark, Reset, Step,
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

pub use access::Access;
pub use folder::PrivateFolder;
pub use library::{Library, Redirection, Room};
pub use socket::{Error, Listening};

/// How many connections there may be, as in pcscd.
const CLIENTS: usize = 200;

/// How long a client may take to read its last reply.
const READING: Duration = Duration::from_secs(1);

/// A PC/SC server; clones are the same one.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    shared: Mutex<Shared>,
    /// Something has changed that a blocked client may wait for.
    changed: Condvar,
    /// The next deadline is another one.
    rescheduled: Condvar,
    report: Report,
}

/// Tells who runs a client what the client does.
type Report = Box<dyn Fn(&Process, &Remark) + Send + Sync>;

/// The process of a client, as far as the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(Option<i32>);

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => write!(f, "the client of process {number}"),
            None => write!(f, "a client"),
        }
    }
}

/// What the threads share. Nobody holds it while a card works or a client is slow to read.
struct Shared {
    hub: Hub,
    streams: BTreeMap<ClientId, Arc<UnixStream>>,
    blocked: usize,
    deadline: Option<Instant>,
    /// How many clients are still being sent a reply.
    replying: usize,
    /// Nothing begins any more.
    closed: bool,
}

impl Shared {
    fn reply(&mut self, reply: Vec<u8>) -> Done {
        self.replying += 1;
        Done::Reply(reply)
    }
}

type Guard<'a> = MutexGuard<'a, Shared>;

impl Server {
    /// A server without readers, which nobody can reach yet.
    pub fn new(options: Options) -> Self {
        Self::reporting(options, |_, _| {})
    }

    /// A server that reports what clients do and who runs them should know.
    pub fn reporting(
        options: Options,
        report: impl Fn(&Process, &Remark) + Send + Sync + 'static,
    ) -> Self {
        // Without the system's randomness there would be no socket; and the hub asks again for a
        // number that it has.
        let hub = Hub::new(options, || getrandom::u32().unwrap_or_default());
        let (streams, replying) = (BTreeMap::new(), 0);
        let shared = Shared { hub, streams, blocked: 0, deadline: None, replying, closed: false };
        let (shared, changed, rescheduled) = (Mutex::new(shared), Condvar::new(), Condvar::new());
        Self(Arc::new(Inner { shared, changed, rescheduled, report: Box::new(report) }))
    }

    /// Serves all who connect to the socket from here on.
    ///
    /// # Errors
    /// If there can be no threads.
    pub fn serve(&self, socket: &Listening) -> Result<(), Error> {
        let (attending, keeping) = (Arc::clone(&self.0), Arc::clone(&self.0));
        socket.serve(move |stream| attending.attend(stream))?;
        let thread = thread::Builder::new().spawn(move || keeping.keep_cards());
        thread.map(drop).map_err(|error| {
            Error::Failed(format!("no thread that looks after the cards: {error}"))
        })
    }

    /// Puts up an empty reader.
    ///
    /// # Errors
    /// If there is no room for it, or another has its name.
    pub fn add_reader(&self, description: Description) -> Result<ReaderId, Full> {
        self.0.change(|hub| hub.add_reader(description))
    }

    /// Takes away a reader and the card in it, which is gone when it has done what it is doing.
    pub fn remove_reader(&self, reader: ReaderId) {
        self.0.change(|hub| hub.remove_reader(reader));
    }

    /// Puts a card into a reader, powered on; gives it back if the reader is not there, or not
    /// empty.
    pub fn insert(&self, reader: ReaderId, mut card: Box<dyn Card>) -> Option<Box<dyn Card>> {
        card.reset(Reset::PowerOn);
        self.0.change(|hub| hub.insert(reader, card))
    }

    /// Takes the card out of a reader; gives it back unless it is working: then it is gone when it
    /// has done what it is doing.
    pub fn take_out(&self, reader: ReaderId) -> Option<Box<dyn Card>> {
        self.0.change(|hub| hub.take_out(reader))
    }

    /// Resets the card in a reader when it has done what it is doing, and lets all who have a
    /// handle to it know; false if there is none.
    pub fn reset(&self, reader: ReaderId) -> bool {
        let mut shared = self.0.lock();
        while !shared.closed {
            match shared.hub.reset(reader) {
                Step::Later(limit) => shared = self.0.wait(shared, limit),
                Step::Work(job) => {
                    self.0.settle(&mut shared);
                    drop(shared);
                    let worked = job.work();
                    self.0.change(|hub| hub.finish(worked));
                    return true;
                }
                _ => return false,
            }
        }
        false
    }

    /// Waits until no card works and every reply is sent, and lets nothing begin again: clients
    /// find their connections closed. The cards are dropped with the last thread of the server.
    pub fn close(&self) {
        let mut shared = self.0.lock();
        shared.closed = true;
        let begun = Instant::now();
        while shared.hub.is_working() || shared.replying > 0 && begun.elapsed() < READING {
            let limit = if shared.hub.is_working() { Duration::MAX } else { READING };
            shared = self.0.wait(shared, limit);
        }
        for stream in shared.streams.values() {
            // It fails for a client who has just hung up.
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

    /// Does something to the hub, and tells those who wait for it.
    fn change<T>(&self, change: impl FnOnce(&mut Hub) -> T) -> T {
        let mut shared = self.lock();
        let outcome = change(&mut shared.hub);
        self.settle(&mut shared);
        outcome
    }

    /// Serves a client until it hangs up.
    fn attend(&self, stream: UnixStream) {
        let stream = Arc::new(stream);
        let mut shared = self.lock();
        if shared.closed || shared.hub.clients() >= CLIENTS {
            return;
        }
        let id = shared.hub.join();
        shared.streams.insert(id, Arc::clone(&stream));
        drop(shared);

        let (mut incoming, mut outgoing) = (BufReader::new(&*stream), &*stream);
        while let Ok(Some(message)) = Message::receive(&mut incoming) {
            let (asked, mut remarks) = (Instant::now(), Vec::new());
            let done = self.carry_out(|hub| {
                let step = hub.ask(id, &message, asked.elapsed(), Instant::now());
                remarks.extend(hub.take_remarks());
                step
            });
            for (_, remark) in remarks {
                (self.report)(&process(&stream), &remark);
            }
            match done {
                Done::Reply(reply) => {
                    let sent = outgoing.write_all(&reply);
                    self.replied(id);
                    if sent.is_err() {
                        break;
                    }
                }
                Done::Silence => {}
                Done::HangUp => break,
            }
        }
        while !matches!(self.carry_out(|hub| hub.leave(id, Instant::now())), Done::HangUp) {}
        self.lock().streams.remove(&id);
    }

    /// A client has been sent its reply, or cannot be.
    fn replied(&self, id: ClientId) {
        let mut shared = self.lock();
        shared.replying -= 1;
        shared.hub.sent(id);
        self.settle(&mut shared);
    }

    /// Asks for a step and does it, until nothing is left but to answer the client.
    fn carry_out(&self, mut ask: impl FnMut(&mut Hub) -> Step) -> Done {
        let begun = Instant::now();
        let mut shared = self.lock();
        loop {
            if shared.closed {
                return Done::HangUp;
            }
            let step = ask(&mut shared.hub);
            if let Step::Later(limit) = step {
                shared = self.wait(shared, limit.saturating_sub(begun.elapsed()));
                continue;
            }
            self.settle(&mut shared);
            let job = match step {
                Step::Reply(reply) => return shared.reply(reply),
                Step::Silence => return Done::Silence,
                Step::HangUp | Step::Later(_) => return Done::HangUp,
                Step::Work(job) => job,
            };
            drop(shared);
            let worked = job.work();
            shared = self.lock();
            let reply = shared.hub.finish(worked);
            self.settle(&mut shared);
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

    /// After every change: tells those who wait for it.
    fn settle(&self, shared: &mut Shared) {
        for (id, event) in shared.hub.take_events() {
            if let Some(stream) = shared.streams.get(&id) {
                // A client whose buffer has no room for eight bytes does not read, and is none.
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                if send(&**stream, &event, flags) != Ok(event.len()) {
                    stream.shutdown(Shutdown::Both).ok();
                }
            }
        }
        if shared.blocked > 0 {
            self.changed.notify_all();
        }
        let deadline = shared.hub.deadline();
        if shared.deadline != deadline {
            shared.deadline = deadline;
            self.rescheduled.notify_one();
        }
    }

    /// Takes the power from cards that nobody has used for a while.
    fn keep_cards(&self) {
        let mut shared = self.lock();
        while !shared.closed {
            let now = Instant::now();
            if let Some(job) = shared.hub.overdue(now) {
                drop(shared);
                let worked = job.work();
                shared = self.lock();
                shared.hub.finish(worked);
                self.settle(&mut shared);
                continue;
            }
            let limit = shared.deadline.map_or(Duration::MAX, |end| end - now);
            let waited = self.rescheduled.wait_timeout(shared, limit);
            (shared, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Whose connection it is.
#[cfg(target_os = "linux")]
fn process(stream: &UnixStream) -> Process {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    // One of another PID namespace may have no number here, which is 0.
    let peer = getsockopt(stream, PeerCredentials).ok();
    Process(peer.map(|peer| peer.pid()).filter(|number| *number != 0))
}

/// The system tells in ways of its own.
#[cfg(not(target_os = "linux"))]
fn process(_: &UnixStream) -> Process {
    Process(None)
}

/// What is left of a step.
enum Done {
    Reply(Vec<u8>),
    Silence,
    HangUp,
}
