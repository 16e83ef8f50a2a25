//! What users have keeps working: a transcript of the program's interfaces, played to this build.
//!
//! `tests/interfaces/` has the transcript: lists with one thing a line, and files of users. It was
//! taken on 30 November 2026, before the program's words were replaced by those of the standards. A
//! line may be added; one that is changed or goes is something that users lose. The tests of each
//! interface are beside this file, and those of the Python package in `crates/python/tests/`.

mod control;
mod files;
mod outputs;

use crate::vschsm::{Home, text};
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the transcript.
fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interfaces").join(name)
}

/// The lines of a list of the transcript, without empty ones and comments.
fn lines(name: &str) -> Vec<String> {
    let list = fs::read_to_string(kept(name)).unwrap();
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(Into::into).collect()
}

/// A copy of a file of the transcript in the folder of a test.
fn copied(home: &Home, name: &str) -> PathBuf {
    let path = home.path(name);
    fs::copy(kept(name), &path).unwrap();
    path
}

#[test]
fn every_command_line_is_understood() {
    let home = Home::new();
    let lines = lines("command-lines.txt");
    assert!(lines.len() > 300, "{}", lines.len());
    let mut gone = Vec::new();
    for line in lines {
        let words: Vec<_> = line.split(' ').skip(1).collect();
        // Whoever asks for help has all before it read, and nothing done.
        let end = words.iter().position(|word| *word == "--").unwrap_or(words.len());
        let (before, after) = words.split_at(end);
        let asked = home.run(&[before, &["--help"], after].concat());
        if asked.code != Some(0) || !asked.out.contains("Usage: vschsm") {
            gone.push(format!("{line}: {}", asked.err));
        }
    }
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn each_exit_code_means_what_it_did() {
    let home = Home::new();
    fs::write(home.path("wrong.apdu"), "# Sentence.\nsource: guess\n\n> 00\n< 9000\n").unwrap();
    for (line, code) in [
        ("--version", 0),
        ("--help", 0),
        ("help run", 0),
        ("help ctl insert", 0),
        ("man seal", 0),
        ("man unseal", 0),
        ("show ./nowhere.card", 1),
        ("run --no-such-option", 2),
        ("no-such-command", 2),
        ("firmware 9.9", 2),
        ("ctl list", 2),
        ("check --firmware 3.4 wrong.apdu", 3),
        ("check import-bug --firmware 3.1", 3),
        ("exec -- true", 0),
        ("exec -- false", 1),
        ("exec -- ./no-such-program", 127),
    ] {
        let end = home.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(end.code, Some(code), "{line}: {}", end.err);
    }
    let killed = home.run(&["exec", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.code, Some(128 + 15), "{}", killed.err);
}

/// `VSCHSM_DUMPABLE` is in `memory.rs`.
#[test]
fn each_environment_variable_is_heeded() {
    let home = Home::new();
    let card = copied(&home, "encrypted.card");
    let run = |variables: &[&str], arguments: &[&str]| {
        let program = [env!("CARGO_BIN_EXE_vschsm")];
        home.run_program("env", &[variables, &program, arguments].concat())
    };
    let show = ["show", text(&card)];
    run(&["VSCHSM_PASSPHRASE=correct horse"], &show).ok();
    assert_eq!(run(&["VSCHSM_PASSPHRASE=another"], &show).code, Some(1));
    let both = ["VSCHSM_PASSPHRASE=correct horse", "VSCHSM_NEW_PASSPHRASE=battery staple"];
    run(&both, &["seal", text(&card)]).ok();
    run(&["VSCHSM_PASSPHRASE=battery staple"], &show).ok();

    let data = format!("XDG_DATA_HOME={}", text(&home.path("elsewhere")));
    run(&[&data], &["new", "alice"]).ok();
    assert!(home.path("elsewhere/vschsm/alice.card").exists());
    let told = "test -S $PCSCLITE_CSOCK_NAME && test -S $VSCHSM_CONTROL";
    run(&[], &["exec", "--", "sh", "-c", told]).ok();
}
