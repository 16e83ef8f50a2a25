//! `vschsm ctl`: readers and cards that come, go and change while clients are there.

use crate::pcsc::{OK, PcscClient, REMOVED_CARD, RESET_CARD, SHARED, exec, message};
use crate::reader::{PATIENCE, Reader};
use crate::vschsm::{End, Home, INITIALIZE, LOGIN, Running, TRIES, WRONG_PIN, load, text};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A program that runs, its PC/SC socket and its control.
pub(crate) struct World {
    pub(crate) home: Home,
    pub(crate) running: Running,
    pub(crate) socket: String,
    pub(crate) control: PathBuf,
}

impl World {
    /// `vschsm exec` with `options` in a folder of its own.
    pub(crate) fn exec(options: &[&str]) -> Self {
        Self::exec_in(Home::new(), options)
    }

    pub(crate) fn exec_in(home: Home, options: &[&str]) -> Self {
        let (running, socket) = exec(&home, options);
        let control = Path::new(&socket).with_file_name("control");
        Self { home, running, socket, control }
    }

    pub(crate) fn ctl(&self, arguments: &[&str]) -> End {
        let socket = ["ctl", "--socket", text(&self.control)];
        self.home.run(&[&socket, arguments].concat())
    }

    pub(crate) fn client(&self) -> PcscClient {
        PcscClient::at(&self.socket)
    }
}

/// Begins to wait for a change, as libpcsclite does.
fn wait(client: &mut PcscClient) {
    client.send(&message(0x13, &[]));
    client.receive(16 * 46);
}

#[test]
fn the_command_finds_the_control_by_itself_and_it_is_for_its_user_alone() {
    let world = World::exec(&[]);
    assert_eq!(world.control.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let vschsm = env!("CARGO_BIN_EXE_vschsm");
    let listed = world.home.run(&["exec", "--serial", "ZZVS0000042", vschsm, "ctl", "list"]).ok();
    assert!(listed.starts_with("0 Nitrokey Nitrokey HSM (ZZVS0000042"), "{listed}");
    assert!(listed.ends_with("ZZVS0000042, firmware 3.4, in memory\n"), "{listed}");
}

#[test]
fn without_a_program_it_says_how_to_have_one() {
    let home = Home::new();
    let end = home.run(&["ctl", "list"]);
    assert_eq!(end.code, Some(2), "{end:?}");
    assert!(end.err.contains("vschsm run --control"), "{end:?}");
    let why = home.run(&["ctl", "--socket", "./nobody", "list"]).failed();
    assert!(why.contains("no program listens"), "{why}");
}

#[test]
fn a_card_that_is_inserted_has_a_reader_of_its_own_and_is_seen_by_who_waits() {
    let world = World::exec(&["--no-card"]);
    let mut client = world.client();
    assert!(client.names().is_empty());
    wait(&mut client);

    let inserted = world.ctl(&["insert", "--firmware", "2.6", "--serial", "ZZVS0000001"]).ok();

    assert_eq!(inserted, "0 Nitrokey Nitrokey HSM (ZZVS00000010000         ) 00 00\n");
    assert_eq!(client.receive(2), [0, OK]);
    assert_eq!(client.names(), [inserted[2..].trim_end()]);
    let handle = client.connected();
    // As delivered, 2.6 has no PIN yet.
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6A88"));
}

#[test]
fn sixteen_readers_are_seen_and_a_seventeenth_is_refused() {
    let world = World::exec(&["--no-card"]);
    for number in 0..16 {
        let inserted = world.ctl(&["insert"]).ok();
        assert!(inserted.starts_with(&format!("{number} ")), "{inserted}");
    }
    let mut client = world.client();
    let names = client.names();
    assert_eq!(names.len(), 16);
    assert!(names[15].ends_with(" 0F 00"), "{names:?}");
    for name in &names {
        let handle = client.connect(name, SHARED).unwrap();
        client.select(handle);
        assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6A88"), "{name}");
    }

    let why = world.ctl(&["insert"]).failed();

    assert!(why.contains("clients cannot see more than 16 readers"), "{why}");
    world.ctl(&["unplug", "7"]).ok();
    assert!(world.ctl(&["insert"]).ok().starts_with("7 "));
}

#[test]
fn a_card_that_is_removed_is_gone_for_its_clients_and_its_file_is_free() {
    let home = Home::new();
    let card = home.card("a.card");
    let world = World::exec_in(home, &["--card", text(&card)]);
    let mut client = world.client();
    let handle = client.connected();
    assert_eq!(client.ask(handle, WRONG_PIN).as_deref(), Ok("63C9"));

    world.ctl(&["remove"]).ok();

    assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
    assert_eq!(world.home.run(&["apdu", "--select", "--card", text(&card), TRIES]).ok(), "63C9\n");
    assert!(world.ctl(&["list"]).ok().trim_end().ends_with(": empty"));
    let why = world.ctl(&["reset"]).failed();
    assert!(why.contains("no card in reader 0"), "{why}");

    world.ctl(&["insert", text(&card), "--reader", "0"]).ok();
    let handle = client.connected();
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63C9"));
    let why = world.ctl(&["insert", "--reader", "0"]).failed();
    assert!(why.contains("there is a card in reader 0"), "{why}");
    let why = world.ctl(&["insert", text(&card)]).failed();
    assert!(why.contains("in use"), "{why}");
}

#[test]
fn a_card_that_is_given_back_with_its_reader_leaves_no_reader() {
    let world = World::exec(&[]);
    let mut client = world.client();
    let handle = client.connected();
    wait(&mut client);
    assert!(world.ctl(&["list"]).ok().contains("in memory"));
    world.ctl(&["unplug", "0"]).ok();
    assert_eq!(client.receive(2), [0, OK]);
    assert!(client.names().is_empty());
    // READER_UNAVAILABLE: the handle has outlived its reader.
    assert_eq!(client.ask(handle, TRIES), Err(0x8010_0017));
    assert!(world.ctl(&["list"]).ok().is_empty());
    let why = world.ctl(&["reset"]).failed();
    assert!(why.contains("there is no reader"), "{why}");
}

#[test]
fn a_reset_and_a_power_cycle_end_the_login_and_are_told() {
    let world = World::exec(&[]);
    let mut client = world.client();
    for (order, told) in [("reset", RESET_CARD), ("power-cycle", REMOVED_CARD)] {
        let handle = client.connected();
        client.ask(handle, INITIALIZE).unwrap();
        assert_eq!(client.ask(handle, LOGIN).as_deref(), Ok("9000"));

        world.ctl(&[order]).ok();

        assert_eq!(client.ask(handle, TRIES), Err(told), "{order}");
        let handle = client.connected();
        assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63CA"), "{order}");
    }
}

#[test]
fn a_snapshot_brings_back_what_was_and_keeps_it_in_the_card_s_file() {
    let home = Home::new();
    let card = home.card("a.card");
    let world = World::exec_in(home, &["--card", text(&card)]);
    let before = world.home.path("before.card");
    world.ctl(&["snapshot", text(&before)]).ok();
    assert_eq!(before.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let why = world.ctl(&["snapshot", text(&before)]).failed();
    assert!(why.contains("not overwritten"), "{why}");
    let mut client = world.client();
    let handle = client.connected();
    assert_eq!(client.ask(handle, WRONG_PIN).as_deref(), Ok("63C9"));

    world.ctl(&["restore", text(&before)]).ok();

    assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
    let handle = client.connected();
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63CA"));
    assert_eq!(fs::read(&card).unwrap(), fs::read(&before).unwrap());
    let damaged = world.home.path("damaged.card");
    fs::write(&damaged, &fs::read(&before).unwrap()[..1000]).unwrap();
    let why = world.ctl(&["restore", text(&damaged)]).failed();
    assert!(why.contains("the image"), "{why}");
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63CA"), "the card is untouched");
}

#[test]
fn what_cannot_be_kept_is_not_done() {
    let home = Home::new();
    let (card, other) = (home.card("a.card"), home.path("b.card"));
    home.run(&["new", text(&other), "--firmware", "1.2", "--initialize"]).ok();
    let world = World::exec_in(home, &["--card", text(&card)]);
    let before = world.ctl(&["show"]).ok();
    fs::rename(&card, world.home.path("elsewhere.card")).unwrap();

    for order in [&["restore", text(&other)][..], &["set-tries", "--user-pin", "0"]] {
        let why = world.ctl(order).failed();
        assert!(why.contains("removed while in use"), "{why}");
        assert_eq!(world.ctl(&["show"]).ok(), before, "{order:?}");
    }
}

#[test]
fn who_asks_a_card_while_it_is_out_does_not_reach_the_one_that_comes_in() {
    let world = World::exec(&["--initialize"]);
    let login = "00200081 06 363438323139";
    let mut old = world.client();
    let requests = "{\"command\":\"show\"}\n{\"command\":\"power-cycle\"}\n";
    let control = UnixStream::connect(&world.control).unwrap();
    let mut answers = BufReader::new(&control).lines();
    for round in 0..200 {
        let handle = old.connected();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| while old.ask(handle, login).is_ok() {});
            (&control).write_all(requests.as_bytes()).unwrap();
            assert!(answers.next().unwrap().is_ok() && answers.next().unwrap().is_ok());
            asking.join().unwrap();
        });
        let mut fresh = world.client();
        let handle = fresh.connected();
        assert_eq!(fresh.ask(handle, TRIES).as_deref(), Ok("63C3"), "round {round}");
        fresh.call(0x06, &[handle, 0, 0]);
        old = world.client();
    }
}

#[test]
fn retry_counters_are_set_and_kept() {
    let home = Home::new();
    let card = home.card("a.card");
    let world = World::exec_in(home, &["--card", text(&card)]);
    let mut client = world.client();
    let handle = client.connected();

    world.ctl(&["set-tries", "--user-pin", "0", "--so-pin", "1"]).ok();

    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6983"));
    assert_eq!(client.ask(handle, "00200088").as_deref(), Ok("63C1"));
    assert_eq!(load(&card).transmit(&[0x00, 0x20, 0x00, 0x81]).response, [0x69, 0x83]);
    world.ctl(&["set-tries", "--user-pin", "10"]).ok();
    assert_eq!(client.ask(handle, LOGIN).as_deref(), Ok("9000"));
    let why = world.ctl(&["set-tries", "--user-pin", "11"]).failed();
    assert!(why.contains("never has more than 10 tries"), "{why}");
    world.ctl(&["set-tries", "--user-pin", "1", "--so-pin", "16"]).failed();
    assert!(world.ctl(&["show"]).ok().contains("User PIN       10 of 10 tries left"));
    assert_eq!(world.ctl(&["set-tries"]).code, Some(2));
}

#[test]
fn what_is_shown_is_what_show_tells_of_the_card_s_file() {
    let home = Home::new();
    let card = home.card("a.card");
    let world = World::exec_in(home, &["--card", text(&card)]);
    assert_eq!(world.ctl(&["show"]).ok(), world.home.run(&["show", text(&card)]).ok());
    let json: serde_json::Value =
        serde_json::from_str(&world.ctl(&["show", "--json"]).ok()).unwrap();
    let shown = world.home.run(&["show", text(&card), "--json"]).ok();
    assert_eq!(json, serde_json::from_str::<serde_json::Value>(&shown).unwrap());
}

#[test]
fn readers_are_named_by_number_or_by_a_part_of_their_name() {
    let world = World::exec(&["--no-card"]);
    for serial in ["ZZVS0000001", "ZZVS0000002"] {
        world.ctl(&["insert", "--serial", serial]).ok();
    }
    assert!(world.ctl(&["show", "000000200"]).ok().contains("Serial number  ZZVS0000002\n"));
    assert!(world.ctl(&["show", "ZZVS0000002"]).ok().contains("Serial number  ZZVS0000002\n"));
    assert!(world.ctl(&["show", "0"]).ok().contains("Serial number  ZZVS0000001\n"));
    for (reader, why) in [(None, "which"), (Some("Nitro"), "which"), (Some("x"), "no such reader")]
    {
        let arguments: Vec<_> = ["show"].into_iter().chain(reader).collect();
        let sentence = world.ctl(&arguments).failed();
        assert!(sentence.contains(why), "{reader:?}: {sentence}");
    }
}

#[test]
fn the_same_seed_inserts_the_same_card_with_the_same_future() {
    let insert = ["insert", "--seed", "one", "--initialize", "--key", "ec:secp256r1,id=10"];
    let [first, second] = [(), ()].map(|()| {
        let world = World::exec(&["--no-card"]);
        world.ctl(&insert).ok();
        let mut client = world.client();
        let handle = client.connected();
        // GET CHALLENGE.
        let challenge = client.ask(handle, "0084000008").unwrap();
        world.ctl(&["snapshot", "./kept.card"]).ok();
        (challenge, fs::read(world.home.path("kept.card")).unwrap())
    });
    assert_eq!(first.0, second.0);
    assert_eq!(first.1, second.1);
}

#[test]
fn requests_are_lines_of_json_and_a_bad_one_is_answered_and_forgotten() {
    let world = World::exec(&[]);
    let requests = "{\"command\": \"list\"}\n\n{\"command\": \"set-tries\", \"user-pin\": 3}\n";
    let socket = ["ctl", "--socket", text(&world.control), "request"];
    let end = world.home.run_with(&socket, requests);
    assert_eq!(end.code, Some(1), "one of them was refused: {end:?}");
    let answers = end.out;
    let [list, refused] = answers.lines().collect::<Vec<_>>()[..] else { panic!("{answers}") };
    assert!(list.starts_with("{\"readers\":[{\"card\":{\"faults\":0,\"file\":null,"), "{list}");
    assert!(refused.starts_with("{\"error\":\"the card has no user PIN"), "{refused}");
    let lines = "{\n\"command\":\n\"list\"}";
    let both = world.ctl(&["request", lines, "{\"command\": \"show\"}"]).ok();
    assert!(both.lines().nth(1).unwrap().starts_with("{\"certificates\""), "{both}");

    let stream = UnixStream::connect(&world.control).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(&stream).lines();
    for bad in [
        "",
        "{",
        "[]",
        "{\"command\":\"format\"}",
        "{\"command\":\"insert\"}",
        "{\"command\":\"insert\",\"image\":\"vschsm-card\",\"file\":\"x\"}",
        "{\"command\":\"restore\",\"image\":\"nonsense\"}",
        "{\"command\":\"reset\",\"reader\":-1}",
        "{\"command\":\"reset\",\"reader\":99}",
        "{\"command\":\"reset\",\"extra\":1}",
        "\u{0}\u{1}",
    ] {
        (&stream).write_all(format!("{bad}\n").as_bytes()).unwrap();
        let answer = lines.next().unwrap().unwrap();
        assert!(answer.starts_with("{\"error\":\""), "{bad}: {answer}");
    }
    assert_eq!(world.ctl(&["list"]).ok().lines().count(), 1);
}

#[test]
fn cards_of_vpcd_come_and_go_in_two_slots() {
    let home = Home::new();
    let [first, second] = Reader::two();
    let control = home.path("control");
    let mut running =
        home.start(&["run", "--no-card", "--vpcd", &first.address(), "--control", text(&control)]);
    assert_eq!(running.line(), "ready");
    let world = World { home, running, socket: String::new(), control };

    world.ctl(&["insert"]).ok();
    let mut slot = first.accept();
    assert_eq!(slot.ask(INITIALIZE), "9000");
    assert_eq!(slot.ask(LOGIN), "9000");
    world.ctl(&["insert"]).ok();
    let mut other = second.accept();
    assert_eq!(other.ask(TRIES), "6A88");

    world.ctl(&["reset", "0"]).ok();
    assert_eq!(slot.ask(TRIES), "6D00");
    slot.select();
    assert_eq!(slot.ask(TRIES), "63CA");

    world.ctl(&["remove", "0"]).ok();
    assert_eq!(slot.answer(), None, "the card is still connected");
    assert_eq!(other.ask(TRIES), "6A88");
    let listed = world.ctl(&["list"]).ok();
    assert!(listed.lines().next().unwrap().ends_with(": empty"), "{listed}");

    world.ctl(&["insert", "--reader", "0"]).ok();
    let mut slot = first.accept();
    assert_eq!(slot.ask(TRIES), "6A88");
    // One card goes while it works, and another comes: it stays.
    slot.send(&crate::vschsm::hex("0046010000"));
    world.ctl(&["remove", "0"]).ok();
    world.ctl(&["insert", "--reader", "0"]).ok();
    let mut slot = first.accept();
    assert_eq!(slot.ask(TRIES), "6A88");
    world.ctl(&["power-cycle", "0"]).ok();
    assert_eq!(slot.answer(), None, "the card has not been out");
    let mut slot = first.accept();
    assert_eq!(slot.ask(TRIES), "6A88");
    world.ctl(&["unplug", "1"]).ok();
    assert_eq!(other.answer(), None);
    assert_eq!(world.ctl(&["list"]).ok().lines().count(), 1);
}
