//! `vschsm apdu`, and the trace that `--trace` writes.

use crate::vschsm::{Home, INITIALIZE, LOGIN, SELECT, TRIES, WRONG_PIN, text};
use std::fs;
use std::process::Command;

#[test]
fn every_argument_is_a_command_and_every_line_an_answer() {
    let home = Home::new();
    let answers = home
        .run(&["apdu", "--select", INITIALIZE, "00:20:00:81", "00 20 00 88", "0084000001"])
        .ok();
    let answers: Vec<_> = answers.lines().collect();
    assert!(matches!(answers.as_slice(), ["9000", "9000", "63CF", random] if random.len() == 6));
}

#[test]
fn the_card_manager_answers_until_the_applet_is_selected_and_a_hint_says_so_once() {
    let home = Home::new();
    let hinted = |arguments: &[&str]| {
        let end = home.run(&[&["apdu"], arguments].concat());
        assert_eq!(end.code, Some(0), "{end:?}");
        (end.out, end.err.matches("send SELECT, 00A4040C0BE82B0601040181C31F0201, first").count())
    };
    assert_eq!(hinted(&[TRIES, "0084000008"]), ("6D00\n6D00\n".into(), 1));
    assert_eq!(hinted(&["--firmware", "2.6", TRIES]), ("6E00\n".into(), 1));
    // Who has selected something, or been told, knows.
    assert_eq!(hinted(&["--select", TRIES, "00EE0000"]), ("6A88\n6D00\n".into(), 0));
    assert_eq!(hinted(&[SELECT, TRIES, "00EE0000"]), ("9000\n6A88\n6D00\n".into(), 0));
    assert_eq!(hinted(&["00A4040000", TRIES]).1, 0);
    assert_eq!(home.run_with(&["apdu", "--select", "-"], TRIES).ok(), "6A88\n");
}

#[test]
fn who_wants_the_applet_and_does_not_get_it_is_told() {
    let home = Home::new();
    let script = "[[fault]]\nwhen = { command = \"SELECT\" }\ndo = { answer = \"6A82\" }\n";
    fs::write(home.path("faults.toml"), script).unwrap();
    let end = home.run(&["apdu", "--select", "--faults", "./faults.toml", TRIES]);
    assert_eq!(end.out, "");
    assert!(end.failed().contains("cannot select the applet: the response is 6A82"));
}

#[test]
fn commands_come_from_standard_input_with_comments_and_empty_lines() {
    let home = Home::new();
    let input = format!("# first\n{INITIALIZE} # as delivered\n\n   \n{TRIES}\n");
    assert_eq!(home.run_with(&["apdu", "--select", "-"], &input).ok(), "9000\n9000\n");

    let end = home.run_with(&["apdu", "--select", "-"], "00200081\n\n0020008x\n");
    assert_eq!((end.code, end.out.as_str()), (Some(2), "6A88\n"));
    assert_eq!(end.err, "vschsm: line 3: 'x' is not a hexadecimal digit\n");
}

#[test]
fn a_slip_in_any_argument_is_wrong_usage_and_nothing_is_sent() {
    let home = Home::new();
    let path = home.card("a.card");
    let before = fs::read(&path).unwrap();
    for slip in ["0020008", "0020008g", "", " "] {
        let end = home.run(&["apdu", "--select", "--card", text(&path), WRONG_PIN, slip]);
        assert_eq!((end.code, end.out.as_str()), (Some(2), ""), "{slip:?}");
        assert_eq!(end.err.lines().count(), 1, "{}", end.err);
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    let both = home.run(&["apdu", "--select", "--card", text(&path), "--firmware", "2.6", TRIES]);
    assert_eq!(both.code, Some(2));
}

#[test]
fn a_stored_card_keeps_what_it_answered_and_starts_a_session_each_time() {
    let home = Home::new();
    let path = home.card("a.card");
    let ask = |apdu: &str| home.run(&["apdu", "--select", "--card", text(&path), apdu]).ok();
    assert_eq!(ask(WRONG_PIN), "63C9\n");
    assert_eq!(ask(TRIES), "63C9\n");
    assert_eq!(ask(LOGIN), "9000\n");
    assert_eq!(ask(TRIES), "63CA\n");
}

#[test]
fn a_seed_fixes_a_card_in_memory_and_never_repeats_on_a_stored_one() {
    let home = Home::new();
    let path = home.card("a.card");
    let fresh = || home.run(&["apdu", "--select", "--seed", "x", "0084000010"]).ok();
    assert_eq!(fresh(), fresh());
    let stored =
        || home.run(&["apdu", "--select", "--card", text(&path), "--seed", "x", "0084000010"]).ok();
    assert_ne!(stored(), stored());
}

#[test]
fn a_trace_tells_every_command_in_words_and_no_secret() {
    let home = Home::new();
    let secret = "00D7CD01 0A 54020000 5304 DEADBEEF";
    let read = "00B1CD01 000004 54020000 0000";
    let commands = [INITIALIZE, WRONG_PIN, secret, LOGIN, read];
    let end = home.run(&[["apdu", "--select", "--trace"].as_slice(), &commands].concat());
    let lines: Vec<_> = end.err.lines().map(|line| line.rsplit_once(", ").unwrap()).collect();
    let told: Vec<_> = lines.iter().map(|(told, _)| *told).collect();
    assert_eq!(
        told,
        [
            "SELECT SmartCard-HSM -> 9000, 12 bytes 6F0A82017885050000000304",
            "INITIALIZE DEVICE options 0001, user PIN (8 bytes, redacted), \
             SO-PIN (8 bytes, redacted), 10 tries -> 9000",
            "VERIFY user PIN (8 bytes, redacted) -> 63C9 wrong, 9 tries left",
            "UPDATE BINARY CD01 at 0, 4 bytes redacted -> 6982 security status not satisfied",
            "VERIFY user PIN (8 bytes, redacted) -> 9000",
            "READ BINARY CD01 at 0 to the end -> 6A82 file or application not found",
        ]
    );
    assert!(lines.iter().all(|(_, time)| time.ends_with("s")), "{}", end.err);
}

#[test]
fn a_trace_is_added_to_its_file() {
    let home = Home::new();
    for _ in 0..2 {
        home.run(&["apdu", "--select", "--trace=trace.log", TRIES]).ok();
    }
    assert_eq!(fs::read_to_string(home.path("trace.log")).unwrap().lines().count(), 4);
}

#[test]
fn a_trace_is_never_added_to_a_card_or_a_pipe() {
    let home = Home::new();
    let path = home.card("a.card");
    let before = fs::read(&path).unwrap();
    let trace = format!("--trace={}", path.display());
    assert_eq!(home.run(&["apdu", "--select", "--card", text(&path), &trace, TRIES]).code, Some(2));
    assert_eq!(fs::read(&path).unwrap(), before);

    let pipe = home.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let trace = format!("--trace={}", pipe.display());
    assert_eq!(home.run(&["apdu", "--select", &trace, TRIES]).code, Some(2));
}
