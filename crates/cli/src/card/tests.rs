//! The layers around a card, each by itself and all together, without a process.

#![expect(clippy::panic, reason = "a panic is how a test fails")]

use super::faulty::Faulty;
use super::image;
use super::layer::Layer;
use super::persistent::Persistent;
use super::shared::SharedCard;
use super::traced::Traced;
use super::virtual_card::VirtualCard;
use crate::faults::Script;
use crate::store::disk::{DiskError, Durability};
use crate::store::image_file::ImageFile;
use crate::store::passphrase::PassphraseSource;
use crate::store::{NoStore, Store};
use crate::text::failure::{Failure, TransmitError};
use crate::trace::{Sink, Trace};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use vschsm_card::Card;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::{DEFAULT, Profile};
use vschsm_host::command::SELECT_APPLET;

const CHALLENGE: [u8; 5] = [0x00, 0x84, 0x00, 0x00, 0x08];
pub(crate) const VERIFY: [u8; 4] = [0x00, 0x20, 0x00, 0x81];

fn card() -> Card {
    let profile = Profile::built_in(DEFAULT).unwrap_or_else(|| panic!("no firmware {DEFAULT}"));
    let card = Card::new(&PersonalisationData::default(), profile, [7; 32]);
    let mut card = card.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(card.transmit(SELECT_APPLET).response.last_chunk(), Some(&[0x90, 0x00]));
    card
}

/// A command that changes the card.
pub(crate) fn change() -> Vec<u8> {
    vschsm_vectors::initialize([0x00, 0x01], &[])
}

/// A fault with that `when` and that `do`.
pub(crate) fn script(when: &str, effect: &str) -> Script {
    let text = format!("[[fault]]\nwhen = {when}\ndo = {effect}");
    Script::parse(&text, Path::new("test")).unwrap_or_else(|failure| panic!("{failure}: {text}"))
}

fn faulty(when: &str, effect: &str) -> Faulty {
    Faulty::new(Persistent::new(card(), Box::new(NoStore)), script(when, effect).into())
}

/// A store that works or is full, and how often it has saved a card.
#[derive(Clone, Default)]
struct MockStore(Arc<Mutex<(usize, bool)>>);

impl MockStore {
    fn saves(&self) -> usize {
        self.0.lock().map_or(0, |store| store.0)
    }

    fn fill(&self, is_full: bool) {
        if let Ok(mut store) = self.0.lock() {
            store.1 = is_full;
        }
    }
}

impl Store for MockStore {
    fn save(&mut self, _: &Card) -> Result<(), DiskError> {
        let mut store = self.0.lock().unwrap_or_else(|_| panic!("a test has failed"));
        if store.1 {
            return Err(DiskError::full(None));
        }
        store.0 += 1;
        Ok(())
    }
}

#[test]
fn a_card_that_has_changed_is_saved_before_it_responds() {
    let store = MockStore::default();
    let mut card = Persistent::new(card(), Box::new(store.clone()));
    assert!(card.transmit(&VERIFY).is_ok());
    assert_eq!(store.saves(), 0, "nothing has changed");
    assert_eq!(card.transmit(&change()).ok(), Some(vec![0x90, 0x00]));
    assert_eq!(store.saves(), 1);
}

#[test]
fn a_card_that_was_not_saved_gives_no_response_and_responds_to_nothing_until_it_is() {
    let store = MockStore::default();
    let mut card = Persistent::new(card(), Box::new(store.clone()));
    let before = card.card().image();
    store.fill(true);
    for apdu in [change(), VERIFY.to_vec()] {
        let response = card.transmit(&apdu);
        assert!(matches!(response, Err(TransmitError::Unsaved(_))), "{response:?}");
        assert!(card.is_unsaved());
    }
    assert!(card.card().image() != before, "the command is not undone");
    store.fill(false);
    assert_eq!(card.transmit(&VERIFY).ok(), Some(vec![0x90, 0x00]), "the PIN that it has set");
    assert_eq!(store.saves(), 1);
    assert!(!card.is_unsaved());
}

#[test]
fn a_card_whose_file_was_replaced_fails_or_is_removed_where_another_one_comes() {
    for is_watched in [false, true] {
        let folder = TempDir::new().unwrap_or_else(|error| panic!("{error}"));
        let path = folder.path().join("a.card");
        let card = card();
        let file = ImageFile::create(&path, &card.image(), None, Durability::None);
        let Ok(file) = file else { panic!("the card is not made") };
        let card = Persistent::new(card, Box::new(file));
        let mut card = if is_watched { card.watched() } else { card };
        assert_eq!(card.transmit(&change()).ok(), Some(vec![0x90, 0x00]));
        let other = folder.path().join("other.card");
        fs::write(&other, card.card().image()).unwrap_or_else(|error| panic!("{error}"));
        fs::rename(&other, &path).unwrap_or_else(|error| panic!("{error}"));
        match card.transmit(&change()) {
            Err(TransmitError::Removed) if is_watched => {}
            Err(TransmitError::Failed(why)) if !is_watched => {
                assert!(why.to_string().contains("was replaced while in use"), "{why}");
            }
            response => panic!("watched: {is_watched}, {response:?}"),
        }
    }
}

#[test]
fn a_fault_keeps_a_command_from_the_card_or_lets_it_through() {
    for (effect, changes) in [
        ("{ answer = \"6F00\" }", false),
        ("{ answer-after = \"6F00\" }", true),
        ("{ mute = 1 }", false),
        ("{ remove = \"before\" }", false),
        ("{ remove = \"after\" }", true),
        ("{ disconnect = \"before\" }", false),
        ("{ disconnect = \"after\" }", true),
        ("{ delay = 60 }", true),
    ] {
        let mut card = faulty("{ command = \"INITIALIZE DEVICE\" }", effect);
        let before = card.card().card().image();
        let start = Instant::now();
        let response = card.transmit(&change());
        assert!(start.elapsed() < Duration::from_secs(30), "{effect}: a layer waits for nothing");
        let is_as_it_says = match &response {
            Ok(response) if effect.contains("delay") => *response == [0x90, 0x00],
            Ok(response) => effect.contains("answer") && *response == [0x6F, 0x00],
            Err(TransmitError::TimedOut) => effect.contains("mute"),
            Err(TransmitError::Removed) => effect.contains("remove"),
            Err(TransmitError::ContactLost) => effect.contains("disconnect"),
            Err(TransmitError::Failed(_) | TransmitError::Unsaved(_)) => false,
        };
        assert!(is_as_it_says, "{effect}: {response:?}");
        assert_eq!(card.card().card().image() != before, changes, "{effect}");
        let injected = card.injected().unwrap_or_else(|| panic!("{effect}: nothing injected"));
        assert!(injected.description.starts_with("fault 1: "), "{effect}: {injected:?}");
        let delay = if effect.contains("delay") { 60 } else { effect.contains("mute").into() };
        assert_eq!(injected.delay, Duration::from_secs(delay), "{effect}");

        assert!(card.transmit(&VERIFY).is_ok(), "{effect}: the next command is another");
        assert!(
            card.injected().is_some_and(|injected| injected.description.is_empty()),
            "{effect}"
        );
    }
}

#[test]
fn a_full_disk_is_full_for_one_command_and_only_if_that_changes_the_card() {
    let mut card = faulty("{ count = \"1-2\" }", "\"disk-full\"");
    assert!(card.transmit(&VERIFY).is_ok());
    assert!(card.injected().is_some_and(|injected| injected.description.is_empty()));
    let response = card.transmit(&change());
    let Err(TransmitError::Unsaved(why)) = response else { panic!("{response:?}") };
    assert!(why.to_string().starts_with("cannot save the card in memory: "), "{why}");
    assert!(card.injected().is_some_and(|injected| injected.description == "fault 1: disk full"));
    assert!(card.card().is_unsaved());
    assert!(card.card_mut().save().is_ok(), "its own store is back");
    assert_eq!(card.transmit(&VERIFY).ok(), Some(vec![0x90, 0x00]), "the PIN that it has set");
}

#[test]
fn a_delay_beside_a_full_disk_is_described_whether_the_card_changes_or_not() {
    let both = "[[fault]]\ndo = { delay = 60 }\n[[fault]]\ndo = \"disk-full\"";
    let script = toml::from_str::<Script>(both).unwrap_or_else(|error| panic!("{error}"));
    let mut card = Faulty::new(Persistent::new(card(), Box::new(NoStore)), script.into());
    let described = |card: &Faulty| card.injected().map(|injected| injected.description.clone());
    assert!(card.transmit(&VERIFY).is_ok());
    assert_eq!(described(&card).as_deref(), Some("fault 1: delay of 60 s"));
    assert!(card.transmit(&change()).is_err());
    assert_eq!(described(&card).as_deref(), Some("fault 1: delay of 60 s, fault 2: disk full"));
}

#[test]
fn the_answer_to_reset_is_the_faults_if_they_have_one() {
    let own = card().atr().to_vec();
    assert_eq!(faulty("{}", "\"repeat\"").atr(), own);
    assert_eq!(faulty("{}", "{ atr = \"3B00\" }").atr(), [0x3B, 0x00]);
}

/// The trace of a card, without the times.
fn traced(card: impl Layer, apdus: &[&[u8]]) -> Vec<String> {
    let folder = TempDir::new().unwrap_or_else(|error| panic!("{error}"));
    let path = folder.path().join("trace");
    let sink = Sink::open(&path).unwrap_or_else(|failure| panic!("{failure}"));
    let mut card = Traced::new(card, Some(Trace::new(sink, "a")));
    card.reset("power on");
    for apdu in apdus {
        // Its result is in the trace, or is not.
        card.transmit(apdu).ok();
    }
    let lines = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
    let is_time = |part: &&str| part.ends_with(" µs") || part.ends_with(" ms");
    let timeless = |line: &str| {
        let parts: Vec<_> = line.split(", ").filter(|part| !is_time(part)).collect();
        parts.join(", ")
    };
    lines.lines().map(timeless).collect()
}

#[test]
fn a_trace_shows_what_the_client_sees_and_which_faults_were_injected() {
    let fault = faulty("{ command = \"GET CHALLENGE\" }", "{ answer = \"6F00\" }");
    assert_eq!(
        traced(fault, &[SELECT_APPLET, &VERIFY, &CHALLENGE]).split_off(2),
        [
            "[a] VERIFY user PIN, state -> 6A88 referenced data or reference data not found",
            "[a] GET CHALLENGE 8 bytes -> 6F00 no precise diagnosis, \
             fault 1: response 6F00 without the card"
        ]
    );
    let removed = faulty("{}", "{ remove = \"before\" }");
    assert_eq!(
        traced(removed, &[&VERIFY]).split_off(1),
        ["[a] VERIFY user PIN, state -> no response, fault 1: card removed before the command"]
    );
    let store = MockStore::default();
    store.fill(true);
    let unsaved = Persistent::new(card(), Box::new(store));
    let lines = traced(unsaved, &[SELECT_APPLET, &change()]);
    assert_eq!(lines.len(), 2, "no response, and no fault: {lines:?}");
}

/// A card in memory that several threads reach.
pub(crate) fn shared(script: Script) -> SharedCard {
    SharedCard::new(VirtualCard::new(Persistent::new(card(), Box::new(NoStore)), script, None))
}

/// The result of a command whose response is a minute late, if `then` happens meanwhile.
fn late(then: impl FnOnce(&SharedCard)) -> Result<Vec<u8>, TransmitError> {
    let card = shared(script("{}", "{ delay = 60 }"));
    let start = Instant::now();
    let asked = card.clone();
    let asking = thread::spawn(move || asked.transmit(&VERIFY));
    // Until the fault was injected, the card cannot be waiting.
    while card.with(|card| card.faults().map(|faults| faults.counts().any(|it| it.1.injected > 0)))
        != Some(Some(true))
    {
        assert!(start.elapsed() < Duration::from_secs(30), "the card is not asked");
        thread::yield_now();
    }
    then(&card);
    let response = asking.join().unwrap_or_else(|_| panic!("the thread has panicked"));
    assert!(start.elapsed() < Duration::from_secs(30), "the response comes at once");
    response
}

#[test]
fn a_late_response_comes_at_once_when_the_faults_are_cleared_or_the_program_ends() {
    let response = Some(vec![0x6A, 0x88]);
    assert_eq!(late(SharedCard::end_delays).ok(), response);
    let cleared = late(|card| {
        assert_eq!(card.faults(), 1);
        assert_eq!(card.set_faults(Script::default()), Some(()));
        assert_eq!(card.faults(), 0);
        assert!(card.with(|card| card.faults().is_none()).unwrap_or_default());
    });
    assert_eq!(cleared.ok(), response);
}

#[test]
fn a_card_that_is_removed_while_its_response_is_late_gives_none() {
    let response = late(|card| assert!(card.take().is_some()));
    assert!(matches!(response, Err(TransmitError::Removed)), "{response:?}");
}

#[test]
fn a_card_that_was_removed_is_gone_and_one_that_was_not_saved_waits_to_be() {
    let removed = shared(script("{}", "{ remove = \"before\" }"));
    assert!(matches!(removed.transmit(&VERIFY), Err(TransmitError::Removed)));
    assert!(removed.is_gone() && !removed.is_unsaved());

    let unsaved = shared(script("{}", "\"disk-full\""));
    assert!(matches!(unsaved.transmit(&change()), Err(TransmitError::Unsaved(_))));
    assert!(unsaved.is_unsaved() && !unsaved.is_gone());
    assert!(matches!(unsaved.transmit(&VERIFY), Err(TransmitError::Removed)), "nobody asks it");
    assert!(unsaved.with(VirtualCard::save).is_some_and(|saved| saved.is_ok()));
}

/// Everything at once, from a file and into it.
#[test]
fn a_virtual_card_saves_injects_and_traces_and_its_file_has_the_card_of_the_last_response()
-> Result<(), Failure> {
    let folder = TempDir::new().unwrap_or_else(|error| panic!("{error}"));
    let path = folder.path().join("a.card");
    let card = card();
    let file = ImageFile::create(&path, &card.image(), None, Durability::None)?;
    let script = script("{ command = \"INITIALIZE DEVICE\" }", "{ answer-after = \"6F00\" }");
    let mut card = VirtualCard::new(Persistent::new(card, Box::new(file)), script, None);
    assert_eq!(card.transmit(&change()).ok(), Some(vec![0x6F, 0x00]));
    assert!(card.is_in_file()?);
    let mut card = card.with_faults(Script::default());
    assert_eq!(card.transmit(&change()).ok(), Some(vec![0x90, 0x00]));
    let saved = image::open_read_only(&path, &PassphraseSource::default())?;
    assert!(saved.image() == card.card().image());
    Ok(())
}
