//! Clients of PC/SC at a service with two readers.
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

use crate::pcsc_client::{EXCLUSIVE, T0, T1, connect, message, to_words};
use std::time::{Duration, Instant};
use vschsm_reader::pcsc::{
    Action, ClientId, NoResponse, Operation, PcscCard, ReaderDescription, ReaderId, Service,
    ServiceOptions, WinscardMessage,
};

const CLIENTS: usize = 4;
const NAMES: [&str; 2] = ["Virtual PCD 00 00", "Virtual PCD 00 01"];
const READERS: usize = 4;
const POWER_OFF_GRACE_PERIOD: Duration = Duration::from_secs(5);

/// Commands.
const WAIT: u32 = 0x13;
const STOP_WAITING: u32 = 0x14;

/// The longest time that a client is let wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// A card that returns the command as its response.
struct Echo;

impl PcscCard for Echo {
    fn atr(&self) -> Vec<u8> {
        vec![0x3B, 0x80, 0x80, 0x01]
    }

    fn reset(&mut self, _: vschsm_reader::pcsc::PowerEvent) {}

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse> {
        match apdu {
            [0xDE, 0xAD] => Err(NoResponse::Failed),
            [0xB0, 0x0C] => Err(NoResponse::ContactLost),
            [0x00, 0x00] => Err(NoResponse::TimedOut),
            apdu => Ok(apdu.into()),
        }
    }
}

struct World {
    service: Service,
    readers: [ReaderId; 2],
    clients: [ClientId; CLIENTS],
    /// Which of them has begun a wait that it does not know the end of.
    waits: [bool; CLIENTS],
    /// Cards that work, and who waits for them; nobody does for a reset by hand.
    jobs: Vec<(Option<usize>, Operation)>,
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
        let (max_readers_contexts, max_readers) = (READERS, READERS);
        let options = ServiceOptions {
            max_readers_contexts,
            max_readers,
            power_off_grace_period: POWER_OFF_GRACE_PERIOD,
            extended_apdus: true,
        };
        let mut service = Service::new(options, random);
        let readers = NAMES.map(|name| {
            let description =
                ReaderDescription { name: name.into(), vendor: "Test".into(), serial: "1".into() };
            service.add_reader(description).expect("there is room")
        });
        for reader in readers {
            assert!(service.insert(reader, Box::new(Echo)).is_none());
        }
        let clients = [(); CLIENTS].map(|()| service.add_client());
        let (waits, jobs) = ([false; CLIENTS], Vec::new());
        Self { service, readers, clients, waits, jobs, now: Instant::now() }
    }

    fn happens(&mut self, byte: u8, rest: &mut &[u8]) {
        let (client, reader) = (usize::from(byte & 3), self.readers[usize::from(byte & 1)]);
        match byte {
            ..0xC0 => {
                let command = rest.get(4..8).and_then(|word| word.try_into().ok());
                match (WinscardMessage::receive(rest), command.map(u32::from_ne_bytes)) {
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
                if self.service.remove(reader).is_none() {
                    // Refused while there is one that works.
                    drop(self.service.insert(reader, Box::new(Echo)));
                }
            }
            0xF0..0xF8 => {
                if let Action::Execute(operation) = self.service.reset(reader) {
                    self.jobs.push((None, operation));
                }
            }
            0xF8.. => {
                self.now += Duration::from_secs(byte.into());
                while let Some(operation) = self.service.next_power_off(self.now) {
                    self.finish(operation);
                }
            }
        }
    }

    /// Sends a message; `later` is 0 if a card that works is done at once.
    fn ask(&mut self, client: usize, message: &WinscardMessage, later: u8) {
        let id = self.clients[client];
        let mut waited = Duration::ZERO;
        for _ in 0..4 {
            match self.service.request(id, message, waited, self.now) {
                Action::Reply(reply) => {
                    assert!(!reply.is_empty(), "a reply of no bytes");
                    return self.service.reply_sent(id);
                }
                Action::NoReply => return,
                Action::HangUp => return self.replaced(client),
                Action::Wait(_) => waited = PATIENCE,
                Action::Execute(operation) if later != 0 => {
                    return self.jobs.push((Some(client), operation));
                }
                Action::Execute(operation) => {
                    if self.service.complete(operation.execute()).is_some() {
                        return self.service.reply_sent(id);
                    }
                }
            }
        }
    }

    /// Clients hear of changes, each once for a wait.
    fn events(&mut self) {
        for (id, _) in self.service.take_events() {
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
        let (client, operation) = self.jobs.swap_remove(number);
        let reply = self.service.complete(operation.execute());
        if let (Some(client), Some(_)) = (client, reply) {
            self.service.reply_sent(self.clients[client]);
        }
    }

    fn finish(&mut self, operation: Operation) {
        drop(self.service.complete(operation.execute()));
    }

    /// A client hangs up, once it has what it waits for, and another one comes.
    fn replaced(&mut self, client: usize) {
        while let Some(number) = self.jobs.iter().position(|(waiting, _)| *waiting == Some(client))
        {
            self.finish_number(number);
        }
        self.leave(self.clients[client]);
        self.clients[client] = self.service.add_client();
        self.waits[client] = false;
    }

    fn leave(&mut self, client: ClientId) {
        loop {
            match self.service.remove_client(client, self.now) {
                Action::HangUp => return,
                Action::Execute(operation) => self.finish(operation),
                // It has a card that works.
                Action::Wait(_) => {
                    assert!(!self.jobs.is_empty(), "to wait for a card that does not work");
                    self.finish_number(0);
                }
                Action::Reply(_) | Action::NoReply => panic!("a reply to who has hung up"),
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
        assert_eq!(self.service.client_count(), 0);
        assert!(!self.service.is_busy(), "a card that nobody has");
        for (reader, name) in self.readers.into_iter().zip(NAMES) {
            drop(self.service.insert(reader, Box::new(Echo)));
            match self.service.reset(reader) {
                Action::Execute(operation) => self.finish(operation),
                _ => panic!("a card that cannot be reset"),
            }
            let client = self.service.add_client();
            let context = self.words(client, &message(0x01, &[2, 0, 0]))[1];
            let exclusive = connect(context, name, EXCLUSIVE, T0 | T1);
            let [.., code] = self.words(client, &exclusive)[..] else { panic!("no code") };
            assert_eq!(code, 0, "{code:08X} from a card that nobody uses");
            self.leave(client);
            assert!(self.service.remove(reader).is_some(), "a reader has lost its card");
        }
    }

    /// Sends a message, and gets words.
    fn words(&mut self, client: ClientId, mut bytes: &[u8]) -> Vec<u32> {
        let message =
            WinscardMessage::receive(&mut bytes).expect("it is one").expect("it is there");
        loop {
            match self.service.request(client, &message, PATIENCE, self.now) {
                Action::Reply(reply) => return to_words(&reply),
                Action::Execute(operation) => {
                    if let Some(reply) = self.service.complete(operation.execute()) {
                        return to_words(&reply);
                    }
                }
                _ => panic!("no reply"),
            }
        }
    }
}
