//! `vschsm run` in front of a reader.

use crate::reader::Reader;
use crate::vschsm::{Home, INITIALIZE, LOGIN, TRIES, WRONG_PIN, digits, load, text};
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn a_card_answers_get_atr_and_apdus_but_no_power_message() {
    let (home, reader) = (Home::new(), Reader::new());
    let _card = home.start(&["run", "--ephemeral", "--vpcd", &reader.address()]);
    let mut slot = reader.accept_only();

    for control in [0x00, 0x01, 0x02, 0x01] {
        slot.send(&[control]);
    }
    assert!(slot.atr().starts_with(&[0x3B, 0xDE]));
    slot.select();
    assert_eq!(slot.ask(TRIES), "6A88");
    assert_eq!(slot.ask("80580000000000"), "2F02CC009000");
}

#[test]
fn power_off_power_on_and_reset_end_the_session_but_get_atr_does_not() {
    let (home, reader) = (Home::new(), Reader::new());
    let _card = home.start(&["run", "--ephemeral", "--vpcd", &reader.address()]);
    let mut slot = reader.accept();
    slot.ask(INITIALIZE);

    for control in [0x00, 0x01, 0x02] {
        assert_eq!(slot.ask(LOGIN), "9000");
        slot.atr();
        assert_eq!(slot.ask(TRIES), "9000");
        slot.send(&[control]);
        assert_eq!(slot.ask(TRIES), "6D00", "after {control:02X}");
        slot.select();
        assert_eq!(slot.ask(TRIES), "63CA", "after {control:02X}");
    }
}

#[test]
fn whatever_comes_gets_an_answer_and_changes_nothing() {
    let (home, reader) = (Home::new(), Reader::new());
    let path = home.card("a.card");
    let before = fs::read(&path).unwrap();
    let _card = home.start(&["run", text(&path), "--vpcd", &reader.address()]);
    let mut slot = reader.accept();

    for byte in (0x03..=0xFF).filter(|byte| *byte != 0x04) {
        slot.send(&[byte]);
        assert_eq!(slot.answer().unwrap(), [0x67, 0x00], "{byte:02X}");
    }
    for digits in ["0020", "002000", "0020008109313233", "00200081 00 0008 3132", "80500000FF80"] {
        assert_eq!(slot.ask(digits), "6700", "{digits}");
    }
    assert_eq!(slot.ask("FF200081"), "6E00");
    assert_eq!(slot.ask("00EE0000"), "6D00");
    slot.send(&[]);
    slot.send(&[0x5A; 0xFFFF]);
    assert_eq!(slot.answer().unwrap(), [0x67, 0x00]);
    assert_eq!(slot.ask(TRIES), "63CA");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn the_longest_file_is_read_in_one_answer() {
    let (home, reader) = (Home::new(), Reader::new());
    let _card = home.start(&["run", "--ephemeral", "--vpcd", &reader.address()]);
    let mut slot = reader.accept();
    slot.ask(INITIALIZE);
    assert_eq!(slot.ask("00D7CF01 09 5402 FFFA 5303 010203"), "9000");

    let answer = slot.ask("00B1CF01 000004 54020000 0000");
    assert_eq!(answer.len(), 2 * 0xFFFF);
    assert!(answer.ends_with("0102039000"));
}

#[test]
fn a_reader_that_sends_length_and_body_apart_is_answered_at_once() {
    let (home, reader) = (Home::new(), Reader::new());
    let _card = home.start(&["run", "--ephemeral", "--vpcd", &reader.address()]);
    let mut slot = reader.accept();
    slot.atr();

    let start = Instant::now();
    for _ in 0..100 {
        slot.send_in_two(&[0x00, 0x20, 0x00, 0x81]);
        slot.answer().unwrap();
    }
    // Delayed acknowledgements would make it four seconds.
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn ready_is_told_when_every_reader_has_asked_and_the_file_goes_at_the_end() {
    let (home, [first, second]) = (Home::new(), Reader::two());
    let (alice, bob, file) = (home.card("alice.card"), home.card("bob.card"), home.path("ready"));
    fs::write(&file, "").unwrap();
    let mut cards = home.start(&[
        "run",
        text(&alice),
        text(&bob),
        "--vpcd",
        &first.address(),
        "--ready-file",
        text(&file),
    ]);
    let (mut first, mut second) = (first.accept_only(), second.accept_only());
    first.atr();
    first.select();
    assert_eq!(first.ask(WRONG_PIN), "63C9");
    assert!(!file.exists(), "one reader has not asked yet");
    second.atr();
    assert_eq!(cards.line(), "ready");
    assert!(file.exists());
    second.select();
    assert_eq!(second.ask(TRIES), "63CA", "the second slot has a card of its own");

    cards.signal("TERM");
    assert_eq!(cards.wait().code(), Some(0));
    assert!(!file.exists());
    assert_eq!(first.answer(), None);
}

#[test]
fn a_trace_names_the_card_where_there_are_several() {
    let (home, [first, second]) = (Home::new(), Reader::two());
    let (alice, bob) = (home.card("alice.card"), home.card("bob.card"));
    let cards = [text(&alice), text(&bob)];
    let arguments = ["--vpcd", &first.address(), "--trace=trace"];
    let _cards = home.start(&[["run"].as_slice(), &cards, &arguments].concat());
    let (mut first, mut second) = (first.accept(), second.accept());
    first.send(&[0x01]);
    first.select();
    first.ask(WRONG_PIN);
    second.ask(TRIES);

    let trace = fs::read_to_string(home.path("trace")).unwrap();
    for line in ["[alice] power on", "[alice] VERIFY user PIN (8", "[bob] VERIFY user PIN, state"] {
        assert!(trace.lines().any(|told| told.starts_with(line)), "{line} in\n{trace}");
    }
}

#[test]
fn a_ready_file_with_content_is_not_touched() {
    let home = Home::new();
    fs::write(home.path("precious"), "content").unwrap();
    let end = home.run(&["run", "--ephemeral", "--ready-file", text(&home.path("precious"))]);
    assert_eq!(end.code, Some(2));
    assert_eq!(fs::read_to_string(home.path("precious")).unwrap(), "content");
}

#[test]
fn a_card_waits_for_its_reader_and_comes_back_when_the_reader_does() {
    let home = Home::new();
    let reader = Reader::at_a_port_of_its_own();
    let (port, address) = (reader.port(), reader.address());
    drop(reader);
    let mut card = home.start(&["run", "--ephemeral", "--vpcd", &address]);
    let complaint = card.complaint();
    assert!(complaint.contains(&format!("no reader at {address}")), "{complaint}");

    for round in 0..3 {
        let reader = Reader::back_at(port);
        let start = Instant::now();
        let mut slot = reader.accept();
        slot.atr();
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        if round == 0 {
            assert_eq!(card.line(), "ready");
            assert_eq!(slot.ask(INITIALIZE), "9000");
        } else {
            assert_eq!(slot.ask(TRIES), "63CA", "a new connection is a new session");
            assert_eq!(slot.ask(LOGIN), "9000");
        }
        drop(slot);
        let again = reader.accept();
        drop((again, reader));
        let complaint = card.complaint();
        assert!(complaint.contains("no reader"), "{complaint}");
    }
}

#[test]
fn a_card_does_not_die_of_a_warning_that_nobody_reads() {
    let (home, reader) = (Home::new(), Reader::new());
    let mut card = home.start(&["run", "--ephemeral", "--vpcd", &reader.address()]);
    card.stop_listening();
    for _ in 0..2 {
        reader.accept().atr();
    }
    assert_eq!(reader.accept().ask(TRIES), "6A88");
}

#[test]
fn a_reader_that_hangs_up_within_a_message_gets_its_card_back() {
    let (home, reader) = (Home::new(), Reader::new());
    let _card = home.start(&["run", "--ephemeral", "--vpcd", &reader.address()]);
    for _ in 0..5 {
        let mut slot = reader.accept();
        slot.atr();
        slot.send_truncated();
    }
    assert_eq!(reader.accept().ask(TRIES), "6A88");
}

#[test]
fn a_signal_ends_the_program_between_two_commands() {
    let home = Home::new();
    let path = home.card("a.card");
    for (round, signal) in ["TERM", "INT"].into_iter().cycle().take(20).enumerate() {
        let reader = Reader::new();
        let mut card = home.start(&["run", text(&path), "--vpcd", &reader.address()]);
        let mut slot = reader.accept();
        slot.ask(LOGIN);
        slot.send(&crate::vschsm::hex(&format!("00D7CF{round:02X} 07 54020000 5301AA")));
        card.signal(signal);
        let answered = slot.answer().is_some();

        assert_eq!(card.wait().code(), Some(0), "{}", card.complaints());
        assert!(!home.path(".a.card.new").exists(), "ended within a save");
        let file = vschsm_card::state::Fid(0xCF00 | u16::try_from(round).unwrap());
        let saved = load(&path).state().files().content(file).is_some();
        assert_eq!(saved, answered, "round {round}");
    }
}

#[test]
fn the_default_card_is_made_once_and_kept() {
    let (home, reader) = (Home::new(), Reader::new());
    let serial = |_| {
        let mut card = home.start(&["run", "--vpcd", &reader.address()]);
        let mut slot = reader.accept();
        let certificates = slot.ask("00B12F02 000004 54020000 0000");
        card.signal("TERM");
        assert_eq!(card.wait().code(), Some(0));
        certificates
    };
    let [first, second] = [0, 1].map(serial);
    assert_eq!(first, second);
    assert!(home.path("vschsm/default.card").exists());
}

#[test]
fn options_of_new_need_ephemeral_and_slots_need_ports() {
    let home = Home::new();
    home.card("a.card");
    home.card("b.card");
    for arguments in [
        ["run", "--firmware", "2.6"].as_slice(),
        &["run", "./a.card", "--serial", "ZZVS0000001"],
        &["run", "./a.card", "--ephemeral"],
        &["run", "--vpcd", "35963"],
        &["run", "./a.card", "./b.card", "--vpcd", "127.0.0.1:65535"],
    ] {
        assert_eq!(home.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn an_ephemeral_card_has_the_firmware_and_serial_it_was_ordered_with() {
    let (home, reader) = (Home::new(), Reader::new());
    let _card = home.start(&[
        "run",
        "--ephemeral",
        "--firmware",
        "2.6",
        "--serial",
        "ZZTEST00001",
        "--vpcd",
        &reader.address(),
    ]);
    let mut slot = reader.accept();
    assert!(slot.atr().starts_with(&[0x3B, 0xFE]));
    let certificates = slot.ask("00B12F02 000004 54020000 0000");
    let reference = digits(b"ZZTEST0000100000");
    assert!(certificates.contains(&reference), "{certificates}");
}

#[test]
fn a_seeded_run_never_repeats_the_randomness_of_an_earlier_one() {
    let (home, reader) = (Home::new(), Reader::new());
    let challenge = |name: &str| {
        let path = home.path(name);
        let mut card =
            home.start(&["run", text(&path), "--seed", "same", "--vpcd", &reader.address()]);
        let challenge = reader.accept().ask("0084000010");
        card.signal("TERM");
        card.wait();
        challenge
    };
    home.card("a.card");
    fs::copy(home.path("a.card"), home.path("copy.card")).unwrap();

    let [first, second] = [challenge("a.card"), challenge("a.card")];
    assert_ne!(first, second);
    assert_eq!(challenge("copy.card"), first, "the same card and seed are the same stream");
}

#[test]
fn a_reader_that_asks_nothing_is_reported() {
    let (home, reader) = (Home::new(), Reader::new());
    let mut card = home.start(&["run", "--ephemeral", "--vpcd", &reader.address()]);
    let mut slot = reader.accept_only();
    let complaint = card.complaint();
    assert!(complaint.contains("is another card in it?"), "{complaint}");
    assert_eq!(slot.atr().len(), 24, "it is served all the same when it asks at last");
}

#[test]
fn a_run_that_fails_leaves_the_ready_file_of_another() {
    let (home, reader) = (Home::new(), Reader::new());
    let path = home.card("a.card");
    let arguments = ["run", text(&path), "--ready-file", "ready", "--vpcd", &reader.address()];
    let mut card = home.start(&arguments);
    let mut slot = reader.accept();
    slot.atr();
    assert_eq!(card.line(), "ready");

    assert_eq!(home.run(&arguments).code, Some(1));
    assert!(home.path("ready").exists());
}

#[test]
fn a_ready_file_without_a_folder_is_wrong_usage() {
    let end = Home::new().run(&["run", "--ephemeral", "--ready-file", "nowhere/ready"]);
    assert_eq!(end.code, Some(2));
    assert!(end.err.contains("there is no folder nowhere"), "{}", end.err);
}

#[test]
fn a_second_signal_ends_a_program_that_the_first_does_not() {
    let (home, reader) = (Home::new(), Reader::new());
    let mut card = home.start(&["run", "--ephemeral", "--vpcd", &reader.address()]);
    let mut slot = reader.accept();
    // Answers that nobody takes, until the card waits to send one.
    let challenge = crate::vschsm::hex("00840000 000400");
    slot.send_until_blocked(&challenge);
    card.signal("TERM");
    card.signal("INT");
    assert_eq!(card.wait().code(), Some(1));
}
