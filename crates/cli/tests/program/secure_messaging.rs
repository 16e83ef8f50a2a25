//! `--secure-messaging`: the program's own commands in a channel with the card.

use crate::readers::{Made, Readers};
use std::fs;

const SERIAL: &str = "ZZVS0000001";

fn card(firmware: &str) -> Readers {
    let options = ["--initialize", "--key", "ec:secp256r1"];
    Readers::with(&[Made { firmware, serial: SERIAL, options: &options, keys: None }])
}

/// The firmwares that are tried, and the protocol of each.
const PROTOCOLS: [(&str, &str); 3] = [("1.2", "3DES"), ("2.6", "AES-128"), ("3.4", "AES-128")];

#[test]
fn a_card_is_verified_with_the_key_that_its_certificate_is_for() {
    for (firmware, protocol) in PROTOCOLS {
        let readers = card(firmware);
        let end = readers.run(&["verify", "--reader", SERIAL, "--secure-messaging"]);
        assert!(end.out.contains("ZZVS000000100001, key, EC secp256r1, by ZZVS000000100000: ver"));
        assert_eq!(
            end.err,
            format!(
                "Secure messaging with ZZVS000000100000, {protocol}. A virtual card: its root is \
                 ZZSRCAVS100001, whose private key is published.\n"
            )
        );
        assert_eq!(end.code, Some(0));
        let trace = fs::read_to_string(readers.home.path("trace")).unwrap();
        let mut listed = trace.lines().filter(|line| line.contains("ENUMERATE OBJECTS"));
        assert!(listed.next().is_some_and(|line| line.contains("protected")), "{trace}");
    }
}

#[test]
fn a_check_plays_what_can_be_sealed_and_says_what_cannot() {
    for (firmware, protocol) in PROTOCOLS {
        let readers = card(firmware);
        let check = ["check", "--reader", SERIAL, "--secure-messaging"];
        let told = readers.run(&check).ok();
        assert!(
            told.contains(&format!(" ({firmware} in secure messaging, {protocol}) ")),
            "{told}"
        );
        assert!(
            told.contains("each sends a class that cannot be protected: dispatch/classes.apdu")
        );
        assert!(told.ends_with("All checks passed.\n"), "{told}");
        let passed = told.split(") ").last().and_then(|rest| rest.split(' ').next());
        assert!(
            passed.is_some_and(|count| count.parse().is_ok_and(|count: u32| count >= 15)),
            "{told}"
        );
    }
}

#[test]
fn the_import_bug_is_looked_for_in_a_channel() {
    for (firmware, code) in [("1.2", 0), ("3.1", 3), ("3.4", 0)] {
        let options = ["--initialize", "--dkek-shares", "0"];
        let readers =
            Readers::with(&[Made { firmware, serial: SERIAL, options: &options, keys: None }]);
        let check = ["check", "import-bug", "--reader", SERIAL, "--pin", "648219"];
        let end = readers.run(&[&check[..], &["--secure-messaging"]].concat());
        assert_eq!(end.code, Some(code), "{end:?}");
        assert!(end.err.contains("The card has the same keys and files as before."), "{end:?}");
        let trace = fs::read_to_string(readers.home.path("trace")).unwrap();
        let mut wrapped = trace.lines().filter(|line| line.contains("WRAP KEY")).peekable();
        assert!(
            wrapped.peek().is_some() && wrapped.all(|line| line.contains("protected")),
            "{trace}"
        );
    }
}

#[test]
fn a_channel_is_with_a_card_in_a_reader() {
    let readers = card("3.4");
    for command in [&["check", "--secure-messaging"][..], &["verify", "--secure-messaging", "a"]] {
        assert_eq!(readers.run(command).code, Some(2), "{command:?}");
    }
}
