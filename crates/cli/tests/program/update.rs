//! `vschsm update`: on a file, and on a card in a reader.

use crate::reader::{PATIENCE, Reader};
use crate::vschsm::{Home, INITIALIZE, load, text};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vschsm_card::profile::Profile;
use vschsm_host::update::{Update, package};

/// SELECT of the applet; the answer ends with the version of the firmware.
const SELECT: &str = "00A40400 0B E82B0601040181C31F0201 00";

fn card(home: &Home, firmware: &str) -> PathBuf {
    let path = home.path("a.card");
    let new = ["--firmware", firmware, "--serial", "ZZVS0000001", "--seed", "test"];
    home.run(&[&["new", text(&path)], &new[..]].concat()).ok();
    path
}

#[test]
fn an_update_changes_the_firmware_and_the_certificate_and_show_tells_of_both() {
    let home = Home::new();
    let path = card(&home, "3.1");
    let before = load(&path);
    home.run(&["apdu", "--select", "--card", text(&path), INITIALIZE]).ok();

    let told = home.run(&["update", text(&path), "--to", "3.4"]).ok();

    assert!(told.contains("now has firmware 3.4; it had 3.1. It has to be initialised"), "{told}");
    assert_eq!(told.matches("ZZVS000000100000 by ZZDIVS0100001").count(), 2, "{told}");
    let after = load(&path);
    assert_eq!(after.state().device().serial(), b"ZZVS0000001");
    let scalar = String::from_utf8(before.image()).unwrap();
    let scalar = scalar.split("\"device-key\": \"").nth(1).unwrap().get(..64).unwrap().to_owned();
    assert!(!fs::read_to_string(&path).unwrap().contains(&scalar), "the old key is still there");
    let shown = home.run(&["show", text(&path)]).ok();
    assert!(shown.contains("Firmware       3.4\n               3.1 before an update"), "{shown}");
    let json = home.run(&["show", text(&path), "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["former"][0]["firmware"], "3.1");
    assert_ne!(json["former"][0]["certificate"]["key"], json["certificates"][0]["key"]);
    assert!(home.run(&["verify", text(&path)]).ok().contains("A virtual card"));
    assert!(
        home.run(&["apdu", "--select", "--card", text(&path), SELECT]).ok().ends_with("03049000\n")
    );
    home.run(&["apdu", "--select", "--card", text(&path), INITIALIZE]).ok();
}

#[test]
fn what_stands_against_an_update_is_told_and_the_card_stays_as_it_is() {
    let home = Home::new();
    let path = card(&home, "2.5");
    let image = fs::read(&path).unwrap();
    for (firmware, reason) in [
        (
            "2.6",
            "it is JCOP 2.4.1r3 with firmware 2.5, and 2.6 is for JCOP 2.4.2r3, which is other",
        ),
        ("3.4", "for JCOP 3, which is other hardware"),
    ] {
        let why = home.run(&["update", text(&path), "--to", firmware]).failed();
        assert!(why.contains(reason), "{why}");
    }
    let already = home.run(&["update", text(&path), "--to", "2.5"]);
    assert_eq!(already.code, Some(2));
    assert!(already.err.contains("already has firmware 2.5"), "{already:?}");
    let keys = "000102030405060708090A0B0C0D0E0F";
    let why = home.run(&["update", text(&path), "--to", "2.1", "--keys", keys]).failed();
    assert!(why.contains("keys were changed since delivery"), "{why}");
    assert_eq!(fs::read(&path).unwrap(), image);

    let full = home.path("full.card");
    let new =
        ["--firmware", "3.1", "--initialize", "--label", "mine", "--key", "ec:secp256r1,id=01"];
    home.run(&[&["new", text(&full)], &new[..]].concat()).ok();
    let image = fs::read(&full).unwrap();
    let why = home.run(&["update", text(&full), "--to", "3.4"]).failed();
    assert!(why.contains("objects (2F03 "), "{why}");
    assert!(why.contains("CC01), which would be lost"), "{why}");
    assert_eq!(fs::read(&full).unwrap(), image);

    assert_eq!(home.run(&["update", text(&path), "--to", "9.9"]).code, Some(2));
    assert_eq!(home.run(&["update", "--to", "3.4"]).code, Some(2));
    assert_eq!(home.run(&["update", text(&path), "--to", "2.1", "--keys", "00"]).code, Some(2));
}

#[test]
fn a_card_in_a_reader_is_updated_and_no_other_than_a_virtual_one() {
    let home = Home::new();
    let script = "vschsm=$0; \"$vschsm\" update --reader Nitrokey --to 3.4 && \
                  \"$vschsm\" verify --reader Nitrokey && \"$vschsm\" ctl show";
    let program = env!("CARGO_BIN_EXE_vschsm");
    let exec = ["exec", "--firmware", "3.1", "--", "sh", "-c", script, program];
    let told = home.run(&exec).ok();
    assert!(told.contains("now has firmware 3.4; it had 3.1"), "{told}");
    assert!(told.contains("A virtual card"), "{told}");
    assert!(told.contains("3.1 before an update"), "{told}");
}

/// Kills the program when it has answered so many commands of an update, or while it works on the
/// next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Answered,
    CommandSent,
    NewFileThere,
    NewFileWritten,
    NewFileRenamed,
}

const MOMENTS: [Moment; 5] = [
    Moment::Answered,
    Moment::CommandSent,
    Moment::NewFileThere,
    Moment::NewFileWritten,
    Moment::NewFileRenamed,
];

/// Plays an update up to a moment after `number` commands, and kills the program. An answer that
/// has come all the same is on disk.
fn cut(home: &Home, reader: &Reader, path: &Path, number: usize, moment: Moment) {
    let firmware = Profile::built_in("3.4").unwrap();
    let package = package(firmware.version(), firmware.source()).unwrap();
    let mut update = Update::new(&package, None, [7; 8]);
    let mut running = home.start(&["run", text(path), "--vpcd", &reader.address()]);
    let mut slot = reader.accept();
    let mut next = update.first();
    for _ in 0..number {
        slot.send(&next);
        next = update.next(&slot.answer().unwrap()).unwrap().unwrap();
    }
    if moment != Moment::Answered {
        let inode = fs::metadata(path).unwrap().ino();
        let new = path.with_file_name(".a.card.new");
        slot.send(&next);
        let has_come = || match moment {
            Moment::CommandSent | Moment::Answered => true,
            Moment::NewFileThere => new.exists(),
            Moment::NewFileWritten => new.metadata().is_ok_and(|file| file.len() > 0),
            Moment::NewFileRenamed => fs::metadata(path).unwrap().ino() != inode,
        };
        let start = Instant::now();
        while !has_come() && !slot.is_answered() {
            assert!(start.elapsed() < PATIENCE, "neither {moment:?} nor an answer");
        }
    }
    running.signal_kill();
    if moment != Moment::Answered && slot.answer().is_some() {
        // What was answered is on disk: after the last command but one, the new card.
        let is_installed = number + 2 >= update.length();
        assert_eq!(load(path).profile().name() == "3.4", is_installed, "{number}, {moment:?}");
    }
}

#[test]
fn a_card_killed_at_any_command_of_an_update_is_the_old_one_or_the_new_one() {
    let (home, reader) = (Home::new(), Reader::new());
    let path = card(&home, "3.1");
    let delivered = fs::read(&path).unwrap();
    let firmware = Profile::built_in("3.4").unwrap();
    let package = package(firmware.version(), firmware.source()).unwrap();
    let length = Update::new(&package, None, [7; 8]).length();
    let (mut old, mut new) = (0, 0);
    for number in 0..length {
        // The commands that change the card on disk are EXTERNAL AUTHENTICATE and INSTALL.
        let moments = if [3, length - 2].contains(&number) { &MOMENTS[..] } else { &MOMENTS[..2] };
        for moment in moments {
            fs::write(&path, &delivered).unwrap();
            cut(&home, &reader, &path, number, *moment);

            let card = load(&path);
            let expected = match card.profile().name() {
                "3.1" => (0, "03019000\n"),
                "3.4" => (1, "03049000\n"),
                other => panic!("{other} after {number} commands, {moment:?}"),
            };
            assert_eq!(card.state().previous_firmwares().len(), expected.0, "{number}, {moment:?}");
            (old, new) = (old + 1 - expected.0, new + expected.0);
            let asked =
                home.run(&["apdu", "--select", "--card", text(&path), SELECT, INITIALIZE]).ok();
            assert!(asked.starts_with("6F0A82017885") && asked.ends_with("9000\n"), "{asked}");
            assert!(asked.contains(expected.1), "{asked}");
            assert!(home.run(&["verify", text(&path)]).ok().contains("A virtual card"));
        }
    }
    assert!(old > length && new >= 2, "{old} old cards, {new} new ones");
}
