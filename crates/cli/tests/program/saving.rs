//! Saves that fail for a while: no response, the card out of its reader, and back when it is saved.

use crate::ctl::World;
use crate::pcsc::{NOT_TRANSACTED, PcscClient, REMOVED_CARD, SHARED};
use crate::reader::{PATIENCE, Reader};
use crate::vschsm::{Home, INITIALIZE, LOGIN, Running, TRIES, WRONG_PIN, hex, load, text};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// What keeps a program from saving its cards: its files may not grow.
struct FullDisk(Pid);

impl FullDisk {
    fn of(running: &Running) -> Self {
        let pid = Pid::from_raw(running.child.id().try_into().unwrap()).unwrap();
        limit_files(pid, Some(0));
        Self(pid)
    }

    fn make_room(self) {
        limit_files(self.0, None);
    }
}

fn limit_files(pid: Pid, longest: Option<u64>) {
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: longest, maximum: None }).unwrap();
}

/// Connects to the first reader as soon as there is a card in it, and selects its applet.
pub(crate) fn connected_again(client: &mut PcscClient) -> u32 {
    let begun = Instant::now();
    loop {
        let name = client.names().remove(0);
        match client.connect(&name, SHARED) {
            Ok(handle) => {
                client.select(handle);
                return handle;
            }
            Err(code) => assert!(begun.elapsed() < PATIENCE, "{code:08X} for ever"),
        }
        std::thread::yield_now();
    }
}

fn tries(card: &Path) -> u8 {
    load(card).state().pins().user().unwrap().tries()
}

#[test]
fn a_card_that_cannot_be_saved_for_a_while_is_out_and_comes_back_as_it_has_become() {
    let home = Home::new();
    let card = home.card("a.card");
    let mut world = World::exec_in(home, &["--card", text(&card)]);
    let mut client = world.client();
    let handle = client.connected();
    assert_eq!(client.ask(handle, WRONG_PIN).as_deref(), Ok("63C9"));
    let full_disk = FullDisk::of(&world.running);

    assert_eq!(client.ask(handle, WRONG_PIN), Err(NOT_TRANSACTED), "it is not kept");

    assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
    assert_eq!(tries(&card), 9, "its file has what was answered");
    let why = world.running.complaint();
    assert!(why.contains("a.card"), "{why}");
    assert!(why.ends_with("the card has not responded and is out of its reader until it is saved"));
    assert!(world.ctl(&["list"]).ok().ends_with("a.card, removed until it can be saved\n"));
    for order in [&["power-cycle"][..], &["insert", "--reader", "0"]] {
        let why = world.ctl(order).failed();
        assert!(why.contains("removed until it can be saved"), "{order:?}: {why}");
    }

    full_disk.make_room();
    let handle = connected_again(&mut client);
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63C8"), "the try is spent");
    assert_eq!(tries(&card), 8);
    assert!(
        world.running.complaint().ends_with("a.card is saved, and the card is back in its reader")
    );
    assert_eq!(client.ask(handle, WRONG_PIN).as_deref(), Ok("63C7"));
    world.running.end_input();
    assert_eq!(world.running.wait().code(), Some(0));
}

#[test]
fn a_login_does_not_outlive_the_card_s_absence() {
    let home = Home::new();
    let card = home.card("a.card");
    let world = World::exec_in(home, &["--card", text(&card)]);
    let mut client = world.client();
    let handle = client.connected();
    assert_eq!(client.ask(handle, LOGIN).as_deref(), Ok("9000"));
    let full_disk = FullDisk::of(&world.running);
    assert_eq!(client.ask(handle, "00D7CF01 07 54020000 5301AA"), Err(NOT_TRANSACTED));
    full_disk.make_room();
    let handle = connected_again(&mut client);
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63CA"));
}

#[test]
fn vpcd_sees_the_card_go_and_come_back() {
    let (home, reader) = (Home::new(), Reader::new());
    let card = home.card("a.card");
    let mut running = home.start(&["run", text(&card), "--vpcd", &reader.address()]);
    let mut slot = reader.accept();
    assert_eq!(slot.ask(WRONG_PIN), "63C9");
    let moved = home.path("elsewhere");
    fs::rename(&card, &moved).unwrap();

    slot.send(&hex(WRONG_PIN));
    assert_eq!(slot.answer(), None);
    let why = running.complaint();
    assert!(why.contains("was removed while in use"), "{why}");
    assert!(!card.exists(), "nothing is put in its place");
    fs::rename(&moved, &card).unwrap();

    assert_eq!(reader.accept().ask(TRIES), "63C8");
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_card_whose_place_is_taken_by_another_does_not_come_back() {
    let (home, reader) = (Home::new(), Reader::new());
    let (card, other) = (home.card("a.card"), home.card("b.card"));
    let mut running = home.start(&["run", text(&card), "--vpcd", &reader.address()]);
    let mut slot = reader.accept();
    assert_eq!(slot.ask(WRONG_PIN), "63C9");
    fs::rename(&other, &card).unwrap();

    slot.send(&hex(WRONG_PIN));
    assert_eq!(slot.answer(), None);
    assert_eq!(running.wait().code(), Some(1));
    let why = running.complaints();
    assert!(why.contains("was replaced while in use"), "{why}");
    assert_eq!(tries(&card), 10, "the other one is untouched");
}

#[test]
fn a_program_that_ends_with_an_unsaved_card_says_so() {
    let home = Home::new();
    let card = home.card("a.card");
    let socket = home.path("socket");
    let mut running = home.start(&["run", text(&card), "--pcsc-socket", text(&socket)]);
    assert_eq!(running.line(), "ready");
    let mut client = PcscClient::at(&socket);
    let handle = client.connected();
    FullDisk::of(&running);
    assert_eq!(client.ask(handle, WRONG_PIN), Err(NOT_TRANSACTED));
    running.complaint();
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(1));
    let why = running.complaints();
    assert!(why.starts_with("vschsm: a command without a response is lost: "), "{why}");
    assert_eq!(tries(&card), 10);
}

#[test]
fn an_unsaved_card_can_be_taken_away_and_its_file_is_free() {
    let home = Home::new();
    let card = home.card("a.card");
    let world = World::exec_in(home, &["--card", text(&card)]);
    let mut client = world.client();
    let handle = client.connected();
    let full_disk = FullDisk::of(&world.running);
    assert_eq!(client.ask(handle, WRONG_PIN), Err(NOT_TRANSACTED));

    world.ctl(&["remove"]).ok();

    full_disk.make_room();
    assert!(world.ctl(&["list"]).ok().trim_end().ends_with(": empty"));
    assert_eq!(world.home.run(&["apdu", "--select", "--card", text(&card), TRIES]).ok(), "63CA\n");
    world.ctl(&["insert", text(&card), "--reader", "0"]).ok();
    let handle = connected_again(&mut client);
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63CA"));
}

#[test]
fn a_restored_card_takes_the_place_of_one_that_could_not_be_saved_only_when_that_is_back() {
    let home = Home::new();
    let card = home.card("a.card");
    let world = World::exec_in(home, &["--card", text(&card), "--watch"]);
    let mut client = world.client();
    let handle = client.connected();
    world.ctl(&["snapshot", "./before.card"]).ok();
    let full_disk = FullDisk::of(&world.running);
    assert_eq!(client.ask(handle, WRONG_PIN), Err(NOT_TRANSACTED));
    // Who watches the file sees that it is not the card in the reader, and leaves it all the same.
    fs::File::open(&card).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    world.ctl(&["restore", "./before.card"]).failed();
    full_disk.make_room();
    let handle = connected_again(&mut client);
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63C9"));
    world.ctl(&["restore", "./before.card"]).ok();
    let handle = connected_again(&mut client);
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63CA"));
}

#[test]
fn a_thousand_idle_clients_and_a_full_disk_cost_no_card_and_no_answer() {
    let home = Home::new();
    let card = home.card("a.card");
    let (socket, control) = (home.path("socket"), home.path("control"));
    let options = ["--pcsc-socket", text(&socket), "--control", text(&control)];
    let mut running = home.start(&[&["run", text(&card)], &options[..]].concat());
    assert_eq!(running.line(), "ready");
    let mut client = PcscClient::at(&socket);
    let mut handle = client.connected();
    let serial = home.run(&["show", text(&card)]).ok();
    let mut answered = 10;

    let idle: Vec<_> = (0..1009).map(|_| UnixStream::connect(&control).unwrap()).collect();
    for _ in 0..2 {
        answered -= 1;
        assert_eq!(client.ask(handle, WRONG_PIN), Ok(format!("63C{answered:X}")));
    }
    let full_disk = FullDisk::of(&running);
    assert_eq!(client.ask(handle, WRONG_PIN), Err(NOT_TRANSACTED));
    assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
    assert_eq!(tries(&card), answered, "what was answered is there");
    let why = running.complaint();
    assert!(why.contains("cannot save"), "{why}");
    full_disk.make_room();
    drop(idle);

    handle = connected_again(&mut client);
    answered -= 1;
    assert_eq!(client.ask(handle, TRIES), Ok(format!("63C{answered:X}")));
    assert_eq!(tries(&card), answered);
    assert_eq!(client.ask(handle, LOGIN).as_deref(), Ok("9000"));
    assert_eq!(tries(&card), 10);
    assert_eq!(home.run(&["show", text(&card)]).ok(), serial, "it is the same card");
    let begun = Instant::now();
    loop {
        // Until the program has noticed that the idle ones are gone.
        let listed = home.run(&["ctl", "--socket", text(&control), "list"]);
        if listed.code == Some(0) {
            assert!(listed.out.ends_with("a.card\n"), "{listed:?}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{listed:?}");
    }
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn clients_do_not_take_the_descriptors_with_which_cards_are_saved() {
    let home = Home::new();
    let card = home.card("a.card");
    let (socket, control) = (home.path("socket"), home.path("control"));
    let vschsm = env!("CARGO_BIN_EXE_vschsm");
    let run = "ulimit -n 40; exec \"$@\"";
    let options = ["--pcsc-socket", text(&socket), "--control", text(&control)];
    let program = ["-c", run, "sh", vschsm, "run", text(&card)];
    let mut running = home.start_program("sh", &[&program[..], &options].concat());
    assert_eq!(running.line(), "ready");
    let mut client = PcscClient::at(&socket);
    let handle = client.connected();
    let idle: Vec<_> = (0..100).map(|_| UnixStream::connect(&control).unwrap()).collect();
    for left in (1..10).rev() {
        assert_eq!(client.ask(handle, WRONG_PIN), Ok(format!("63C{left:X}")));
    }

    // Clients for which there was no descriptor have been turned away.
    let is_turned_away = |mut client: &UnixStream| {
        client.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        matches!(client.read(&mut [0]), Ok(0))
    };
    assert!(idle.iter().filter(|client| is_turned_away(client)).count() > 50);
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63C1"));
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn more_clients_than_the_control_socket_takes_are_told_so() {
    let world = World::exec(&[]);
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let mut client = UnixStream::connect(&world.control).unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.write_all(b"{\"command\":\"list\"}\n").unwrap();
            let mut answer = String::new();
            BufReader::new(&client).read_line(&mut answer).unwrap();
            assert!(answer.starts_with("{\"readers\":"), "{answer}");
            client
        })
        .collect();
    let why = world.ctl(&["list"]).failed();
    assert!(why.contains("there are 200 clients at the control socket already"), "{why}");
    drop(clients);
    let begun = Instant::now();
    while world.ctl(&["list"]).code != Some(0) {
        assert!(begun.elapsed() < PATIENCE, "no place is free again");
    }
}

/// How much memory a process has, in kB.
#[cfg(target_os = "linux")]
fn memory(running: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn lines_without_an_end_take_no_memory_and_an_image_may_be_long() {
    let world = World::exec(&["--initialize"]);
    let begin = |start: &str| {
        let mut client = UnixStream::connect(&world.control).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(start.as_bytes()).unwrap();
        client
    };
    let before = memory(&world.running);
    let filling = "x".repeat(1 << 20);
    let mut turned_away = 0;
    for _ in 0..40 {
        let mut client = begin("{\"command\":\"list\",\"x\":\"");
        while client.write_all(filling.as_bytes()).is_ok() {}
        let mut answer = String::new();
        client.read_to_string(&mut answer).ok();
        turned_away += usize::from(answer.contains("the line is too long"));
    }
    assert_eq!(turned_away, 40);
    // Each sends as much of an image as is taken, without an end: one has its turn, and the others
    // wait for it with the little that has announced more.
    let waiting: Vec<_> = (0..40)
        .map(|_| {
            let mut client = begin("{\"command\":\"restore\",\"image\":\"");
            client.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            let mut pieces = 0..14;
            while pieces.next().is_some() && client.write_all(filling.as_bytes()).is_ok() {}
            (client, pieces.len())
        })
        .collect();
    let whole = waiting.iter().filter(|(_, left)| *left == 0).count();
    assert!(whole <= 1, "{whole} have sent theirs");
    let taken = memory(&world.running).saturating_sub(before);
    assert!(taken < 64 << 10, "{taken} kB");
    drop(waiting);

    let snapshot = world.home.path("long.card");
    let mut client = world.client();
    let handle = client.connected();
    client.ask(handle, "00200081 06 363438323139").unwrap();
    let long_file = "00D7CF00 07 5402EA60 5301AA";
    assert_eq!(client.ask(handle, long_file).as_deref(), Ok("9000"));
    world.ctl(&["snapshot", text(&snapshot)]).ok();
    assert!(snapshot.metadata().unwrap().len() > 120_000);
    world.ctl(&["restore", text(&snapshot)]).ok();
}

#[test]
fn a_card_with_hard_links_is_refused_and_may_be_looked_at() {
    let home = Home::new();
    let card = home.card("a.card");
    fs::hard_link(&card, home.path("b.card")).unwrap();
    symlink("a.card", home.path("link.card")).unwrap();
    for name in ["a.card", "b.card", "link.card"] {
        let why =
            home.run(&["apdu", "--select", "--card", text(&home.path(name)), WRONG_PIN]).failed();
        assert!(why.contains("hard links"), "{name}: {why}");
        home.run(&["show", text(&home.path(name))]).ok();
        let path = home.path(name);
        let template = ["apdu", "--select", "--card-template", text(&path), WRONG_PIN];
        assert_eq!(home.run(&template).ok(), "63C9\n");
    }
    fs::remove_file(home.path("b.card")).unwrap();
    assert_eq!(home.run(&["apdu", "--select", "--card", text(&card), WRONG_PIN]).ok(), "63C9\n");
}

#[test]
fn what_keeps_a_card_from_being_saved_is_said_at_the_start() {
    let home = Home::new();
    let card = home.card("a.card");
    // A folder that has the name of the new file: nothing but records can be saved.
    fs::create_dir(home.path(".a.card.new")).unwrap();
    let apdu = ["apdu", "--select", "--card", text(&card)];
    let end = home.run(&[&apdu[..], &[TRIES, WRONG_PIN]].concat());
    assert!(end.err.contains("an initialisation or an update removes the card"), "{end:?}");
    assert_eq!(end.ok(), "63CA\n63C9\n");
    let end = home.run(&[&apdu[..], &[TRIES, INITIALIZE]].concat());
    assert_eq!((end.code, end.out.as_str()), (Some(1), "63C9\n"), "{end:?}");
    assert_eq!(tries(&card), 9);

    // A file of an older format gets a new image with its first change.
    fs::write(&card, include_bytes!("../../../../tests/images/6.card")).unwrap();
    let end = home.run(&[&apdu[..], &[TRIES]].concat());
    assert!(end.err.contains("commands that change nothing work"), "{end:?}");
    assert_eq!(end.ok(), "63C3\n");
    let end = home.run(&[&apdu[..], &[TRIES, "00200081 06 303030303030"]].concat());
    assert_eq!((end.code, end.out.as_str()), (Some(1), "63C3\n"), "{end:?}");
    let why = home.run(&[&apdu[..], &["--seed", "x", TRIES]].concat()).failed();
    assert!(why.contains("a.card"), "{why}");
}
