//! `--watch`: a card whose file is replaced.

use crate::ctl::World;
use crate::pcsc::{NO_SMARTCARD, OK, PcscClient, REMOVED_CARD, SHARED, message};
use crate::reader::{PATIENCE, Reader};
use crate::vschsm::{Home, SELECT, TRIES, WRONG_PIN, text};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A program that watches a card, and the card's file.
fn watching(home: Home) -> (World, PathBuf) {
    let card = home.card("a.card");
    (World::exec_in(home, &["--card", text(&card), "--watch"]), card)
}

/// Asks until the answer is this, which may be an error.
fn wait_for(client: &mut PcscClient, wanted: Result<&str, u32>) {
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
    if wrong == 0 {
        return path;
    }
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

/// A switched link is one that another takes the place of, as `ln -sfn` does it in two steps.
fn switch(link: &Path, target: &str) {
    let new = link.with_file_name("switching");
    symlink(target, &new).unwrap();
    fs::rename(&new, link).unwrap();
}

/// Folders `0` to `3`, each with a card that has had so many wrong PINs.
fn releases(home: &Home) -> PathBuf {
    let root = home.path("releases");
    for wrong in 0..4 {
        fs::create_dir_all(root.join(wrong.to_string())).unwrap();
        card_with_wrong_pins(home, &format!("releases/{wrong}/a.card"), wrong);
    }
    root
}

/// Switches three times to another card, and sees each come and the last one be locked.
fn see_three_switches(home: Home, root: &Path, name: &str, switch: impl Fn(usize)) {
    let world = World::exec_in(home, &["--card", name, "--watch"]);
    let mut client = world.client();
    wait_for(&mut client, Ok("63CA"));
    for release in 1..4 {
        switch(release);
        wait_for(&mut client, Ok(&format!("63C{:X}", 10 - release)));
        let old = root.join(format!("{}/a.card", release - 1));
        world.home.run(&["apdu", "--select", "--card", text(&old), TRIES]).ok();
    }
    let handle = client.connected();
    assert_eq!(client.ask(handle, WRONG_PIN).as_deref(), Ok("63C6"));
    let card = crate::vschsm::load(&root.join("3/a.card"));
    assert_eq!(card.state().pins().user().unwrap().tries(), 6, "saved where the name leads now");
    client.call(0x06, &[handle, 0, 0]);
    // What is done to an old one is nobody's business any more.
    fs::remove_dir_all(root.join("0")).unwrap();
    wait_for(&mut client, Ok("63C6"));
}

#[test]
fn a_link_that_is_switched_leads_to_another_card() {
    let home = Home::new();
    let root = releases(&home);
    let link = home.path("a.card");
    symlink("releases/0/a.card", &link).unwrap();
    see_three_switches(home, &root, text(&link), |release| {
        switch(&link, &format!("releases/{release}/a.card"));
    });
}

/// As Kubernetes does it: the name is a link through a folder that is a link, which is switched.
#[test]
fn a_link_on_the_way_to_a_card_that_is_switched_leads_to_another_card() {
    let home = Home::new();
    let root = releases(&home);
    let (name, data) = (root.join("name.card"), root.join("..data"));
    symlink("0", &data).unwrap();
    symlink("..data/a.card", &name).unwrap();
    see_three_switches(home, &root, text(&name), |release| switch(&data, &release.to_string()));
}

/// As deployments do it: the folder in the name is a link, to an absolute path.
#[test]
fn a_folder_in_a_card_s_name_that_is_switched_leads_to_another_card() {
    let home = Home::new();
    let root = releases(&home);
    let current = home.path("current");
    let target = |release: usize| text(&root.join(release.to_string())).to_owned();
    symlink(target(0), &current).unwrap();
    let name = current.join("a.card");
    see_three_switches(home, &root, text(&name), |release| switch(&current, &target(release)));
}

#[test]
fn a_folder_that_is_renamed_away_and_another_in_its_place_is_another_card() {
    let home = Home::new();
    let root = releases(&home);
    let name = root.join("0/a.card");
    let world = World::exec_in(home, &["--card", text(&name), "--watch"]);
    let mut client = world.client();
    for release in 1..4 {
        fs::rename(root.join("0"), root.join(format!("old{release}"))).unwrap();
        fs::rename(root.join(release.to_string()), root.join("0")).unwrap();
        wait_for(&mut client, Ok(&format!("63C{:X}", 10 - release)));
    }
}
