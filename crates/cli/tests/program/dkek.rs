//! `vschsm dkek`: share files of the device key-encryption key.

use crate::vschsm::{Home, text};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const SHARE: &str = "A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5";
const OTHER: &str = "E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1";
const QUICK: [&str; 4] = ["--password", "secret", "--iterations", "1000"];

/// INITIALIZE DEVICE with two DKEK shares.
const TWO_SHARES: &str =
    "80500000 1E 80020001 8108 3132333435363738 8208 3132333435363738 91010A 920102";

fn create(home: &Home, name: &str, share: &str) {
    home.run(&[&["dkek", "create", name, "--share", share][..], &QUICK].concat()).ok();
}

#[test]
fn shares_show_their_check_values_and_that_of_the_key_they_make() {
    let home = Home::new();
    create(&home, "a.pbe", SHARE);
    create(&home, "e.pbe", OTHER);
    let mode = fs::metadata(home.path("a.pbe")).unwrap().permissions().mode();
    assert_eq!((mode & 0o777, fs::read(home.path("a.pbe")).unwrap().len()), (0o600, 64));

    let shown = home.run(&[&["dkek", "show", "a.pbe", "e.pbe"][..], &QUICK].concat()).ok();
    // A publicly documented Nitrokey HSM printed this for the two shares.
    assert!(shown.ends_with("DKEK of 2 shares  key check value BB391415C05E39D7\n"), "{shown}");
    assert!(!shown.contains(SHARE), "{shown}");
    let shown = home.run(&[&["dkek", "show", "a.pbe", "--reveal"][..], &QUICK].concat()).ok();
    assert!(shown.contains(&format!("share {SHARE}\n")), "{shown}");
}

#[test]
fn a_share_without_a_value_is_random() {
    let home = Home::new();
    let create = |name| home.run(&[&["dkek", "create", name][..], &QUICK].concat()).ok();
    assert_ne!(create("one.pbe"), create("two.pbe"));
}

#[test]
fn so_many_of_a_password_s_shares_open_the_file_and_fewer_do_not() {
    let home = Home::new();
    let count = ["--threshold", "2", "--shares", "3", "--iterations", "1000"];
    let made =
        home.run(&[&["dkek", "create", "a.pbe", "--share", SHARE][..], &count].concat()).ok();
    let words =
        |title| made.lines().filter_map(move |line| line.strip_prefix(title)).map(str::trim);
    let prime = words("Prime").next().unwrap();
    let shares: Vec<_> = words("Share").collect();
    let [one, two, three] = *shares.as_slice() else { panic!("three shares in {made}") };

    let show = |shares: &[&str]| {
        let mut arguments = vec!["dkek", "show", "a.pbe", "--iterations", "1000", "--prime", prime];
        arguments.extend(shares.iter().flat_map(|share| ["--password-share", *share]));
        home.run(&arguments)
    };
    for pair in [[one, two], [two, three], [three, one]] {
        assert!(show(&pair).ok().contains("key check value"));
    }
    assert!(show(&[one]).failed().contains("the password is wrong"));
    assert_eq!(show(&[one, one]).code, Some(2));
}

#[test]
fn shares_are_imported_into_a_card_until_they_are_all_there() {
    let home = Home::new();
    create(&home, "a.pbe", SHARE);
    create(&home, "e.pbe", OTHER);
    let path = home.path("a.card");
    home.run(&["new", text(&path)]).ok();
    home.run(&["apdu", "--select", "--card", text(&path), TWO_SHARES]).ok();

    let import =
        |file| home.run(&[&["dkek", "import", file, "--card", text(&path)][..], &QUICK].concat());
    assert_eq!(import("a.pbe").ok(), "a.pbe imported: 1 of 2 shares missing\n");
    let all = "e.pbe imported: all 2 shares imported, key check value BB391415C05E39D7\n";
    assert_eq!(import("e.pbe").ok(), all);
    assert!(import("a.pbe").failed().contains("all shares of the key domain have been imported"));
    let none = home.card("none.card");
    let end = home.run(&[&["dkek", "import", "a.pbe", "--card", text(&none)][..], &QUICK].concat());
    assert!(end.failed().contains("initialised without a DKEK"));
}

#[test]
fn what_is_wrong_is_told_in_a_sentence() {
    let home = Home::new();
    create(&home, "a.pbe", SHARE);
    let wrong =
        home.run(&["dkek", "show", "a.pbe", "--password", "Secret", "--iterations", "1000"]);
    assert_eq!(wrong.failed(), "vschsm: a.pbe: the password is wrong\n");
    let again = home.run(&[&["dkek", "create", "a.pbe"][..], &QUICK].concat());
    assert!(again.failed().contains("exists already"));
    fs::write(home.path("other"), "something else").unwrap();
    let other = home.run(&[&["dkek", "show", "other"][..], &QUICK].concat());
    assert!(other.failed().contains("not a DKEK share file"));
    let missing = home.run(&[&["dkek", "show", "missing"][..], &QUICK].concat());
    assert!(missing.failed().contains("cannot read missing"));
    for usage in [
        &["dkek", "create", "b.pbe"][..],
        &["dkek", "create", "b.pbe", "--password", "short"],
        &["dkek", "create", "b.pbe", "--password", "secret", "--share", "A5"],
        &["dkek", "create", "b.pbe", "--threshold", "3", "--shares", "2"],
        &["dkek", "create", "b.pbe", "--threshold", "2"],
        &["dkek", "show"],
    ] {
        assert_eq!(home.run(usage).code, Some(2), "{usage:?}");
        assert!(!home.path("b.pbe").exists(), "{usage:?}");
    }
}
