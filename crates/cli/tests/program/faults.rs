//! Faults on purpose: what clients, the trace and the card's file see of them.

use crate::ctl::World;
use crate::pcsc::{NOT_TRANSACTED, PcscClient, REMOVED_CARD, SHARED};
use crate::reader::Reader;
use crate::saving::connected_again;
use crate::vschsm::{Home, INITIALIZE, LOGIN, TRIES, WRONG_PIN, text};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// GENERATE ASYMMETRIC KEY PAIR, which says nothing of the key.
const GENERATE: &str = "0046010000";
/// GET CHALLENGE.
const CHALLENGE: &str = "0084000008";
/// READ BINARY of the file with the certificates.
const READ: &str = "00B12F02 04 54020000 10";
/// More time than any test has.
const LONG: &str = "do = { mute = 3600 }";

/// A fault in one line.
fn fault(when: &str, what: &str) -> String {
    format!("[[fault]]\nwhen = {{ {when} }}\ndo = {what}\n")
}

impl Home {
    /// A file with that script.
    fn script(&self, script: &str) -> String {
        let path = self.path("faults.toml");
        fs::write(&path, script).unwrap();
        text(&path).into()
    }

    /// The answers of a new card with that script, by line.
    fn answers(&self, script: &str, commands: &[&str]) -> Vec<String> {
        let script = self.script(script);
        let options = ["apdu", "--select", "--seed", "faults", "--faults", &script];
        self.run(&[&options, commands].concat()).ok().lines().map(Into::into).collect()
    }
}

impl World {
    fn set_faults(&self, script: &str) {
        let script = self.home.script(script);
        self.ctl(&["set-faults", &script, "--reader", "0"]).ok();
    }
}

#[test]
fn an_answer_comes_without_the_card_or_after_it_has_obeyed() {
    let home = Home::new();
    for (what, tries) in [("answer", "63CA"), ("answer-after", "63C9")] {
        let card = home.card(&format!("{what}.card"));
        let what = format!("{{ {what} = \"6F00\" }}");
        let script = home.script(&fault("command = \"VERIFY\", count = 1", &what));

        let asked =
            ["apdu", "--select", "--card", text(&card), "--faults", &script, WRONG_PIN, TRIES];

        assert_eq!(home.run(&asked).ok(), format!("6F00\n{tries}\n"), "{what}");
    }
}

#[test]
fn answers_are_cut_repeated_and_stuck() {
    let home = Home::new();
    let own = home.answers("", &[READ, CHALLENGE, CHALLENGE, TRIES]);
    assert_eq!(own[0].len(), 2 * 16 + 4, "{own:?}");

    let cut = home.answers(&fault("command = \"READ BINARY\"", "{ truncate = 3 }"), &[READ]);
    assert_eq!(cut, [format!("{}9000", &own[0][..6])]);
    let repeated = home.answers(&fault("count = 3", "\"repeat\""), &[READ, CHALLENGE, TRIES]);
    assert_eq!(repeated, [&own[0], &own[0], "6A88"]);
    let stuck = home.answers(&fault("", "\"stuck-random\""), &[READ, CHALLENGE, CHALLENGE, TRIES]);
    assert_ne!(own[1], own[2]);
    assert_eq!(stuck, [&own[0], &own[1], &own[1], "6A88"]);
}

#[test]
fn memory_full_is_for_commands_that_make_something() {
    let update = "00D7CF01 07 54020000 5301AA";
    let commands = [INITIALIZE, LOGIN, update, GENERATE, READ];
    let answers = Home::new().answers(&fault("", "\"memory-full\""), &commands);
    assert_eq!(answers[..4], ["9000", "9000", "6A84", "6A84"]);
    assert!(answers[4].ends_with("9000"), "{answers:?}");
}

#[test]
fn without_an_answer_apdu_says_why() {
    let home = Home::new();
    for (what, why) in [
        ("{ remove = \"before\" }", "card removed (injected fault)"),
        ("{ disconnect = \"after\" }", "contact with the card lost"),
        ("{ mute = 0.01 }", "did not respond in time (injected fault)"),
        ("\"disk-full\"", "No space left on device"),
    ] {
        let script = home.script(&fault("count = 3", what));
        let end = home.run(&["apdu", "--select", "--faults", &script, TRIES, INITIALIZE, TRIES]);
        assert_eq!(end.out, "6A88\n", "{what}");
        assert!(end.failed().contains(why), "{what}");
    }
}

#[test]
fn a_wrong_script_is_wrong_usage_and_says_where() {
    let home = Home::new();
    let script = home.script("[[fault]]\ndo = { answer = \"6F\", late = true }\n");
    for arguments in [&["apdu", "--select", TRIES][..], &["exec", "true"], &["run", "--ephemeral"]]
    {
        let (command, rest) = arguments.split_first().unwrap();
        let end = home.run(&[&[command, "--faults", &script], rest].concat());
        assert_eq!(end.code, Some(2), "{end:?}");
        assert_eq!(end.err.lines().count(), 1, "{end:?}");
        assert!(end.err.contains("faults.toml line 2: "), "{end:?}");
    }
    let end = home.run(&["apdu", "--select", "--faults", "./nothing.toml", TRIES]);
    assert!(end.failed().contains("cannot read ./nothing.toml"));
}

#[test]
fn a_trace_says_what_was_a_fault_and_shows_no_data_of_it() {
    let home = Home::new();
    let script = fault("command = \"VERIFY\", count = 1", "{ answer = \"63C0\" }")
        + &fault("command = \"GET CHALLENGE\"", "{ truncate = 4 }")
        + &fault("count = 3", "{ delay = 0.01 }")
        + &fault("count = 5", "{ remove = \"after\" }");
    let script = home.script(&script);
    let commands = [WRONG_PIN, CHALLENGE, TRIES, TRIES];
    home.run(
        &[&["apdu", "--select", "--trace=trace", "--faults", &script], &commands[..]].concat(),
    )
    .failed();

    let trace = fs::read_to_string(home.path("trace")).unwrap();
    let lines: Vec<_> = trace.lines().collect();
    let [_, wrong, challenge, tries, last] = lines[..] else { panic!("{trace}") };
    assert!(wrong.starts_with("VERIFY user PIN (8 bytes, redacted) -> 63C0 0 tries left, "));
    assert!(wrong.ends_with(" µs, fault 1: response 63C0 without the card"), "{wrong}");
    assert!(challenge.contains("-> 9000, 4 bytes redacted, "), "{challenge}");
    assert!(challenge.ends_with("fault 2: response truncated to 4, fault 3: delay of 0.01 s"));
    assert!(!tries.contains("fault"), "{tries}");
    assert!(last.contains(" -> no response, "), "{last}");
    assert!(last.ends_with("fault 4: card removed before its response"), "{last}");
}

#[test]
fn a_card_that_is_removed_is_gone_and_its_file_is_free() {
    for (moment, tries) in [("before", "63CA\n"), ("after", "63C9\n")] {
        let home = Home::new();
        let card = home.card("a.card");
        let what = format!("{{ remove = \"{moment}\" }}");
        let script = home.script(&fault("command = \"VERIFY\", count = 2", &what));
        let world = World::exec_in(home, &["--card", text(&card), "--faults", &script]);
        let mut client = world.client();
        let handle = client.connected();
        assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63CA"));

        assert_eq!(client.ask(handle, WRONG_PIN), Err(NOT_TRANSACTED));

        assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
        assert!(world.ctl(&["list"]).ok().trim_end().ends_with(": empty"));
        assert_eq!(
            world.home.run(&["apdu", "--select", "--card", text(&card), TRIES]).ok(),
            tries,
            "{moment}"
        );
        world.ctl(&["insert", text(&card), "--reader", "0"]).ok();
        let handle = client.connected();
        assert_eq!(client.ask(handle, TRIES).as_deref(), Ok(tries.trim_end()));
    }
}

#[test]
fn a_card_that_loses_contact_is_back_at_once_without_its_login() {
    for (moment, is_done) in [("before", false), ("after", true)] {
        let script =
            fault("command = \"50\", count = 1", &format!("{{ disconnect = \"{moment}\" }}"));
        let home = Home::new();
        let script = home.script(&script);
        let world = World::exec_in(home, &["--faults", &script]);
        let mut client = world.client();
        let handle = client.connected();

        assert_eq!(client.ask(handle, INITIALIZE), Err(NOT_TRANSACTED));

        assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
        let handle = client.connected();
        let is_initialised = client.ask(handle, LOGIN).as_deref() == Ok("9000");
        assert_eq!(is_initialised, is_done, "{moment}");
    }
}

#[test]
fn a_disk_that_is_full_takes_a_card_out_until_it_is_saved() {
    let home = Home::new();
    let (card, other) = (home.card("a.card"), home.card("b.card"));
    let script = home.script(&fault("command = \"VERIFY\", count = \"1-2\"", "\"disk-full\""));
    let options = ["--card", text(&card), "--card", text(&other), "--faults", &script];
    let mut world = World::exec_in(home, &options);
    let mut client = world.client();
    let handle = client.connected();
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63CA"), "nothing to be written");

    assert_eq!(client.ask(handle, WRONG_PIN), Err(NOT_TRANSACTED));

    assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
    let complaint = world.running.complaint();
    assert!(complaint.contains("a.card: No space left on device"), "{complaint}");
    let names = client.names();
    let second = client.connect(&names[1], SHARED).unwrap();
    client.select(second);
    assert_eq!(client.ask(second, TRIES).as_deref(), Ok("63CA"), "the other card is there");
    let handle = connected_again(&mut client);
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("63C9"), "the try is spent");
    world.running.end_input();
    assert_eq!(world.running.wait().code(), Some(0));
}

#[test]
fn a_card_in_memory_comes_back_from_a_full_disk_too() {
    let script = fault("command = \"50\"", "\"disk-full\"");
    let home = Home::new();
    let script = home.script(&script);
    let world = World::exec_in(home, &["--faults", &script]);
    let mut client = world.client();
    let handle = client.connected();
    assert_eq!(client.ask(handle, INITIALIZE), Err(NOT_TRANSACTED));
    let handle = connected_again(&mut client);
    assert_eq!(client.ask(handle, LOGIN).as_deref(), Ok("9000"));
}

#[test]
fn a_mute_card_holds_up_nobody_at_another_reader_and_can_be_taken_out() {
    let world = World::exec(&["--serial", "ZZVS0000001"]);
    world.ctl(&["insert", "--serial", "ZZVS0000002"]).ok();
    let mut client = world.client();
    let handle = client.connected();
    world.set_faults(&fault("count = 1", "{ mute = 3600 }"));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| client.ask(handle, TRIES));
        let mut other = PcscClient::at(&world.socket);
        let names = other.names();
        let second = other.connect(&names[1], SHARED).unwrap();
        other.select(second);
        assert_eq!(other.ask(second, TRIES).as_deref(), Ok("6A88"));
        wait_for_strike(&world);
        assert!(!asking.is_finished());
        assert!(world.ctl(&["show", "0"]).ok().contains("ZZVS0000001"));

        world.ctl(&["remove", "0"]).ok();

        assert_eq!(asking.join().unwrap(), Err(NOT_TRANSACTED));
    });
    assert_eq!(client.ask(handle, TRIES), Err(REMOVED_CARD));
}

/// Until the first fault of reader 0 has struck once.
fn wait_for_strike(world: &World) {
    while !world.ctl(&["faults", "0"]).ok().contains("injected into 1 of ") {}
}

#[test]
fn a_card_speaks_again_when_its_reader_gives_up_or_its_faults_are_taken_back() {
    let world = World::exec(&[]);
    let mut client = world.client();
    let handle = client.connected();
    world.set_faults(&fault("count = 1", "{ mute = 0.2 }"));
    let begun = Instant::now();
    assert_eq!(client.ask(handle, TRIES), Err(NOT_TRANSACTED));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6A88"), "the handle is still good");

    for (what, answer) in
        [("{ mute = 3600 }", Err(NOT_TRANSACTED)), ("{ delay = 3600 }", Ok("6A88".to_owned()))]
    {
        world.set_faults(&fault("count = 1", what));
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| client.ask(handle, TRIES));
            wait_for_strike(&world);
            world.ctl(&["clear-faults"]).ok();
            assert_eq!(asking.join().unwrap(), answer, "{what}");
        });
    }
}

#[test]
fn the_end_of_the_command_waits_for_no_mute_card() {
    let home = Home::new();
    let script = home.script(&format!("[[fault]]\n{LONG}"));
    let mut world = World::exec_in(home, &["--faults", &script]);
    let mut client = world.client();
    let handle = client.connected_only();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| client.ask(handle, TRIES));
        wait_for_strike(&world);
        world.running.end_input();
        assert_eq!(world.running.wait().code(), Some(0));
        assert_eq!(asking.join().unwrap(), Err(NOT_TRANSACTED));
    });
}

#[test]
fn faults_are_set_listed_replaced_and_cleared_while_clients_are_there() {
    let world = World::exec(&[]);
    let mut client = world.client();
    let handle = client.connected();
    let script = "seed = \"x\"\n".to_owned()
        + &fault("command = \"VERIFY\", count = \"2-\"", "{ answer = \"6F00\" }")
        + &fault("probability = 0.5", "{ delay = 0 }");
    world.set_faults(&script);
    let asked: Vec<_> = (0..3).map(|_| client.ask(handle, TRIES).unwrap()).collect();
    assert_eq!(asked, ["6A88", "6F00", "6F00"]);

    assert!(world.ctl(&["list"]).ok().ends_with("in memory, 2 faults\n"));
    let listed = world.ctl(&["faults"]).ok();
    let first =
        "1 VERIFY, count 2-: response 6F00 without the card; injected into 2 of 3 commands\n";
    assert!(listed.starts_with(first), "{listed}");
    assert!(listed.contains("\n2 any command, probability 0.5: delay of 0 s; "), "{listed}");
    let json: serde_json::Value =
        serde_json::from_str(&world.ctl(&["faults", "--json"]).ok()).unwrap();
    assert_eq!(json["seed"], "x");
    assert_eq!(json["fault"][0]["when"]["count"], "2-");
    assert_eq!(json["fault"][0]["do"]["answer"], "6F00");
    assert_eq!(json["fault"][0]["struck"], 2);

    let input = fault("", "{ answer = \"6400\" }");
    let control = text(&world.control);
    world.home.run_with(&["ctl", "--socket", control, "set-faults", "-"], &input).ok();
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6400"));
    let why = world.home.run_with(&["ctl", "--socket", control, "set-faults", "-"], "[[fault]]");
    assert!(why.err.contains("standard input line 1: missing field"), "{why:?}");
    let request = r#"{"command":"set-faults","faults":{"fault":[{"when":{},"do":"explode"}]}}"#;
    assert_eq!(world.ctl(&["request", request]).code, Some(1));
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6400"), "nothing has changed");

    world.ctl(&["clear-faults"]).ok();
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6A88"));
    assert!(world.ctl(&["faults"]).ok().is_empty());
    assert!(world.ctl(&["list"]).ok().ends_with("in memory\n"));
}

#[test]
fn another_atr_is_seen_when_it_is_set_and_no_more_when_it_is_cleared() {
    let world = World::exec(&[]);
    let mut client = world.client();
    let handle = client.connected();
    let atr = |client: &mut PcscClient, handle| client.call(0x0B, &[handle, 0])[1];
    world.set_faults("[[fault]]\ndo = { atr = \"3B00\" }");
    assert_eq!(atr(&mut client, handle), REMOVED_CARD, "the card has been out");
    assert_eq!(client.atr(), [0x3B, 0x00]);
    world.ctl(&["clear-faults"]).ok();
    assert_eq!(client.atr().len(), 24);
}

#[test]
fn cards_that_come_have_the_faults_of_the_command_line_and_keep_others_in_a_power_cycle() {
    let home = Home::new();
    let script = home.script(&fault("", "{ answer = \"6F00\" }"));
    let world = World::exec_in(home, &["--no-card", "--faults", &script]);
    world.ctl(&["insert"]).ok();
    let mut client = world.client();
    let handle = client.connected_only();
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6F00"));
    world.set_faults(&fault("", "{ answer = \"6400\" }"));
    world.ctl(&["power-cycle"]).ok();
    let handle = client.connected_only();
    assert_eq!(client.ask(handle, TRIES).as_deref(), Ok("6400"));
}

#[test]
fn vpcd_sees_a_mute_card_and_one_without_contact_go_and_come_back() {
    let home = Home::new();
    let [first, second] = Reader::two();
    let script = fault("command = \"VERIFY\", count = 1", "{ mute = 0.2 }")
        + &fault("command = \"VERIFY\", count = 2", "{ disconnect = \"after\" }");
    let script = home.script(&script);
    let cards = [home.card("a.card"), home.card("b.card")];
    let mut running = home.start(&[
        "run",
        text(&cards[0]),
        text(&cards[1]),
        "--vpcd",
        &first.address(),
        "--faults",
        &script,
    ]);
    let (mut slot, mut other) = (first.accept(), second.accept());
    slot.send(&crate::vschsm::hex(WRONG_PIN));
    assert!(other.ask(READ).ends_with("9000"), "the other card is held up");
    assert_eq!(slot.answer(), None, "the reader has given up");
    let mut slot = first.accept();
    slot.send(&crate::vschsm::hex(WRONG_PIN));
    assert_eq!(slot.answer(), None, "the contact is lost");
    let mut slot = first.accept();
    assert_eq!(slot.ask(TRIES), "63C9", "the second one has reached the card");
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_signal_ends_a_run_whose_card_is_mute() {
    let (home, reader) = (Home::new(), Reader::new());
    let script = home.script(&format!("[[fault]]\n{LONG}"));
    let vpcd = reader.address();
    let trace = home.path("trace");
    let trace_option = format!("--trace={}", text(&trace));
    let mut running =
        home.start(&["run", "--ephemeral", "--vpcd", &vpcd, "--faults", &script, &trace_option]);
    let mut slot = reader.accept_only();
    slot.send(&crate::vschsm::hex(TRIES));
    while !is_mute(&trace) {}
    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(slot.answer(), None);
}

fn is_mute(trace: &Path) -> bool {
    fs::read_to_string(trace).is_ok_and(|trace| trace.contains("fault 1: mute"))
}

#[test]
fn a_weak_signature_is_another_than_the_card_s_own() {
    let home = Home::new();
    let path = home.path("a.card");
    home.run(&["new", text(&path), "--seed", "x", "--initialize", "--key", "rsa:1024,id=01"]).ok();
    let sign = format!("80680120 80 00{} 00", "AB".repeat(127));
    let login = "00200081 06 363438323139";
    let ask = |options: &[&str]| {
        let commands = ["--card", text(&path), login, &sign];
        let printed = home.run(&[&["apdu", "--select"], options, &commands].concat()).ok();
        printed.lines().nth(1).unwrap().to_owned()
    };
    let own = ask(&[]);
    let script = home.script(&fault("key = 1", "\"weak-signature\""));

    let weak = ask(&["--faults", &script]);

    assert!(own.ends_with("9000") && own.len() == 260, "{own}");
    let differing = own.bytes().zip(weak.bytes()).filter(|(one, other)| one != other).count();
    assert_eq!((weak.len(), differing), (own.len(), 1), "{weak}");
}
