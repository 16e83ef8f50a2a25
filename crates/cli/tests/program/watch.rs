//! `--watch`: a card whose file is replaced.

use crate::ctl::World;
use crate::pcsc::{Client, NO_SMARTCARD, OK, REMOVED_CARD, SHARED, message};
use crate::reader::{PATIENCE, Reader};
use crate::vschsm::{Home, SELECT, TRIES, WRONG_PIN, text};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A program that watches a card, and the card's file.
fn watching(home: Home) -> (World, PathBuf) {
    let card = home.card("a.card");
    (World::exec_in(home, &["--card", text(&card), "--watch"]), card)
}

/// Asks until the answer is this, which may be an error.
fn wait_for(client: &mut Client, wanted: Result<&str, u32>) {
    let begun = Instant::now();
    loop {
        let name = client.names().remove(0);
        let answer = client.connect(&name, SHARED).and_then(|handle| {
            let answer = client.ask(handle, SELECT).and_then(|_| client.ask(handle, TRIES));
            client.call(0x06, &[handle, 0, 0]);
            answer
        });
        if answer.as_deref().map_err(|code| *code) == wanted {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{answer:?} for ever");
        std::thread::yield_now();
    }
}

/// Makes a card with so many wrong PINs behind it.
fn card_with_wrong_pins(home: &Home, name: &str, wrong: usize) -> PathBuf {
    let path = home.card(name);
    home.run(&[&["apdu", "--select", "--card", text(&path)], &vec![WRONG_PIN; wrong][..]].concat())
        .ok();
    path
}

/// Writes a file that only its owner may read.
fn write(path: &Path, image: &[u8]) {
    fs::write(path, image).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_file_that_is_replaced_is_another_card_in_the_same_reader() {
    let home = Home::new();
    let other = card_with_wrong_pins(&home, "other.card", 3);
    let (world, card) = watching(home);
    let (mut client, mut waiting) = (world.client(), world.client());
    let (names, handle) = (client.names(), client.connected());
    // The states, and then an event for a change.
    waiting.send(&message(0x13, &[]));
    waiting.receive(16 * 46);

    fs::rename(&other, &card).unwrap();

    assert_eq!(waiting.receive(2), [0, OK]);
    wait_for(&mut client, Ok("63C7"));
    assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
    assert_eq!(client.names(), names);
    let why = world.home.run(&["apdu", "--select", "--card", text(&card), TRIES]).failed();
    assert!(why.contains("in use"), "the new file is not locked: {why}");
}

#[test]
fn a_file_that_is_written_anew_or_comes_back_is_taken_as_it_is() {
    let home = Home::new();
    let other = card_with_wrong_pins(&home, "other.card", 3);
    let (world, card) = watching(home);
    let mut client = world.client();
    let original = fs::read(&card).unwrap();

    fs::write(&card, fs::read(&other).unwrap()).unwrap();
    wait_for(&mut client, Ok("63C7"));

    fs::remove_file(&card).unwrap();
    wait_for(&mut client, Err(NO_SMARTCARD));
    fs::write(&card, &original[..1000]).unwrap();
    write(&card, &original);
    wait_for(&mut client, Ok("63CA"));

    // Its maker still has it for a moment after it is there.
    fs::remove_file(&card).unwrap();
    wait_for(&mut client, Err(NO_SMARTCARD));
    world.home.run(&["new", text(&card), "--firmware", "1.2"]).ok();
    wait_for(&mut client, Ok("6984"));
}

#[test]
fn a_folder_that_is_replaced_is_watched_again() {
    let home = Home::new();
    let folder = home.path("cards");
    fs::create_dir(&folder).unwrap();
    let card = home.card("cards/a.card");
    let image = fs::read(card_with_wrong_pins(&home, "other.card", 3)).unwrap();
    let world = World::exec_in(home, &["--card", text(&card), "--watch"]);
    let mut client = world.client();
    for (image, answer) in [(image.clone(), "63C7"), (fs::read(&card).unwrap(), "63CA")] {
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        write(&card, &image);
        wait_for(&mut client, Ok(answer));
    }
    fs::write(&card, &image).unwrap();
    wait_for(&mut client, Ok("63C7"));
}

#[test]
fn its_own_saves_are_no_reason_to_exchange_a_card() {
    let (world, _) = watching(Home::new());
    let mut client = world.client();
    let handle = client.connected();
    for left in (1..10).rev() {
        assert_eq!(client.ask(handle, WRONG_PIN), Ok(format!("63C{left:X}")));
    }
    assert_eq!(client.ask(handle, WRONG_PIN).as_deref(), Ok("6983"));
    // With all others that may still be to come.
    world.ctl(&["show"]).ok();
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6983"));
}

#[test]
fn a_card_that_is_saved_at_that_moment_does_not_take_the_place_of_the_new_one() {
    let home = Home::new();
    let (even, odd) = (home.path("even.card"), home.path("odd.card"));
    for (path, serial) in [(&even, "ZZVS0000002"), (&odd, "ZZVS0000001")] {
        home.run(&["new", text(path), "--serial", serial, "--initialize"]).ok();
    }
    let images = [&even, &odd].map(|path| fs::read(path).unwrap());
    let (world, card) = watching(home);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let is_over = || stop.load(std::sync::atomic::Ordering::Relaxed);
    std::thread::scope(|scope| {
        // Saves again and again.
        scope.spawn(|| {
            let mut client = world.client();
            while !is_over() {
                let name = client.names().remove(0);
                let Ok(handle) = client.connect(&name, SHARED) else { continue };
                client.ask(handle, SELECT).ok();
                while !is_over() && client.ask(handle, "00200081 06 363438323139").is_ok() {}
                client.call(0x06, &[handle, 0, 0]);
            }
        });
        let patience = Instant::now();
        for round in 0..40 {
            let new = world.home.path("new");
            write(&new, &images[round % 2]);
            fs::rename(&new, &card).unwrap();
            let serial = format!("ZZVS000000{}", 2 - round % 2);
            while !world.ctl(&["list"]).ok().contains(&format!("{serial}, ")) {
                if patience.elapsed() > PATIENCE {
                    stop.store(true, std::sync::atomic::Ordering::Relaxed);
                    panic!("round {round}: the new card is lost");
                }
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
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
}
