//! `vschsm check --reader`: the vectors on a virtual card.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use clients::{Finished, PIN, SO_PIN, Station, Way, both_ways, key};

both_ways! {
    without_leave_a_check_changes_nothing,
    with_leave_every_vector_passes,
    in_secure_messaging_every_vector_passes_that_can_be_sealed,
    a_card_that_deviates_is_caught,
    a_card_of_a_version_without_vectors_owes_the_answers_that_the_user_says,
    no_so_pin_is_guessed,
    the_last_tries_of_an_so_pin_are_not_spent,
    the_import_bug_shows_on_a_card_that_may_be_initialised,
    the_import_bug_shows_on_a_card_in_use_which_stays_as_it_was,
    what_the_check_needs_and_does_not_have_is_said,
}

/// A card of that firmware as delivered.
fn card_of(way: Way, firmware: &str) -> Station {
    Station::delivered(way, &["--firmware", firmware])
}

/// A card with the firmware `base` but for what stands in one place of its file.
fn card_with(way: Way, base: &str, (place, instead): (&str, &str)) -> Station {
    let mut station = Station::without_card(way);
    let source = station.vschsm(&["firmware", base]).succeeded().text();
    assert!(source.contains(place), "{place} in {base}");
    station.write("mine.toml", source.replacen(place, instead, 1));
    station.deliver(&["--firmware", "./mine.toml"]);
    station
}

/// Checks the station's card.
fn check(station: &Station, options: &[&str]) -> Finished {
    station.vschsm(&[&["check", "--reader", &station.reader(0)], options].concat())
}

/// How many checks are counted in front of `what`.
fn count(finished: &Finished, what: &str) -> usize {
    let text = finished.text();
    let (before, _) = text.split_once(what).unwrap_or_else(|| panic!("no {what}: {finished}"));
    before.split_whitespace().last().unwrap().parse().unwrap()
}

fn without_leave_a_check_changes_nothing(way: Way) {
    for (firmware, initialised) in [("3.4", true), ("2.6", true), ("1.2", false)] {
        let station = card_of(way, firmware);
        if initialised {
            station.initialize(&[]);
            station.generate(key("EC:secp256r1")).succeeded();
        }
        let before = station.read("test.card");

        let finished = check(&station, &[]).succeeded().says("All checks passed.");

        assert!(count(&finished, "checks passed") >= 15, "{finished}");
        finished.says("may change the card").never_says("INITIALIZE DEVICE");
        assert_eq!(station.read("test.card"), before, "{firmware}");
    }
}

fn with_leave_every_vector_passes(way: Way) {
    for (firmware, least) in [("3.4", 190), ("2.6", 150), ("1.2", 140)] {
        let station = card_of(way, firmware);

        let finished = check(&station, &["--destructive"]).succeeded().says("All checks passed.");

        assert!(count(&finished, "checks passed") >= least, "{finished}");
        finished
            .says("all keys and files on it are lost")
            .says("unwrap_key/inline.apdu: initialises the card, which loses its keys and files;")
            .says("verify/so_pin_blocked.apdu")
            .says("spends tries of the SO-PIN, or changes it")
            .never_says("trusts the test root")
            .says("The card is left empty, with user PIN 648219 and SO-PIN 3537363231383830.");
        let status = station.run("sc-hsm-tool", &[]).succeeded();
        let status = status.says("User PIN tries left  : 3");
        if firmware != "1.2" {
            status.says("SO-PIN tries left    : 15");
        }
    }
}

fn in_secure_messaging_every_vector_passes_that_can_be_sealed(way: Way) {
    for (firmware, protocol, least) in
        [("3.4", "AES-128", 190), ("2.6", "AES-128", 150), ("1.2", "3DES", 135)]
    {
        let station = card_of(way, firmware);

        let options = ["--destructive", "--secure-messaging"];
        let finished = check(&station, &options).succeeded().says("All checks passed.");

        assert!(count(&finished, "checks passed") >= least, "{finished}");
        finished
            .says(&format!("({firmware} in secure messaging, {protocol})"))
            .says("each sends a class that cannot be protected: dispatch/")
            .says("each sends a command that is too long for the card once it is protected")
            .says("is about secure messaging itself");
    }
}

fn a_card_that_deviates_is_caught(way: Way) {
    let bug = ("[refuse]\n", "[refuse]\nunwrap-with-algorithm-list = \"6F00\"\n");
    let station = card_with(way, "3.2", bug);

    check(&station, &["--destructive"])
        .ended_with(3)
        .says("unwrap_key/algorithm_list.apdu")
        .says("source   observed (Nitrokey support thread 1783")
        .says("expected 9000")
        .says("got      6F00 no precise diagnosis")
        .says(&format!("vschsm: checks failed: {} (3.2)", station.reader(0)));

    let wrong = check(&station, &["--firmware", "3.4"]).ended_with(3);
    wrong.says("select/applet_fci.apdu").never_says("unwrap_key/algorithm_list.apdu\n");
}

fn a_card_of_a_version_without_vectors_owes_the_answers_that_the_user_says(way: Way) {
    let station = card_with(way, "3.4", ("version = [3, 4]", "version = [9, 9]"));

    check(&station, &[])
        .ended_with(2)
        .says("there is no vector for version 9.9: choose the expected");

    let finished = check(&station, &["--firmware", "3.4"]).ended_with(3).says(", 1 failed");
    finished.says("select/applet_fci.apdu").says("0909 9000");
}

fn no_so_pin_is_guessed(way: Way) {
    let station = card_of(way, "3.4");
    let other = "3132333435363738";
    let initialize = ["--initialize", "--so-pin", other, "--pin", PIN];
    station.run("sc-hsm-tool", &initialize).succeeded();

    let before = station.read("test.card");
    check(&station, &["--destructive"]).ended_with(2).says("give it with --so-pin");
    assert_eq!(station.read("test.card"), before);

    let wrong = ["--destructive", "--so-pin", "3132333435363739"];
    check(&station, &wrong).ended_with(1).says("the card rejects the SO-PIN with 63CE");
    station.run("sc-hsm-tool", &[]).says("SO-PIN tries left    : 14");

    let import_bug = ["check", "import-bug", "--reader", "00 00", "--destructive"];
    let right = station.vschsm(&[&import_bug[..], &["--so-pin", other]].concat()).succeeded();
    right.says("changes the SO-PIN to 3537363231383830");
    station.initialize_as(SO_PIN).never_says("failed");
}

fn the_last_tries_of_an_so_pin_are_not_spent(way: Way) {
    let station = card_of(way, "3.4");
    station.initialize(&[]);
    let mut terminal = station.terminal();
    for tries in (2..15).rev() {
        let response = terminal.exchange("0020008808FFFFFFFFFFFFFFFF");
        assert_eq!(response, format!("63C{tries:X}"));
    }
    terminal.release();
    let before = station.read("test.card");

    let refused = check(&station, &["--destructive"]).ended_with(1);

    refused.says("no SO-PIN was tried: the card has 2 tries left").never_says("INITIALIZE DEVICE");
    assert_eq!(station.read("test.card"), before);
}

fn the_import_bug_shows_on_a_card_that_may_be_initialised(way: Way) {
    for (firmware, code) in [("2.6", 0), ("3.1", 3), ("3.2", 0)] {
        let station = card_of(way, firmware);
        let arguments = ["check", "import-bug", "--reader", "00 00", "--destructive"];

        let finished = station.vschsm(&arguments).ended_with(code);

        finished
            .says("all keys and files on it are lost")
            .says("without an algorithm list  exported, imported, signs")
            .says(if code == 3 { "vschsm: defect found: " } else { "No defect: " });
    }
}

fn the_import_bug_shows_on_a_card_in_use_which_stays_as_it_was(way: Way) {
    for (firmware, code) in [("3.1", 3), ("3.2", 0)] {
        let station = card_of(way, firmware);
        station.initialize(&["--dkek-shares", "0"]);
        station.generate(key("EC:secp256r1")).succeeded();
        let keys = station.run("pkcs15-tool", &["--dump"]).succeeded().text();
        let arguments = ["check", "import-bug", "--reader", "00 00", "--pin"];

        let wrong = station.vschsm(&[&arguments[..], &["000000"]].concat()).ended_with(1);
        wrong.says("refuses the PIN with 63C2");
        station.run("sc-hsm-tool", &[]).says("User PIN tries left  : 2");
        let finished = station.vschsm(&[&arguments[..], &[PIN]].concat()).ended_with(code);

        finished.says("generates key 2").says("The card has the same keys and files as before.");
        assert_eq!(station.run("pkcs15-tool", &["--dump"]).succeeded().text(), keys);
    }
}

fn what_the_check_needs_and_does_not_have_is_said(way: Way) {
    let station = card_of(way, "3.4");
    station.initialize(&[]);
    let before = station.read("test.card");
    let import_bug = ["check", "import-bug", "--reader", "00 00"];
    station.vschsm(&import_bug).ended_with(2).says("--pin").says("--destructive");
    let without_dkek = station.vschsm(&[&import_bug[..], &["--pin", PIN]].concat());
    without_dkek.ended_with(1).says("the card has no DKEK");
    station
        .vschsm(&["check", "--reader", "Nitrokey"])
        .ended_with(2)
        .says(&format!("{:?}", station.reader(0)));
    // vpcd has a second slot, and `vschsm` a reader for each card.
    let (code, why) = way.choose((1, "there is none"), (2, "is not the name of one reader"));
    station.vschsm(&["check", "--reader", "00 01"]).ended_with(code).says(why);
    station.vschsm(&["check", "--destructive"]).ended_with(2);

    let mut terminal = station.terminal();
    terminal.exchange("00200081");
    check(&station, &[]).ended_with(1).says("another program uses it");
    terminal.release();
    check(&station, &[]).succeeded();
    // A login in vain was no change either, but for the saving of its result.
    assert_eq!(station.read("test.card"), before);
}
