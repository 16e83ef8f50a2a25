//! Cards of firmware 3.1 and 3.2, whose AES keys anybody can guess.

use crate::vschsm::{Home, text};
use serde_json::Value;
use std::fs;

const SELECT: &str = "00A4040C 0B E82B0601040181C31F0201";
/// PIN 648219, one DKEK share.
const INITIALIZE: &str =
    "80500000 1C 80020001 8106363438323139 8208 3537363231383830 910103 920101";
const SHARE: &str = "80520000 20 4444444444444444444444444444444444444444444444444444444444444444";
const DKEK: &str = "4444444444444444444444444444444444444444444444444444444444444444";
/// AES 256 in CC01, as sc-hsm-embedded orders it.
const GENERATE: &str = "004801B2 06 910410111899";
const SAID: &str = "generates weak AES keys, which anybody can guess, as genuine cards do; \
                    --strong-aes makes them strong";
const MARK: &str = "AES 256, WEAK: one of 256, as firmware 3.1 and 3.2 generate them";

/// Makes a card and a key on it with these options; what the program says on standard error.
fn made(home: &Home, options: &[&str]) -> String {
    let making = home.run(&[&["new", "./it.card", "--firmware", "3.2"], options].concat());
    let commands = ["apdu", "--card", "./it.card", SELECT, INITIALIZE, SHARE, GENERATE];
    let asking = home.run(&[&commands, options].concat());
    let said = [&making.err[..], &asking.err].concat();
    assert_eq!(asking.ok().lines().last(), Some("9000"));
    said
}

/// The first key of a card, as JSON has it.
fn key(home: &Home) -> Value {
    let json = home.run(&["show", "./it.card", "--json"]).ok();
    serde_json::from_str::<Value>(&json).unwrap()["keys"][0].clone()
}

#[test]
fn that_keys_are_weak_is_said_when_a_card_is_made_and_opened_and_marked_at_each() {
    let home = Home::new();
    let line = format!("vschsm: ./it.card: firmware 3.2 {SAID}\n");
    assert_eq!(made(&home, &[]), line.repeat(2));
    for asking in [&["keys", "./it.card"][..], &["keys", "./it.card", "1"], &["show", "./it.card"]]
    {
        let told = home.run(asking).ok();
        assert!(told.contains(MARK), "{told}");
    }
    let shown = home.run(&["show", "./it.card"]).ok();
    assert!(
        shown.contains("Firmware       3.2\n               generates weak AES keys"),
        "{shown}"
    );
    assert_eq!(key(&home)["weak"], true);

    // In a reader as well, and where the card has no file.
    assert_eq!(home.run(&["exec", "--card", "./it.card", "--", "true"]).err, line);
    for asking in [&["apdu", SELECT][..], &["exec", "--", "true"]] {
        let (command, rest) = asking.split_first().unwrap();
        let end = home.run(&[&[command, "--firmware", "3.1"], rest].concat());
        assert_eq!(end.err, format!("vschsm: the new card: firmware 3.1 {SAID}\n"));
    }
    let socket = home.path("socket");
    let ephemeral = ["run", "--ephemeral", "--firmware", "3.1", "--pcsc-socket", text(&socket)];
    let told = home.start(&ephemeral).complaint();
    assert_eq!(told, format!("vschsm: the new card: firmware 3.1 {SAID}"));
}

#[test]
fn with_the_option_keys_are_strong_and_nothing_is_said() {
    let home = Home::new();
    assert_eq!(made(&home, &["--strong-aes"]), "");
    let told = home.run(&["show", "./it.card"]).ok();
    assert!(told.contains("AES 256, only for"), "{told}");
    assert_eq!(key(&home)["weak"], false);
    for command in ["exec", "apdu"] {
        let asking = ["--card", "./it.card", "--strong-aes", "--"];
        let asked = if command == "exec" { "true" } else { SELECT };
        assert_eq!(home.run(&[&[command][..], &asking, &[asked]].concat()).err, "");
    }
    // Keys that `new` itself makes, with it and without.
    for (name, options, weak) in [("a", &["--strong-aes"][..], false), ("b", &[], true)] {
        let path = format!("./{name}.card");
        let new = ["new", &path, "--firmware", "3.1", "--initialize", "--key", "aes:128,id=10"];
        home.run(&[&new, options].concat()).ok();
        assert_eq!(home.run(&["keys", &path]).ok().contains("WEAK"), weak);
    }
}

#[test]
fn nothing_is_said_of_other_firmwares() {
    let home = Home::new();
    for firmware in ["2.6", "3.0", "3.3", "3.4", "4.1"] {
        let end = home.run(&["apdu", "--firmware", firmware, SELECT]);
        assert_eq!(end.err, "", "{firmware}");
    }
}

#[test]
fn that_firmware_3_3_generates_strong_keys_is_told_with_its_evidence() {
    let told = Home::new().run(&["firmware", "--diff", "3.2", "3.3"]).ok();
    let line = "\nbehaviour.generated-aes-keys\n  - weak\n  + strong\n  # AES keys that GENERATE \
                SYMMETRIC KEY";
    assert!(told.contains(line), "{told}");
    assert!(told.contains("security advice, Nitrokey support thread 1948"), "{told}");
}

#[test]
fn a_weak_key_in_a_blob_is_marked_for_who_has_the_dkek() {
    let home = Home::new();
    let commands = [SELECT, INITIALIZE, SHARE, "004801B0 00", "80720192 000000"];
    for (options, weak) in [(&[][..], true), (&["--strong-aes"], false)] {
        let asking = [&["apdu", "--firmware", "3.2"], options, &commands].concat();
        let answers = home.run(&asking).ok();
        let blob = answers.lines().last().unwrap().strip_suffix("9000").unwrap();
        fs::write(home.path("1.key"), blob).unwrap();
        let told = home.run(&["blob", "1.key", "--dkek", DKEK]).ok();
        assert!(told.contains("key                16 bytes, secret\n"), "{told}");
        assert_eq!(told.contains("WEAK: one of 256"), weak, "{told}");
    }
}
