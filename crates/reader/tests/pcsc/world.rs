//! A service with a reader and a card, and clients that speak to it in words of four bytes.

use std::time::{Duration, Instant};
use vschsm_reader::pcsc::{
    Action, ClientId, NoResponse, Operation, PcscCard, PowerEvent, ReaderDescription, ReaderId,
    Service, ServiceOptions, WarningCause, WinscardMessage,
};
use vschsm_testing::pcsc_client;

pub(crate) use vschsm_testing::pcsc_client::{
    ANY_OLD, CANCELLED, DIRECT, EJECT, EXCLUSIVE, INSUFFICIENT_BUFFER, INTERNAL_ERROR,
    INVALID_HANDLE, INVALID_VALUE, LEAVE, NO_SMARTCARD, NOT_TRANSACTED, OK, PROTO_MISMATCH, RAW,
    REMOVED_CARD, RESET, RESET_CARD, SHARED, SHARING_VIOLATION, T0, T1, UNPOWER, UNPOWERED_CARD,
    UNSUPPORTED_FEATURE, message, to_words, transmit,
};

pub(crate) const POWER_OFF_GRACE_PERIOD: Duration = Duration::from_secs(5);
pub(crate) const OPTIONS: ServiceOptions = ServiceOptions {
    max_readers_contexts: 16,
    max_readers: 16,
    power_off_grace_period: POWER_OFF_GRACE_PERIOD,
    extended_apdus: true,
};
pub(crate) const NAME: &str = "Test 00 00";
pub(crate) const ATR: [u8; 4] = [0x3B, 0x80, 0x80, 0x01];

/// Logs in.
pub(crate) const LOGIN: [u8; 2] = [0x20, 0x01];
/// Answers whether it is logged in.
pub(crate) const QUERY: [u8; 2] = [0x20, 0x00];
/// Dies.
pub(crate) const DIE: [u8; 2] = [0xDE, 0xAD];
/// Loses contact for a moment.
pub(crate) const BOUNCE: [u8; 2] = [0xB0, 0xCE];
/// Never responds.
pub(crate) const MUTE: [u8; 2] = [0x5E, 0xCE];

/// A card that has a login and echoes what it does not know.
#[derive(Default)]
pub(crate) struct Echo {
    logged_in: bool,
}

impl PcscCard for Echo {
    fn atr(&self) -> Vec<u8> {
        ATR.into()
    }

    fn reset(&mut self, _: PowerEvent) {
        self.logged_in = false;
    }

    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, NoResponse> {
        match apdu {
            [0x20, 0x01] => self.logged_in = true,
            [0x20, 0x00] => return Ok(vec![u8::from(self.logged_in)]),
            [0xDE, 0xAD] => return Err(NoResponse::Failed),
            [0xB0, 0xCE] => return Err(NoResponse::ContactLost),
            [0x5E, 0xCE] => return Err(NoResponse::TimedOut),
            _ => {}
        }
        Ok(apdu.into())
    }
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Reply(Vec<u8>),
    NoReply,
    HungUp,
    /// It waits for others.
    Later,
}

pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) reader: ReaderId,
    pub(crate) now: Instant,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(OPTIONS)
    }

    pub(crate) fn of(options: ServiceOptions) -> Self {
        let mut number = 0;
        let random = move || {
            number += 1;
            number
        };
        let mut service = Service::new(options, random);
        let reader = service.add_reader(description(NAME)).unwrap();
        assert!(service.insert(reader, Box::new(Echo::default())).is_none());
        Self { service, reader, now: Instant::now() }
    }

    /// Sends a message and does at once what it comes to.
    pub(crate) fn send(&mut self, client: ClientId, bytes: &[u8], waited: Duration) -> Got {
        let Ok(Some(message)) = WinscardMessage::receive(&mut &*bytes) else { return Got::HungUp };
        loop {
            match self.service.request(client, &message, waited, self.now) {
                Action::Reply(reply) => {
                    self.service.reply_sent(client);
                    return Got::Reply(reply);
                }
                Action::Execute(operation) => {
                    if let Some(reply) = self.service.complete(operation.execute()) {
                        return Got::Reply(reply);
                    }
                }
                Action::NoReply => return Got::NoReply,
                Action::HangUp => return Got::HungUp,
                Action::Wait(_) => return Got::Later,
            }
        }
    }

    /// Sends a message of words; the words of the reply.
    pub(crate) fn call(&mut self, client: ClientId, command: u32, words: &[u32]) -> Vec<u32> {
        match self.send(client, &message(command, words), Duration::ZERO) {
            Got::Reply(reply) => to_words(&reply),
            other => panic!("{command:02X}: {other:?}"),
        }
    }

    /// A client with a context.
    pub(crate) fn client(&mut self) -> Client {
        let id = self.service.add_client();
        self.call(id, 0x11, &[4, 4, 0]);
        let context = self.call(id, 0x01, &[2, 0, 0])[1];
        Client { id, context }
    }

    pub(crate) fn connect(&mut self, client: Client, share: u32) -> Result<u32, u32> {
        match self.send(client.id, &connect(client, NAME, share, 3), Duration::ZERO) {
            Got::Reply(reply) => match to_words(&reply)[35..] {
                [handle, _, OK] => Ok(handle),
                [0, _, code] => Err(code),
                _ => panic!("{reply:02X?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// A client with a shared handle.
    pub(crate) fn connected(&mut self) -> (Client, u32) {
        let client = self.client();
        let handle = self.connect(client, SHARED).unwrap();
        (client, handle)
    }

    /// BEGIN, END or DISCONNECT: its return code.
    pub(crate) fn end(&mut self, client: Client, command: u32, handle: u32, then: u32) -> u32 {
        self.call(client.id, command, &[handle, then, 0])[2]
    }

    /// CONNECT: the active protocol and the return code.
    pub(crate) fn code_of(&mut self, client: Client, share: u32, protocols: u32) -> [u32; 2] {
        match self.send(client.id, &connect(client, NAME, share, protocols), Duration::ZERO) {
            Got::Reply(reply) => to_words(&reply)[36..].try_into().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// RECONNECT: the active protocol and the return code.
    pub(crate) fn reconnect(
        &mut self,
        client: Client,
        handle: u32,
        [share, protocols, then]: [u32; 3],
    ) -> [u32; 2] {
        // What the client has had there before.
        let words = [handle, share, protocols, then, 0x77, 0];
        self.call(client.id, 0x05, &words)[4..].try_into().unwrap()
    }

    /// What is said of clients.
    pub(crate) fn warnings(&mut self) -> Vec<(ClientId, WarningCause)> {
        let warnings = self.service.take_warnings();
        assert!(warnings.iter().all(|(_, warning)| warning.reader == NAME));
        warnings.into_iter().map(|(client, warning)| (client, warning.cause)).collect()
    }

    pub(crate) fn begin(&mut self, client: Client, handle: u32) -> u32 {
        self.call(client.id, 0x07, &[handle, 0])[1]
    }

    pub(crate) fn status(&mut self, client: Client, handle: u32) -> u32 {
        self.call(client.id, 0x0B, &[handle, 0])[1]
    }

    /// TRANSMIT with T=1: the response, or a return code.
    pub(crate) fn transmit(
        &mut self,
        client: Client,
        handle: u32,
        apdu: &[u8],
    ) -> Result<Vec<u8>, u32> {
        match self.send(client.id, &transmit(handle, 2, apdu, 65_548), Duration::ZERO) {
            Got::Reply(reply) => match to_words(&reply[..32])[7] {
                OK => Ok(reply[32..].to_vec()),
                code => Err(code),
            },
            other => panic!("{other:?}"),
        }
    }

    /// The operation of a card that has a command and has not responded yet.
    pub(crate) fn working(&mut self, client: Client, handle: u32) -> Operation {
        let bytes = transmit(handle, 2, &QUERY, 10);
        let message = WinscardMessage::receive(&mut &*bytes).unwrap().unwrap();
        match self.service.request(client.id, &message, Duration::ZERO, self.now) {
            Action::Execute(operation) => operation,
            _ => panic!("the card is not asked"),
        }
    }

    /// The state of the first reader: card event_counter, state, share_state, protocol.
    pub(crate) fn state(&mut self) -> [u32; 4] {
        let observer = self.service.add_client();
        let Got::Reply(states) = self.send(observer, &message(0x12, &[]), Duration::ZERO) else {
            panic!("no states");
        };
        self.leave(observer);
        assert_eq!(states.len(), 16 * 184);
        let words = to_words(&states[128..184]);
        [words[0], words[1], words[2], words[13]]
    }

    /// The client's connection is lost.
    pub(crate) fn leave(&mut self, client: ClientId) {
        loop {
            match self.service.remove_client(client, self.now) {
                Action::Execute(operation) => {
                    assert!(self.service.complete(operation.execute()).is_none())
                }
                Action::HangUp => return,
                _ => panic!("a client cannot leave"),
            }
        }
    }

    /// Time passes, and idle cards lose their power.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        while let Some(operation) = self.service.next_power_off(self.now) {
            self.service.complete(operation.execute());
        }
    }

    /// The events that clients have been sent, as client and return code.
    pub(crate) fn events(&mut self) -> Vec<(ClientId, u32)> {
        let events = self.service.take_events();
        events.into_iter().map(|(client, event)| (client, to_words(&event)[1])).collect()
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) context: u32,
}

pub(crate) fn description(name: &str) -> ReaderDescription {
    ReaderDescription { name: name.into(), vendor: "Test".into(), serial: "1".into() }
}

pub(crate) fn connect(client: Client, reader: &str, share: u32, protocols: u32) -> Vec<u8> {
    pcsc_client::connect(client.context, reader, share, protocols)
}
