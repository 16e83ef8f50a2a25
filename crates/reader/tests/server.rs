//! A server whose readers and cards are added and removed.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vschsm_card::Card;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::{DEFAULT, Profile};
use vschsm_reader::Environment;
use vschsm_reader::pcsc::{self, NoResponse, PowerEvent};
use vschsm_reader::server::ReaderLimits;

/// The length of a reader's state in bytes.
const STATE: usize = 184;

fn card() -> Card {
    Card::new(&PersonalisationData::default(), Profile::built_in(DEFAULT).unwrap(), [0; 32])
        .unwrap()
}

fn client(environment: &Environment) -> UnixStream {
    UnixStream::connect(environment.variable().1).unwrap()
}

/// Begins to wait for a change: WAIT_READER_STATE_CHANGE, and the states.
fn wait(client: &mut UnixStream) -> Vec<u8> {
    client.write_all(&[0_u32, 0x13].map(u32::to_ne_bytes).concat()).unwrap();
    let mut states = vec![0; STATE * ReaderLimits::installed().max_readers_contexts];
    client.read_exact(&mut states).unwrap();
    states
}

fn is_told(client: &mut UnixStream) {
    client.read_exact(&mut [0; 8]).unwrap();
}

#[test]
fn a_card_that_comes_is_seen_at_once_by_who_waits_for_it() {
    let environment = Environment::new([card()]).unwrap();
    let (server, reader) = (environment.server(), environment.readers()[0]);
    let mut client = client(&environment);
    let mut card = server.remove(reader);
    let mut fastest = Duration::MAX;
    for _ in 0..20 {
        wait(&mut client);
        let begun = Instant::now();
        assert!(server.insert(reader, card.take().unwrap()).is_none());
        is_told(&mut client);
        fastest = fastest.min(begun.elapsed());
        card = server.remove(reader);
    }
    // The slowest depends on what else the machine does.
    assert!(fastest < Duration::from_millis(10), "{fastest:?}");
}

#[test]
fn readers_come_and_go_while_clients_are_there() {
    let mut environment = Environment::new([]).unwrap();
    let mut client = client(&environment);
    assert!(wait(&mut client).iter().all(|byte| *byte == 0));

    let ReaderLimits { max_readers_contexts, max_readers } = ReaderLimits::installed();
    for _ in 0..max_readers_contexts {
        environment.add(card()).unwrap();
    }

    is_told(&mut client);
    let states = wait(&mut client);
    assert!(states.chunks(STATE).all(|state| state.starts_with(b"Nitrokey Nitrokey HSM (")));
    if max_readers == max_readers_contexts {
        assert!(environment.add(card()).is_err(), "clients would not see it");
    }
    environment.server().remove_reader(environment.readers()[3]);
    is_told(&mut client);
    let names = wait(&mut client);
    let names =
        names.chunks(STATE).map(|state| String::from_utf8_lossy(&state[..128]).into_owned());
    assert_eq!(names.filter(|name| name.contains(" 03 00")).count(), 0);
}

#[test]
fn a_reset_by_hand_is_told_and_needs_a_card() {
    let environment = Environment::new([card()]).unwrap();
    let (server, reader) = (environment.server(), environment.readers()[0]);
    let mut client = client(&environment);
    wait(&mut client);
    assert!(server.reset(reader));
    is_told(&mut client);
    server.remove(reader);
    assert!(!server.reset(reader));
}

#[test]
fn all_of_it_ends_with_the_environment() {
    let environment = Environment::new([card()]).unwrap();
    let (mut client, socket) = (client(&environment), environment.variable().1);
    wait(&mut client);
    drop(environment);
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the connection is still there");
    assert!(!socket.exists() && !socket.parent().unwrap().exists());
}

/// A card that notes each reset.
#[derive(Default)]
struct Noting(Arc<AtomicUsize>);

impl pcsc::PcscCard for Noting {
    fn atr(&self) -> Vec<u8> {
        vec![0x3B, 0x00]
    }

    fn reset(&mut self, event: PowerEvent) {
        assert_eq!(event, PowerEvent::PowerOn);
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, NoResponse> {
        Err(NoResponse::Failed)
    }
}

#[test]
fn a_card_that_is_put_in_again_has_forgotten_its_session() {
    let environment = Environment::new([card()]).unwrap();
    let (server, reader) = (environment.server(), environment.readers()[0]);
    server.remove(reader);
    let noting = Noting::default();
    let resets = Arc::clone(&noting.0);
    server.insert(reader, Box::new(noting));
    let card = server.remove(reader).unwrap();
    let before = resets.load(Ordering::Relaxed);
    server.insert(reader, card);
    assert_eq!(resets.load(Ordering::Relaxed), before + 1);
}
