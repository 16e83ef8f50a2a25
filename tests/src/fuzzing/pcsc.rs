//! Clients of PC/SC at a hub with two readers.
//!
//! | byte         | what happens                                                              |
//! |--------------|---------------------------------------------------------------------------|
//! | `00` to `BF` | a client, by the lowest two bits, sends the message that follows          |
//! | `C0` to `CF` | the client hangs up, and another one comes                                |
//! | `D0` to `DF` | a card that works is done                                                 |
//! | `E0` to `EF` | the card is taken out of a reader, by the lowest bit, or comes into it    |
//! | `F0` to `F7` | likewise the card is reset                                                |
//! | `F8` to `FF` | time passes                                                               |
//!
//! A card that a message makes work is done at once, but where the byte before the message has
//! bit 4.

use std::time::{Duration, Instant};
use vschsm_reader::pcsc::{
    Card, ClientId, Description, Hub, Job, Message, NoAnswer, Options, ReaderId, Step,
};

const CLIENTS: usize = 4;
const NAMES: [&str; 2] = ["Virtual PCD 00 00", "Virtual PCD 00 01"];
const ENTRIES: usize = 4;
const LINGER: Duration = Duration::from_secs(5);

/// Commands.
const WAIT: u32 = 0x13;
const STOP_WAITING: u32 = 0x14;

/// The longest time that a client is let wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// A card that answers what it was asked.
struct Echo;

impl Card for Echo {
    fn atr(&self) -> Vec<u8> {
        vec![0x3B, 0x80, 0x80, 0x01]
    }

    fn reset(&mut self, _: vschsm_reader::pcsc::Reset) {}

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoAnswer> {
        match apdu {
            [0xDE, 0xAD] => Err(NoAnswer::Dead),
            [0xB0, 0x0C] => Err(NoAnswer::Bounced),
            [0x00, 0x00] => Err(NoAnswer::Mute),
            apdu => Ok(apdu.into()),
        }
    }
}

struct World {
    hub: Hub,
    readers: [ReaderId; 2],
    clients: [ClientId; CLIENTS],
    /// Which of them has begun a wait that it does not know the end of.
    waits: [bool; CLIENTS],
    /// Cards that work, and who waits for them; nobody does for a reset by hand.
    jobs: Vec<(Option<usize>, Job)>,
    now: Instant,
}

/// The table above. In the end all clients hang up, and one that comes then finds both cards free,
/// once they have been reset: what was agreed on with a card outlives its clients.
pub(super) fn run(data: &[u8]) {
    let mut world = World::new();
    let mut rest = data;
    while let [byte, after @ ..] = rest {
        rest = after;
        world.happens(*byte, &mut rest);
        world.events();
    }
    world.ends();
}

impl World {
    fn new() -> Self {
        let mut number = 0;
        let random = move || {
            number += 1;
            number
        };
        let (entries, limit) = (ENTRIES, ENTRIES);
        let options = Options { entries, limit, linger: LINGER, extended: true };
        let mut hub = Hub::new(options, random);
        let readers = NAMES.map(|name| {
            let description =
                Description { name: name.into(), vendor: "Test".into(), serial: "1".into() };
            hub.add_reader(description).expect("there is room")
        });
        for reader in readers {
            assert!(hub.insert(reader, Box::new(Echo)).is_none());
        }
        let clients = [(); CLIENTS].map(|()| hub.join());
        let (waits, jobs) = ([false; CLIENTS], Vec::new());
        Self { hub, readers, clients, waits, jobs, now: Instant::now() }
    }

    fn happens(&mut self, byte: u8, rest: &mut &[u8]) {
        let (client, reader) = (usize::from(byte & 3), self.readers[usize::from(byte & 1)]);
        match byte {
            ..0xC0 => {
                let command = rest.get(4..8).and_then(|word| word.try_into().ok());
                match (Message::receive(rest), command.map(u32::from_ne_bytes)) {
                    // Who waits for a card does not say anything.
                    (Ok(Some(_)), _) if self.is_blocked(client) => {}
                    (Ok(Some(message)), command) => {
                        self.waits[client] |= command == Some(WAIT);
                        self.ask(client, &message, byte & 0x10);
                        self.events();
                        self.waits[client] &= command != Some(STOP_WAITING);
                    }
                    _ => self.replaced(client),
                }
            }
            0xC0..0xD0 => self.replaced(client),
            0xD0..0xE0 => {
                if !self.jobs.is_empty() {
                    self.finish_number(usize::from(byte & 0x0F) % self.jobs.len());
                }
            }
            0xE0..0xF0 => {
                if self.hub.take_out(reader).is_none() {
                    // Refused while there is one that works.
                    drop(self.hub.insert(reader, Box::new(Echo)));
                }
            }
            0xF0..0xF8 => {
                if let Step::Work(job) = self.hub.reset(reader) {
                    self.jobs.push((None, job));
                }
            }
            0xF8.. => {
                self.now += Duration::from_secs(byte.into());
                while let Some(job) = self.hub.overdue(self.now) {
                    self.finish(job);
                }
            }
        }
    }

    /// Sends a message; `later` is 0 if a card that works is done at once.
    fn ask(&mut self, client: usize, message: &Message, later: u8) {
        let id = self.clients[client];
        let mut waited = Duration::ZERO;
        for _ in 0..4 {
            match self.hub.ask(id, message, waited, self.now) {
                Step::Reply(reply) => {
                    assert!(!reply.is_empty(), "a reply of no bytes");
                    return self.hub.sent(id);
                }
                Step::Silence => return,
                Step::HangUp => return self.replaced(client),
                Step::Later(_) => waited = PATIENCE,
                Step::Work(job) if later != 0 => return self.jobs.push((Some(client), job)),
                Step::Work(job) => {
                    if self.hub.finish(job.work()).is_some() {
                        return self.hub.sent(id);
                    }
                }
            }
        }
    }

    /// Clients hear of changes, each once for a wait.
    fn events(&mut self) {
        for (id, _) in self.hub.take_events() {
            // Others have hung up meanwhile, and hear nothing.
            if let Some(client) = self.clients.iter().position(|client| *client == id) {
                assert!(self.waits[client], "an event for who does not wait");
                self.waits[client] = false;
            }
        }
    }

    fn is_blocked(&self, client: usize) -> bool {
        self.jobs.iter().any(|(waiting, _)| *waiting == Some(client))
    }

    fn finish_number(&mut self, number: usize) {
        let (client, job) = self.jobs.swap_remove(number);
        let reply = self.hub.finish(job.work());
        if let (Some(client), Some(_)) = (client, reply) {
            self.hub.sent(self.clients[client]);
        }
    }

    fn finish(&mut self, job: Job) {
        drop(self.hub.finish(job.work()));
    }

    /// A client hangs up, once it has what it waits for, and another one comes.
    fn replaced(&mut self, client: usize) {
        while let Some(number) = self.jobs.iter().position(|(waiting, _)| *waiting == Some(client))
        {
            self.finish_number(number);
        }
        self.leave(self.clients[client]);
        self.clients[client] = self.hub.join();
        self.waits[client] = false;
    }

    fn leave(&mut self, client: ClientId) {
        loop {
            match self.hub.leave(client, self.now) {
                Step::HangUp => return,
                Step::Work(job) => self.finish(job),
                // It has a card that works.
                Step::Later(_) => {
                    assert!(!self.jobs.is_empty(), "to wait for a card that does not work");
                    self.finish_number(0);
                }
                Step::Reply(_) | Step::Silence => panic!("a reply to who has hung up"),
            }
        }
    }

    fn ends(mut self) {
        while !self.jobs.is_empty() {
            self.finish_number(0);
        }
        for client in self.clients {
            self.leave(client);
        }
        assert_eq!(self.hub.clients(), 0);
        assert!(!self.hub.is_working(), "a card that nobody has");
        for (reader, name) in self.readers.into_iter().zip(NAMES) {
            drop(self.hub.insert(reader, Box::new(Echo)));
            match self.hub.reset(reader) {
                Step::Work(job) => self.finish(job),
                _ => panic!("a card that cannot be reset"),
            }
            let client = self.hub.join();
            let context = self.words(client, 0x01, &[2, 0, 0])[1];
            let name: Vec<u8> = name.bytes().chain([0; 128]).take(128).collect();
            let exclusive = [&[context][..], &to_words(&name), &[1, 3, 0, 0, 0]].concat();
            let [.., code] = self.words(client, 0x04, &exclusive)[..] else { panic!("no code") };
            assert_eq!(code, 0, "{code:08X} from a card that nobody uses");
            self.leave(client);
            assert!(self.hub.take_out(reader).is_some(), "a reader has lost its card");
        }
    }

    /// Sends a message of words, and gets words.
    fn words(&mut self, client: ClientId, command: u32, words: &[u32]) -> Vec<u32> {
        let bytes = message(command, words);
        let message = Message::receive(&mut &*bytes).expect("it is one").expect("it is there");
        loop {
            match self.hub.ask(client, &message, PATIENCE, self.now) {
                Step::Reply(reply) => return to_words(&reply),
                Step::Work(job) => {
                    if let Some(reply) = self.hub.finish(job.work()) {
                        return to_words(&reply);
                    }
                }
                _ => panic!("no reply to {command:02X}"),
            }
        }
    }
}

/// A message with a struct of words.
pub(super) fn message(command: u32, words: &[u32]) -> Vec<u8> {
    let size = u32::try_from(words.len() * 4).expect("a short message");
    [size, command].iter().chain(words).flat_map(|word| word.to_ne_bytes()).collect()
}

fn to_words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_ne_bytes(*word)).collect()
}
