//! What the clients of a card, and whoever disturbs them, know of each other.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use clients::{Key, Station};
use tempfile::TempDir;

/// How long clients may take to get on before they count as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a client may fail after a disturbance is over: pcscd resets the card of a client that
/// was killed when it notices, and somebody who fails may leave a reset behind as well.
const AFTERMATH: u32 = 3;

/// The key that is there from the beginning.
pub(crate) const KEY: Key = Key { id: "10", kind: "EC:secp256r1", bits: 256 };

/// The clients, in the order of their numbers.
pub(crate) const CLIENTS: [&str; 3] = ["OpenSC", "pyscard", "raw"];

/// A reader with a card in it, and three clients.
pub(crate) struct Place {
    /// The name that clients know the reader by.
    pub(crate) reader: String,
    /// Where the clients have their files; among them `10.pem`, the public key of [`KEY`].
    pub(crate) home: TempDir,
    state: Mutex<State>,
    /// Somebody has got on, or it is over.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    socket: PathBuf,
    /// How many disturbances there have been, and whether one is going on.
    disturbances: u32,
    disturbed: bool,
    over: bool,
    clients: [Client; CLIENTS.len()],
}

#[derive(Default)]
struct Client {
    process: Option<Child>,
    /// What it has done, altogether and since the last disturbance.
    done: u64,
    done_in_calm: u64,
    /// How often it has failed, altogether and after the last disturbance.
    failed: u64,
    failed_in_calm: u32,
}

/// When something was, between disturbances.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct When {
    disturbances: u32,
    disturbed: bool,
}

impl Place {
    pub(crate) fn at(station: &Station) -> Self {
        let home = TempDir::new().unwrap();
        let public_key = station.read(&station.public_key(KEY));
        std::fs::write(home.path().join("10.pem"), public_key).unwrap();
        std::fs::write(home.path().join("hash"), [0x5A; 32]).unwrap();
        let state = State { socket: station.socket(), ..State::default() };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        Self { reader: station.reader(0), home, state, changed }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until clients have done `count` things since the last disturbance, and each of them
    /// one; or until it is over.
    pub(crate) fn wait_for_work(&self, count: u64) {
        let has_to_wait = |state: &mut State| {
            let done = state.clients.each_ref().map(|client| client.done_in_calm);
            !state.over && (done.iter().sum::<u64>() < count || done.contains(&0))
        };
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, has_to_wait);
        let (state, waited) = waited.unwrap();
        let done = state.clients.each_ref().map(|client| client.done_in_calm);
        drop(state);
        if waited.timed_out() {
            self.end();
            panic!("{}: {CLIENTS:?} did only {done:?} things in {PATIENCE:?}", self.reader);
        }
    }

    /// Waits until what disturbs the clients has happened.
    pub(crate) fn wait_for_calm(&self) {
        let state = self.state();
        drop(self.changed.wait_while(state, |state| state.disturbed && !state.over).unwrap());
    }

    /// Lets something happen, which clients may notice, and takes the socket that is there then.
    pub(crate) fn disturb(&self, what: impl FnOnce() -> PathBuf) {
        self.state().disturbed = true;
        let socket = what();
        let mut state = self.state();
        (state.socket, state.disturbed) = (socket, false);
        state.disturbances += 1;
        for client in &mut state.clients {
            (client.done_in_calm, client.failed_in_calm) = (0, 0);
        }
        self.changed.notify_all();
    }

    /// Kills the process of a client, if it has one.
    pub(crate) fn kill(&self, client: usize) {
        if let Some(process) = &mut self.state().clients[client].process {
            process.kill().unwrap();
        }
    }

    /// Lets nobody begin with anything more, and ends what still runs.
    pub(crate) fn end(&self) {
        self.state().over = true;
        (0..CLIENTS.len()).for_each(|client| self.kill(client));
        self.changed.notify_all();
    }

    /// Lets clients look at the card once more.
    pub(crate) fn begin_again(&self) {
        self.state().over = false;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state().over
    }

    pub(crate) fn now(&self) -> When {
        let state = self.state();
        When { disturbances: state.disturbances, disturbed: state.disturbed }
    }

    /// The server's socket, as `PCSCLITE_CSOCK_NAME`.
    pub(crate) fn socket(&self) -> PathBuf {
        self.state().socket.clone()
    }

    /// Starts a process of a client: its standard output is taken out of it.
    pub(crate) fn start(&self, client: usize, command: &mut Command) -> std::process::ChildStdout {
        // The lock makes sure that nobody misses a process that is to be killed.
        let mut state = self.state();
        let mut process = command.spawn().unwrap();
        let output = process.stdout.take().unwrap();
        if state.over {
            process.kill().unwrap();
        }
        state.clients[client].process = Some(process);
        output
    }

    /// Waits for the end of a process that has closed its output.
    pub(crate) fn wait(&self, client: usize) -> Option<i32> {
        let mut process = self.state().clients[client].process.take().unwrap();
        process.wait().unwrap().code()
    }

    pub(crate) fn has_done_something(&self, client: usize) {
        let mut state = self.state();
        let client = &mut state.clients[client];
        client.done += 1;
        client.done_in_calm += 1;
        self.changed.notify_all();
    }

    /// A client has failed: whether it may have, what it began at a time.
    pub(crate) fn may_fail(&self, client: usize, begun: When) -> bool {
        let now = self.now();
        let mut state = self.state();
        let over = state.over;
        let client = &mut state.clients[client];
        client.failed += 1;
        if over || begun.disturbed || begun != now {
            return true;
        }
        client.failed_in_calm += 1;
        now.disturbances > 0 && client.failed_in_calm <= AFTERMATH
    }

    /// What each client has done, and how often it has failed.
    pub(crate) fn work(&self) -> [(u64, u64); CLIENTS.len()] {
        self.state().clients.each_ref().map(|client| (client.done, client.failed))
    }
}

impl When {
    /// Whether nothing has happened since.
    pub(crate) fn was_calm(self, now: Self) -> bool {
        !self.disturbed && self == now
    }
}
