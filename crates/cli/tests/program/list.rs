//! `vschsm list`, and how commands find a card by its name.

use crate::vschsm::Home;
use serde_json::{Value, json};
use std::fs;

/// A folder with cards in its data folder.
fn home() -> Home {
    let home = Home::new();
    home.run(&["new", "bob", "--serial", "ZZVS0000002", "--firmware", "2.6"]).ok();
    let label = ["--initialize", "--label", "CI"];
    home.run(&[&["new", "alice", "--serial", "ZZVS0000001"], &label[..]].concat()).ok();
    fs::write(home.path("passphrase"), "correct horse").unwrap();
    home.run(&["new", "carol", "--passphrase-file", "passphrase"]).ok();
    fs::write(home.path("vschsm/dan.card"), "no card").unwrap();
    fs::write(home.path("vschsm/.alice.card.new"), "left over").unwrap();
    fs::write(home.path("vschsm/notes"), "no card").unwrap();
    home
}

#[test]
fn the_cards_of_the_data_folder_are_listed_by_name() {
    let home = home();
    let list = home.run(&["list"]).ok();
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines[0], "alice  ZZVS0000001, SmartCard-HSM 3.4, CI");
    assert_eq!(lines[1], "bob    ZZVS0000002, SmartCard-HSM 2.6");
    assert_eq!(lines[2], "carol  encrypted");
    assert!(lines[3].starts_with("dan    ") && lines[3].contains("dan.card"), "{list}");
    assert_eq!(lines.len(), 4, "{list}");

    let list: Value = serde_json::from_str(&home.run(&["list", "--json"]).ok()).unwrap();
    let path = |name: &str| home.path(&format!("vschsm/{name}.card"));
    let alice = json!({
        "name": "alice", "path": path("alice"), "state": "readable",
        "firmware": "3.4", "serial": "ZZVS0000001", "label": "CI",
    });
    assert_eq!(list[0], alice);
    assert_eq!(list[1]["label"], Value::Null);
    assert_eq!(list[2], json!({"name": "carol", "path": path("carol"), "state": "encrypted"}));
    assert_eq!(list[3]["state"], "unusable");
}

#[test]
fn without_a_data_folder_there_are_no_cards() {
    let home = Home::new();
    assert_eq!(home.run(&["list"]).ok(), "");
    assert_eq!(home.run(&["list", "--json"]).ok(), "[]\n");
    let vschsm = env!("CARGO_BIN_EXE_vschsm");
    let nowhere = ["--unset=XDG_DATA_HOME", "--unset=HOME", vschsm, "list"];
    assert!(home.run_program("env", &nowhere).failed().contains("no data folder"));
}

#[test]
fn verify_finds_a_card_by_its_name_as_show_does() {
    let home = home();
    for name in ["alice", "alice.card"] {
        assert!(home.run(&["show", name]).ok().contains("ZZVS0000001"));
        assert!(home.run(&["verify", name]).ok().contains("ZZVS0000001"), "{name}");
    }
    // What is no card has no place in the data folder.
    let read =
        home.run(&["apdu", "--select", "--card", "alice", "00B12F02 000004 54020000 0000"]).ok();
    fs::write(home.path("2F02.hex"), read.trim_end().strip_suffix("9000").unwrap()).unwrap();
    assert!(home.run(&["verify", "2F02.hex"]).ok().contains("ZZVS0000001"));
    assert!(home.run(&["verify", "eve"]).failed().contains("cannot read eve"));
}

#[test]
fn a_card_is_replaced_only_by_force_and_nothing_else_is() {
    let home = home();
    let made = |options: &[&str]| home.run(&[&["new", "alice"], options].concat());
    assert!(made(&[]).failed().contains("is not overwritten"));
    made(&["--force", "--serial", "ZZVS0000003", "--firmware", "2.6"]).ok();
    let list = home.run(&["list"]).ok();
    assert!(list.starts_with("alice  ZZVS0000003, SmartCard-HSM 2.6\n"), "{list}");
    home.run(&["new", "carol", "--force", "--serial", "ZZVS0000004"]).ok();
    assert!(home.run(&["show", "carol"]).ok().contains("ZZVS0000004"));
    home.run(&["new", "fresh", "--force"]).ok();

    let refused = home.run(&["new", "./passphrase", "--force"]).failed();
    assert!(refused.contains("is not a card, and is not replaced"), "{refused}");
    assert_eq!(fs::read_to_string(home.path("passphrase")).unwrap(), "correct horse");
    let mut running = home.start_with_input(&["exec", "--card", "bob", "sh", "-c", "echo; read x"]);
    running.line();
    let refused = home.run(&["new", "bob", "--force"]).failed();
    assert!(refused.contains("in use"), "{refused}");
}

#[test]
fn nobody_is_told_when_nobody_reads_what_is_printed() {
    let home = home();
    let vschsm = env!("CARGO_BIN_EXE_vschsm");
    for command in ["show alice", "list", "keys alice", "show alice --json", "man", "firmware 3.4"]
    {
        let script = format!("({vschsm} {command}; echo $? >code) | true; cat code");
        let end = home.run_program("sh", &["-c", &script]);
        assert_eq!(end.err, "", "{command}");
        // The pipe may have been closed after all was written.
        assert!(["141\n", "0\n"].contains(&end.out.as_str()), "{command}: {}", end.out);
    }
}

#[test]
fn who_ends_because_nobody_reads_ends_by_the_signal() {
    let home = home();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vschsm"));
    command.args(["show", "alice"]).env("XDG_DATA_HOME", home.path("")).stdout(writer);
    let output = command.stderr(std::process::Stdio::piped()).output().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(13));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_version_names_the_commit() {
    let home = Home::new();
    let said = home.run(&["--version"]).ok();
    let version = concat!("vschsm ", env!("CARGO_PKG_VERSION"));
    let commit = std::process::Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "--short=12", "HEAD"])
        .output();
    match commit {
        Ok(commit) if commit.status.success() => {
            let commit = String::from_utf8(commit.stdout).unwrap();
            assert_eq!(said, format!("{version} ({})\n", commit.trim()));
        }
        _ => assert_eq!(said, format!("{version}\n")),
    }
}

#[test]
fn a_firmware_may_be_asked_for_by_what_the_card_is_sold_as() {
    let home = Home::new();
    for (product, firmware) in [
        ("Nitrokey HSM 2", "4.1"),
        ("nitrokey-hsm-2", "4.1"),
        ("Nitrokey HSM", "2.6"),
        ("SmartCard-HSM 4K", "4.1"),
        ("SmartCard-HSM", "2.6"),
    ] {
        let printed = home.run(&["firmware", product]).ok();
        assert_eq!(printed, home.run(&["firmware", firmware]).ok(), "{product}");
    }
    home.run(&["new", "./a.card", "--firmware", "Nitrokey HSM 2"]).ok();
    assert!(home.run(&["firmware"]).ok().contains("\nNitrokey HSM 2    4.1\n"));
    assert_eq!(home.run(&["firmware", "Nitrokey HSM 3"]).code, Some(2));
}
