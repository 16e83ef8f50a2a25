//! `--watch`: a card whose file is replaced.

use crate::pcsc::{Client, OK, REMOVED_CARD, exec, message};
use crate::reader::Reader;
use crate::vschsm::{Home, TRIES, WRONG_PIN, text};
use std::fs;
use std::path::Path;

/// The states of all readers, and then an event for each change.
fn wait_for_change(client: &mut Client) {
    client.send(&message(0x13, &[]));
    client.receive(16 * 46);
    assert_eq!(client.receive(2), [0, OK]);
}

/// Waits until the card answers that to the question how many tries are left.
fn wait_for(client: &mut Client, answer: &str) -> u32 {
    loop {
        let name = client.names().remove(0);
        if let Ok(handle) = client.connect(&name, 2) {
            if client.ask(handle, TRIES).as_deref() == Ok(answer) {
                return handle;
            }
            client.call(0x06, &[handle, 0, 0]);
        }
        std::thread::yield_now();
    }
}

/// Makes a card with so many tries left beside `card`.
fn card_with_wrong_pins(home: &Home, name: &str, wrong: usize) -> std::path::PathBuf {
    let path = home.card(name);
    home.run(&[&["apdu", "--card", text(&path)], &vec![WRONG_PIN; wrong][..]].concat()).ok();
    path
}

#[test]
fn a_file_that_is_replaced_is_another_card_in_the_same_reader() {
    let home = Home::new();
    let (card, other) = (home.card("a.card"), card_with_wrong_pins(&home, "other.card", 3));
    let (_running, socket) = exec(&home, &["--card", text(&card), "--watch"]);
    let (mut client, mut waiting) = (Client::at(&socket), Client::at(&socket));
    let handle = wait_for(&mut client, "63CA");
    let name = client.names();

    std::thread::scope(|scope| {
        let told = scope.spawn(|| wait_for_change(&mut waiting));
        fs::rename(&other, &card).unwrap();
        told.join().unwrap();
    });

    wait_for(&mut client, "63C7");
    assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
    assert_eq!(client.names(), name);
    // The new file is the card's, and locked.
    let why = home.run(&["apdu", "--card", text(&card), TRIES]).failed();
    assert!(why.contains("in use"), "{why}");
}

#[test]
fn a_file_that_is_written_anew_or_comes_back_is_taken_as_it_is() {
    let home = Home::new();
    let (card, other) = (home.card("a.card"), card_with_wrong_pins(&home, "other.card", 3));
    let (_running, socket) = exec(&home, &["--card", text(&card), "--watch"]);
    let mut client = Client::at(&socket);
    let original = fs::read(&card).unwrap();

    fs::write(&card, fs::read(&other).unwrap()).unwrap();
    wait_for(&mut client, "63C7");

    fs::remove_file(&card).unwrap();
    while client.names().first().is_some_and(|name| client.connect(name, 2).is_ok()) {
        std::thread::yield_now();
    }
    fs::write(&card, original).unwrap();
    let mut permissions = card.metadata().unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(&card, permissions).unwrap();
    wait_for(&mut client, "63CA");
}

#[test]
fn its_own_saves_are_no_reason_to_exchange_a_card() {
    let home = Home::new();
    let card = home.card("a.card");
    let (_running, socket) = exec(&home, &["--card", text(&card), "--watch"]);
    let mut client = Client::at(&socket);
    let handle = client.connected();
    for left in (0..10).rev() {
        let answer = if left == 0 { "63C0".into() } else { format!("63C{left:X}") };
        assert_eq!(client.ask(handle, WRONG_PIN), Ok(answer));
    }
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6983"));
}

#[test]
fn a_card_in_vpcd_is_exchanged_too() {
    let home = Home::new();
    let (card, other) = (home.card("a.card"), card_with_wrong_pins(&home, "other.card", 3));
    let reader = Reader::new();
    let _running = home.start(&["run", text(&card), "--vpcd", &reader.address(), "--watch"]);
    let mut slot = reader.accept();
    assert_eq!(slot.ask(TRIES), "63CA");

    fs::rename(&other, &card).unwrap();

    assert_eq!(slot.answer(), None, "the old card is still there");
    assert_eq!(reader.accept().ask(TRIES), "63C7");
    assert!(Path::new(&card).exists());
}
