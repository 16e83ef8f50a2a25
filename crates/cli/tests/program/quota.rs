//! Keys with quotas, as the program keeps and shows them.

use crate::reader::Reader;
use crate::vschsm::{Home, load, text};
use std::fs;
use std::path::PathBuf;
use vschsm_card::Card;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::Profile;
use vschsm_vectors::CardState;

/// VERIFY, and one use of key 1.
const LOGIN: &str = "00200081 06 363438323139";
const SIGN: &str = "80680173 01 78 00";

/// A card's file with key 1, which has so many uses.
fn card_with_quota(home: &Home, uses: u32) -> PathBuf {
    let path = home.path("a.card");
    let firmware = Profile::built_in("3.4+quota").unwrap();
    let mut card = Card::new(&PersonalisationData::default(), firmware, [7; 32]).unwrap();
    let key = format!("key 1 secp256r1 algorithms 7398 uses {uses} refill peer");
    let state = format!("initialised, peer verified, {key}");
    CardState::parse(&state)
        .unwrap()
        .prepare(&mut card)
        .unwrap_or_else(|error| panic!("{error:?}"));
    fs::write(&path, card.image()).unwrap();
    path
}

#[test]
fn a_program_that_is_killed_after_each_use_gives_no_use_back() {
    let (home, reader) = (Home::new(), Reader::new());
    let path = card_with_quota(&home, 5);
    for left in (0..5).rev() {
        let mut program = home.start(&["run", text(&path), "--vpcd", &reader.address()]);
        let mut slot = reader.accept();
        assert_eq!(slot.ask(LOGIN), "9000");
        assert!(slot.ask(SIGN).ends_with("9000"), "{left} left");
        program.signal_kill();
        let card = load(&path);
        let (_, key) = card.state().keys().next().unwrap();
        assert_eq!(card.state().uses_left(key), Some(left));
    }
    let _program = home.start(&["run", text(&path), "--vpcd", &reader.address()]);
    let mut slot = reader.accept();
    assert_eq!(slot.ask(LOGIN), "9000");
    assert_eq!(slot.ask(SIGN), "6984");
}

/// Killed before it has answered, too: a use is answered at most as often as it was counted.
#[test]
fn a_use_is_never_answered_before_it_is_counted() {
    let (home, reader) = (Home::new(), Reader::new());
    let path = card_with_quota(&home, 30);
    let mut answered = 0;
    for _ in 0..40 {
        let mut program = home.start(&["run", text(&path), "--vpcd", &reader.address()]);
        let mut slot = reader.accept();
        assert_eq!(slot.ask(LOGIN), "9000");
        slot.send(&crate::vschsm::hex(SIGN));
        program.signal_kill();
        let answer = slot.answer().unwrap_or_default();
        answered += u32::from(answer.ends_with(&[0x90, 0x00]));
        let card = load(&path);
        let (_, key) = card.state().keys().next().unwrap();
        let left = card.state().uses_left(key).unwrap();
        assert!(left + answered <= 30, "{left} left, {answered} answered");
    }
}

#[test]
fn quotas_are_shown_with_refills_and_refill_key_and_who_shares_them() {
    let home = Home::new();
    let path = card_with_quota(&home, 5);
    home.run(&["apdu", "--select", "--card", text(&path), LOGIN, SIGN, "80760104 02 9801"]).ok();
    let keys = home.run(&["keys", text(&path)]).ok();
    let quota = "3 uses left, refill counter 0, refill key ZZVS000000900001\n";
    assert!(keys.contains(quota), "{keys}");
    assert!(keys.ends_with("3 uses left with key 1\n"), "{keys}");
    let show = home.run(&["show", text(&path)]).ok();
    assert!(show.contains(quota) && show.contains("3.4+quota"), "{show}");
    let json = home.run(&["show", text(&path), "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["keys"][0]["quota"]["refill_key"], "ZZVS000000900001", "{json}");
    assert_eq!(json["keys"][0]["quota"]["refills"], 0, "{json}");
    assert_eq!(json["keys"][1]["quota"]["shared_with_key"], 1, "{json}");
}

#[test]
fn a_card_with_the_extension_is_checked_by_its_own_vectors_and_those_of_its_firmware() {
    let home = Home::new();
    let names = |firmware: &str| {
        let report = home.run(&["check", "--firmware", firmware, "--json"]).ok();
        (report.contains("refill_quota/refill.apdu"), report.contains("sign/ecdsa.apdu"))
    };
    assert_eq!(names("3.4+quota"), (true, true));
    assert_eq!(names("3.4"), (false, true));
}
