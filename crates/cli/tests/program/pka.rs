//! `vschsm pka`: custodians' cards open a card.

use crate::readers::{Made, Readers};
use crate::vschsm::{SELECT, TRIES, text};
use std::fs;

const PIN: &str = "648219";

/// The serial numbers of the card and of its custodians.
const CARD: &str = "ZZVS0000001";
const CUSTODIANS: [&str; 3] = ["ZZVS0000002", "ZZVS0000003", "ZZVS0000004"];

/// A custodian's card with key 1.
fn custodian<'a>(firmware: &'a str, serial: &'a str, options: &'a [&'a str]) -> Made<'a> {
    Made { firmware, serial, options, keys: None }
}

/// A card that two of three keys open, in reader 0, and three custodians.
fn readers(firmware: &str) -> Readers {
    let key = |kind| ["--initialize", "--key", kind];
    let (first, second, third) =
        (key("ec:secp256r1"), key("ec:brainpoolP320r1"), key("ec:secp384r1"));
    Readers::with(&[
        Made { firmware, serial: CARD, options: &[], keys: Some([3, 2]) },
        custodian("1.2", CUSTODIANS[0], &first),
        custodian("2.6", CUSTODIANS[1], &second),
        custodian("3.4", CUSTODIANS[2], &third),
    ])
}

/// `READER:1` of each custodian.
fn keys() -> [String; 3] {
    CUSTODIANS.map(|serial| format!("{serial}:1"))
}

/// The card, all custodians registered.
fn registered(firmware: &str) -> Readers {
    let readers = readers(firmware);
    let [one, two, three] = &keys();
    let custodians = ["--custodian", one, "--custodian", two, "--custodian", three];
    readers.run(&[&["pka", "register", "--reader", CARD], &custodians[..]].concat()).ok();
    readers
}

/// Arguments that open the card with a custodian.
fn authenticate<'a>(custodian: &'a str, pin: &'a str) -> [&'a str; 8] {
    ["pka", "authenticate", "--reader", CARD, "--custodian", custodian, "--pin", pin]
}

#[test]
fn two_of_three_custodians_open_a_card_for_who_is_connected() {
    for firmware in ["2.6", "3.4"] {
        let readers = readers(firmware);
        let file = readers.home.path("three.pka");
        let [one, two, _] = &keys();
        let key = ["--reader", CUSTODIANS[2], "--key", "1", text(&file)];
        let told = readers.run(&[&["pka", "export"], &key[..]].concat()).ok();
        assert!(told.starts_with("ZZVS000000400001, key, EC secp384r1, by ZZVS000000400000. A vi"));
        let early = readers.run(&authenticate(one, PIN)).failed();
        assert!(early.contains("register 3 more with"), "{early}");

        let custodians = ["--custodian", one, "--custodian", two, text(&file)];
        let register = ["pka", "register", "--reader", CARD];
        let told = readers.run(&[&register, &custodians[..]].concat()).ok();
        assert!(told.contains("its root is ZZSRCAVS100001"), "{told}");
        assert!(told.contains("Registered ZZVS000000200001; 2 keys missing.\n"), "{told}");
        assert!(told.ends_with("Registered ZZVS000000400001; no key is missing.\n"), "{told}");

        let (mut client, handle) = readers.connected(0);
        assert_eq!(client.ask(handle, SELECT).unwrap(), "9000");
        let end = readers.run(&authenticate(one, PIN));
        assert_eq!(end.err, "ZZVS000000200001 has authenticated.\n");
        assert!(end.out.ends_with("\n1 authenticated: not logged in.\n"), "{}", end.out);
        assert_eq!(client.ask(handle, TRIES).unwrap(), "63C3");
        let told = readers.run(&authenticate("ZZVS0000004:1", PIN)).ok();
        assert_eq!(
            told,
            "3 keys, 2 required, 0 missing\n  0: ZZVS000000200001, has authenticated\n  \
             1: ZZVS000000300001\n  2: ZZVS000000400001, has authenticated\n\
             2 authenticated: logged in.\n"
        );
        assert_eq!(client.ask(handle, TRIES).unwrap(), "9000", "open on {firmware}");
        let status = readers.run(&["pka", "status", "--reader", CARD, "--json"]).ok();
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        assert_eq!(status["open"], true, "whoever asks does not close it");
        assert_eq!(status["keys"][1]["authenticated"], false);
        assert_eq!(client.ask(handle, SELECT).unwrap(), "9000");
        assert_eq!(client.ask(handle, TRIES).unwrap(), "63C3", "selected anew");
    }
}

#[test]
fn who_comes_at_once_finds_the_card_open_and_the_custodians_closed() {
    let readers = registered("3.4");
    let [one, two, _] = &keys();
    let both = ["--custodian", one, "--custodian", two, "--pin", PIN, "--pin", PIN];
    readers.run(&[&["pka", "authenticate", "--reader", CARD], &both[..]].concat()).ok();
    assert_eq!(readers.ask(0, TRIES), "9000");
    for number in 1..=3 {
        assert_eq!(readers.ask_anew(number, TRIES), "63C3", "custodian {number}");
    }
}

#[test]
fn in_secure_messaging_no_pin_is_in_the_clear_and_the_card_is_closed_in_the_end() {
    let readers = readers("3.4");
    let [one, two, three] = &keys();
    let card = ["--reader", CARD, "--secure-messaging"];
    let custodians = ["--custodian", one, "--custodian", two, "--custodian", three];
    let end = readers.run(&[&["pka", "register"], &card[..], &custodians].concat());
    for told in [
        "Secure messaging with ZZVS000000200000, 3DES. A virtual card",
        "Secure messaging with ZZVS000000300000, AES-128. A virtual card",
        "Secure messaging with ZZVS000000100000, AES-128. A virtual card",
    ] {
        assert!(end.err.contains(told), "{told} in {end:?}");
    }
    let pins = ["--pin", PIN, "--pin", PIN, "--pin", PIN];
    let told =
        readers.run(&[&["pka", "authenticate"], &card[..], &custodians, &pins].concat()).ok();
    assert!(told.ends_with("3 authenticated: logged in.\n"), "{told}");

    let trace = fs::read_to_string(readers.home.path("trace")).unwrap();
    for ours in ["VERIFY", "SIGN", "EXTERNAL AUTHENTICATE", "MANAGE PUBLIC KEY AUTHENTICATION"] {
        let mut lines = trace.lines().filter(|line| line.contains(ours)).peekable();
        assert!(lines.peek().is_some(), "no {ours} in {trace}");
        assert!(lines.all(|line| line.contains("protected")), "{ours} in {trace}");
    }
    assert_eq!(readers.ask(0, TRIES), "63C3", "the login has ended with the channel");
}

#[test]
fn pins_are_sent_where_they_are_of_use_alone_and_never_as_the_last_try() {
    let readers = registered("3.4");
    let [one, two, _] = &keys();
    readers.run(&authenticate(one, PIN)).ok();
    let again = readers.run(&authenticate(one, "000000"));
    assert_eq!(again.err, "ZZVS000000200001 has authenticated already; no PIN was sent.\n");
    assert_eq!((again.code, readers.ask_anew(1, TRIES)), (Some(0), "63C3".into()));

    for refusal in ["63C2", "63C1"] {
        let wrong = readers.run(&authenticate(two, "000000")).failed();
        assert!(wrong.contains(&format!("refuses the PIN with {refusal}")), "{wrong}");
    }
    let last = readers.run(&authenticate(two, PIN)).failed();
    assert!(last.contains("no PIN was tried") && last.contains("63C1"), "{last}");
    assert_eq!(readers.ask_anew(2, TRIES), "63C1");
    assert!(readers.run(&["pka", "status", "--reader", CARD]).ok().contains("1 authenticated"));

    let unequal = readers.run(&[&authenticate(one, PIN)[..], &["--pin", PIN]].concat());
    assert_eq!(unequal.code, Some(2), "{unequal:?}");
    let silent = readers.run(&authenticate(one, PIN)[..6]);
    assert!(silent.code == Some(2) && silent.err.contains("no terminal"), "{silent:?}");
    let own = readers.run(&authenticate(&format!("{CARD}:1"), PIN));
    assert!(own.code == Some(2) && own.err.contains("is the one to log in to"), "{own:?}");
}

#[test]
fn a_card_that_only_has_the_name_of_a_custodian_is_not_taken_for_it() {
    let key = ["--initialize", "--key", "ec:secp256r1", "--key", "ec:secp256r1"];
    let readers = Readers::with(&[
        Made { firmware: "3.4", serial: CARD, options: &[], keys: Some([1, 1]) },
        custodian("3.4", CUSTODIANS[0], &key),
        // The same names, and other keys.
        custodian("3.4", CUSTODIANS[0], &key),
    ]);
    let register = |custodian: &str| {
        readers.run(&["pka", "register", "--reader", CARD, "--custodian", custodian])
    };
    let ambiguous = register(&format!("{}:1", CUSTODIANS[0]));
    assert!(ambiguous.code == Some(2) && ambiguous.err.contains("there are"), "{ambiguous:?}");
    register(") 01 00:1").ok();
    let twice = register(") 01 00:1").failed();
    assert!(twice.contains("this key, or another one with this name"), "{twice}");
    let full = register(") 01 00:2").failed();
    assert!(full.contains("all its keys are registered"), "{full}");

    let other = readers.run(&authenticate(") 02 00:1", PIN)).failed();
    assert!(other.contains("another key is registered under this name"), "{other}");
    let unknown = readers.run(&authenticate(") 01 00:2", "000000")).failed();
    assert!(unknown.contains("not registered") && unknown.contains("no PIN was sent"), "{unknown}");
    assert_eq!(readers.ask_anew(1, TRIES), "63C3");
    assert_eq!(readers.ask(0, TRIES), "63C3", "still closed");
}

#[test]
fn what_is_in_the_way_is_said_with_what_to_do() {
    let rsa = ["--initialize", "--key", "rsa:1024", "--key", "ec:secp256r1", "--cert", "02=CN=A"];
    let readers = Readers::with(&[
        Made { firmware: "1.2", serial: CARD, options: &["--initialize"], keys: None },
        custodian("3.4", CUSTODIANS[0], &rsa),
        Made { firmware: "3.4", serial: CUSTODIANS[1], options: &[], keys: Some([2, 1]) },
    ]);
    let old = readers.run(&["pka", "status", "--reader", CARD]).failed();
    assert!(old.contains("is older than 2.0: initialise it with `sc-hsm-tool"), "{old}");
    let other = readers.run(&["pka", "status", "--reader", CUSTODIANS[0]]).failed();
    assert!(other.contains("was not initialised for public key authentication"), "{other}");

    let file = readers.home.path("it.pka");
    let export = |key: &str| {
        readers.run(&["pka", "export", "--reader", CUSTODIANS[0], "--key", key, text(&file)])
    };
    for (key, why) in [
        (
            "1",
            "ZZVS000000200001 in Nitrokey Nitrokey HSM (ZZVS00000020000         ) 01 00 is an RSA",
        ),
        ("2", "has no request in EF CE02"),
        ("3", "has no EF CE03"),
    ] {
        let told = export(key).failed();
        assert!(told.contains(why), "{told}");
        assert!(!file.exists());
    }

    fs::write(&file, "nonsense").unwrap();
    let register = ["pka", "register", "--reader", CUSTODIANS[1], text(&file)];
    let told = readers.run(&register).failed();
    assert!(
        told.contains("is not a custodian's key: create one with `vschsm pka export`"),
        "{told}"
    );
    assert_eq!(readers.run(&register[..4]).code, Some(2));
}

#[test]
fn a_key_file_that_was_changed_is_not_registered() {
    let readers = readers("3.4");
    let file = readers.home.path("one.pka");
    let one = ["--reader", CUSTODIANS[0], "--key", "1", text(&file)];
    readers.run(&[&["pka", "export"], &one[..]].concat()).ok();
    let content = fs::read(&file).unwrap();
    let register = ["pka", "register", "--reader", CARD, text(&file)];
    for place in [100, content.len() / 2, content.len() - 1] {
        let mut changed = content.clone();
        changed[place] ^= 1;
        fs::write(&file, changed).unwrap();
        assert!(readers.run(&register).failed().contains("not verified"), "byte {place}");
    }
    fs::write(&file, content).unwrap();
    assert!(readers.run(&register).ok().contains("2 keys missing"));
}
