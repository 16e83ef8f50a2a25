//! The server's threads: one for each client, one that accepts them, one that looks after the
//! cards that nobody uses.

use super::Listening;
use crate::failure::Failure;
use reader::pcsc::{ClientId, Hub, Message, Step};
use rustix::net::{SendFlags, send};
use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How many connections there may be, as in pcscd.
const CLIENTS: usize = 200;

/// A PC/SC server.
#[derive(Clone)]
pub(crate) struct Server(Arc<Inner>);

struct Inner {
    shared: Mutex<Shared>,
    /// Something has changed that a blocked client may wait for.
    changed: Condvar,
    /// The next deadline is another one.
    rescheduled: Condvar,
}

/// What the threads share. Nobody holds it while a card works or a client is slow to read.
struct Shared {
    hub: Hub,
    streams: BTreeMap<ClientId, Arc<UnixStream>>,
    blocked: usize,
    deadline: Option<Instant>,
}

type Guard<'a> = MutexGuard<'a, Shared>;

impl Server {
    pub(crate) fn new(hub: Hub) -> Self {
        let shared = Shared { hub, streams: BTreeMap::new(), blocked: 0, deadline: None };
        let (changed, rescheduled) = (Condvar::new(), Condvar::new());
        Self(Arc::new(Inner { shared: Mutex::new(shared), changed, rescheduled }))
    }

    /// Serves all who connect to the socket from here on.
    pub(crate) fn serve(&self, socket: &Listening) -> Result<(), Failure> {
        let start = || {
            let listener = socket.listener()?;
            let (accepting, keeping) = (self.clone(), self.clone());
            let thread = thread::Builder::new();
            thread.spawn(move || accepting.accept(&listener))?;
            thread::Builder::new().spawn(move || keeping.0.keep_cards())
        };
        start().map(drop).map_err(|error| Failure::because("cannot start the PC/SC server", error))
    }

    fn accept(&self, listener: &UnixListener) {
        loop {
            let Ok((stream, _)) = listener.accept() else {
                // Out of file descriptors, most likely, of which a client will soon free one.
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            if !is_own(&stream) {
                continue;
            }
            let server = Arc::clone(&self.0);
            // Without a thread the client finds its connection closed.
            thread::Builder::new().spawn(move || server.attend(stream)).ok();
        }
    }

    /// Waits until no card works, and lets none begin again before the process ends.
    pub(crate) fn close(&self) {
        let mut shared = self.0.lock();
        while shared.hub.is_working() {
            shared = self.0.wait(shared, Duration::MAX);
        }
        std::mem::forget(shared);
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
        if shared.hub.clients() >= CLIENTS {
            return;
        }
        let id = shared.hub.join();
        shared.streams.insert(id, Arc::clone(&stream));
        drop(shared);

        let (mut incoming, mut outgoing) = (BufReader::new(&*stream), &*stream);
        while let Ok(Some(message)) = Message::receive(&mut incoming) {
            let asked = Instant::now();
            match self.carry_out(|hub| hub.ask(id, &message, asked.elapsed(), Instant::now())) {
                Done::Reply(reply) => {
                    if outgoing.write_all(&reply).is_err() {
                        break;
                    }
                    self.change(|hub| hub.sent(id));
                }
                Done::Silence => {}
                Done::HangUp => break,
            }
        }
        while !matches!(self.carry_out(|hub| hub.leave(id, Instant::now())), Done::HangUp) {}
        self.lock().streams.remove(&id);
    }

    /// Asks for a step and does it, until nothing is left but to answer the client.
    fn carry_out(&self, mut ask: impl FnMut(&mut Hub) -> Step) -> Done {
        let begun = Instant::now();
        let mut shared = self.lock();
        loop {
            let step = ask(&mut shared.hub);
            if let Step::Later(limit) = step {
                shared = self.wait(shared, limit.saturating_sub(begun.elapsed()));
                continue;
            }
            self.settle(&mut shared);
            let job = match step {
                Step::Reply(reply) => return Done::Reply(reply),
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
                return Done::Reply(reply);
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
        loop {
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

/// What is left of a step.
enum Done {
    Reply(Vec<u8>),
    Silence,
    HangUp,
}

/// Whether a client is a process of this user, or root's.
#[cfg(target_os = "linux")]
fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    rustix::net::sockopt::socket_peercred(stream)
        .is_ok_and(|peer| peer.uid == own || peer.uid.is_root())
}

/// The socket's permissions say who may connect.
#[cfg(not(target_os = "linux"))]
fn is_own(_: &UnixStream) -> bool {
    true
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;
    use reader::pcsc::{Card, Dead, Description, ENTRIES, Options, Reset};
    use std::io::Read;

    struct Silent;

    impl Card for Silent {
        fn atr(&self) -> &[u8] {
            &[0x3B, 0x00]
        }

        fn reset(&mut self, _: Reset) {}

        fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, Dead> {
            Err(Dead)
        }
    }

    #[test]
    fn a_card_that_comes_is_seen_at_once_by_who_waits_for_it() {
        let mut hub =
            Hub::new(Options { entries: ENTRIES, linger: Duration::MAX, extended: true }, || 1);
        let (name, vendor, serial) = ("Test 00 00".into(), "Test".into(), "1".into());
        let reader = hub.add_reader(Description { name, vendor, serial }).unwrap();
        let server = Server::new(hub);
        let (mut client, stream) = UnixStream::pair().unwrap();
        let inner = Arc::clone(&server.0);
        thread::spawn(move || inner.attend(stream));

        let mut fastest = Duration::MAX;
        for _ in 0..20 {
            // WAIT_READER_STATE_CHANGE, and the states.
            client.write_all(&[0_u32, 0x13].map(u32::to_ne_bytes).concat()).unwrap();
            client.read_exact(&mut [0; 184 * ENTRIES]).unwrap();
            let begun = Instant::now();
            let card = server.0.change(|hub| hub.insert(reader, Box::new(Silent)));
            assert!(card.is_none());
            client.read_exact(&mut [0; 8]).unwrap();
            fastest = fastest.min(begun.elapsed());
            server.0.change(|hub| hub.take_out(reader));
        }

        // The slowest is a matter of who else wants the machine.
        assert!(fastest < Duration::from_millis(10), "{fastest:?}");
    }
}
