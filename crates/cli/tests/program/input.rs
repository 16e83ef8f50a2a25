//! Files that are no files of the kind which is wanted, and paths that are no text.

use crate::ctl::World;
use crate::vschsm::{End, Home, LOGIN, TRIES, text};

/// Runs the program where it may have 2 GB of addresses: without a limit to what it reads, it would
/// have them all.
fn run(home: &Home, arguments: &[&str]) -> End {
    let limited = "ulimit -v 2000000; exec \"$@\"";
    let program = ["-c", limited, "sh", env!("CARGO_BIN_EXE_vschsm")];
    home.run_program("sh", &[&program, arguments].concat())
}

#[test]
fn a_file_without_an_end_is_refused_wherever_one_is_named() {
    let home = Home::new();
    let card = home.card("a.card");
    let made = ["new", "./b.card", "--initialize"];
    let with = |options: &[&'static str]| [&made, options].concat();
    let commands = [
        vec!["verify", "/dev/zero"],
        vec!["blob", "/dev/zero"],
        vec!["check", "/dev/zero"],
        vec!["dkek", "show", "/dev/zero", "--password", "a long password"],
        vec!["apdu", "--faults", "/dev/zero", TRIES],
        vec!["apdu", "--firmware", "/dev/zero", TRIES],
        vec!["apdu", "--device-key", "/dev/zero", "--chain", "/dev/zero", TRIES],
        vec!["new", "./b.card", "--provision", "/dev/zero"],
        vec!["new", "./b.card", "--passphrase-file", "/dev/zero"],
        vec!["seal", text(&card), "--new-passphrase-file", "/dev/zero"],
        with(&["--dkek-share", "/dev/zero"]),
        with(&["--key", "ec:secp256r1,id=10", "--cert", "10=/dev/zero"]),
    ];
    for command in commands {
        let end = run(&home, &command);
        assert!(
            end.err.contains("/dev/zero: it is longer than the limit of "),
            "{command:?}: {end:?}"
        );
        assert_eq!(end.code, Some(1), "{command:?}");
        assert_eq!(end.err.lines().count(), 1, "{command:?}: {end:?}");
    }
    assert!(!home.path("b.card").exists());
    for command in ["show", "keys"] {
        assert!(run(&home, &[command, "/dev/zero"]).failed().contains("is not a file"));
    }
    let world = World::exec(&[]);
    let why = world.ctl(&["set-faults", "/dev/zero"]).failed();
    assert!(why.contains("it is longer than the limit of "), "{why}");
    let endless = "\"$1\" apdu - </dev/zero";
    let end = home.run_program("sh", &["-c", endless, "sh", env!("CARGO_BIN_EXE_vschsm")]);
    assert!(end.failed().contains("cannot read standard input: it is longer than the limit of "));
}

#[test]
fn a_pipe_is_as_good_as_a_file_with_an_end() {
    let home = Home::new();
    let script = "mkfifo pipe
        echo 'correct horse' >pipe & \"$1\" new ./a.card --initialize --passphrase-file pipe
        echo 'correct horse' >pipe &
        \"$1\" apdu --select --card ./a.card --passphrase-file pipe 00200081";
    let end = home.run_program("sh", &["-ec", script, "sh", env!("CARGO_BIN_EXE_vschsm")]);
    assert!(end.ok().ends_with("\n63C3\n"));
}

/// The card is called as no text can be.
#[test]
fn paths_may_be_any_bytes() {
    let home = Home::new();
    let script = format!(
        "card=$(printf './a\\377.card') firmware=$(printf './\\377.toml') vschsm=$1
        export card vschsm
        \"$vschsm\" firmware 2.6 >\"$firmware\"
        \"$vschsm\" new \"$card\" --firmware \"$firmware\" --initialize --pin 12345678
        \"$vschsm\" show \"$card\" >/dev/null
        \"$vschsm\" keys \"$card\" >/dev/null
        \"$vschsm\" verify \"$card\" >/dev/null || [ $? = 3 ]
        \"$vschsm\" apdu --select --card \"$card\" '{LOGIN}'
        \"$vschsm\" apdu --select --card-template \"$card\" '{LOGIN}'
        \"$vschsm\" exec --card \"$card\" --watch -- \"$vschsm\" ctl list
        \"$vschsm\" exec --no-card -- sh -ec '
            \"$vschsm\" ctl insert \"$card\"
            \"$vschsm\" ctl snapshot \"$card.before\"
            \"$vschsm\" ctl restore \"$card.before\"
            \"$vschsm\" ctl remove'
        VSCHSM_PASSPHRASE='correct horse' \"$vschsm\" seal \"$card\"
        printf 'name '; \"$vschsm\" new \"$(printf 'b\\377')\" | wc -l
        ls vschsm | od -An -c"
    );
    let end = home.run_program("sh", &["-ec", &script, "sh", env!("CARGO_BIN_EXE_vschsm")]);
    let out = end.ok();
    assert_eq!(out.lines().filter(|line| *line == "9000").count(), 2, "{out}");
    assert!(out.contains("firmware 2.6, "), "{out}");
    assert!(out.contains("b 377   .   c   a   r   d"), "{out}");
}
