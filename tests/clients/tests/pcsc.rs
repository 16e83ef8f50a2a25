//! The reader as PC/SC clients see it.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::time::{Duration, Instant};

use clients::{Answering, CardProcess, Pcscd, Station, Terminal, Way, both_ways, key};
use vschsm_testing::test_card::{domain, ec_template, extended};

both_ways! {
    a_killed_card_comes_back_with_all_it_had,
    a_counter_of_three_allows_three_signatures_whatever_is_killed_between,
    a_reset_logs_out,
    every_odd_apdu_has_an_answer_and_changes_nothing,
}

/// SELECT of the applet, without Le.
const SELECT: &str = "00A4040C0BE82B0601040181C31F0201";

#[test]
fn two_entries_of_a_private_pcscd_are_four_readers_that_share_nothing() {
    let pcscd = Pcscd::started(4);
    let mut cards = Vec::new();
    for slot in 0..4 {
        let card = CardProcess::spawn(Answering::Echo, &pcscd.address(slot), &[]);
        card.wait_until_ready();
        cards.push(card);
    }
    for slot in 0..4 {
        let mut terminal = Terminal::at(&pcscd, slot);
        terminal.wait_for_card();
        assert_eq!(terminal.exchange("0084000003"), "A5A5A59000");
    }

    cards.swap_remove(1).kill();

    Terminal::at(&pcscd, 1).wait_for_removal();
    Terminal::at(&pcscd, 3).wait_for_card();
}

#[test]
fn a_card_is_back_within_two_seconds_of_a_restart_of_pcscd() {
    let mut station = Station::delivered(Way::Pcscd, &[]);
    station.terminal().wait_for_card();

    for _ in 0..3 {
        station.pcscd().stop();
        station.pcscd().start();
        let started = Instant::now();
        station.terminal().wait_for_card();

        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        station.run("opensc-tool", &["--name"]).succeeded().says("SmartCard-HSM");
    }
}

#[test]
fn a_card_started_before_pcscd_appears_once_pcscd_is_up() {
    let mut pcscd = Pcscd::planned(1);
    let card = CardProcess::spawn(Answering::Vschsm, &pcscd.address(0), &["--ephemeral"]);

    pcscd.start();

    card.wait_until_ready();
    Terminal::at(&pcscd, 0).wait_for_card();
}

#[test]
fn a_card_asked_to_end_leaves_the_reader_and_is_well() {
    let pcscd = Pcscd::started(1);
    let card = CardProcess::spawn(Answering::Vschsm, &pcscd.address(0), &["--ephemeral"]);
    card.wait_until_ready();
    Terminal::at(&pcscd, 0).wait_for_card();

    assert!(card.terminate());

    Terminal::at(&pcscd, 0).wait_for_removal();
}

fn a_killed_card_comes_back_with_all_it_had(way: Way) {
    let mut station = Station::initialized(way);
    let key = key("EC:secp256r1");
    station.generate(key).succeeded();
    station.write("note", b"to be kept");
    let write = ["--write-object", "note", "--type", "data", "--label", "note"];
    station.pkcs11(&write).succeeded();
    station.run("pkcs11-tool", &["--login", "--pin", "111111", "-O"]).failed();
    let public_key = station.public_key(key);
    let before = station.read(&public_key);

    station.kill_card();
    station.insert_card();

    station.run("sc-hsm-tool", &[]).succeeded().says("User PIN tries left  : 2");
    station.public_key(key);
    assert_eq!(station.read(&public_key), before);
    let read = ["--read-object", "--type", "data", "--label", "note", "--output-file", "read"];
    station.run("pkcs11-tool", &read).succeeded();
    assert_eq!(station.read("read"), b"to be kept");
}

fn a_counter_of_three_allows_three_signatures_whatever_is_killed_between(way: Way) {
    let mut station = Station::initialized(way);
    let limits = hex::decode("90040000000391027392").unwrap();
    let generate = extended(0x00, 0x46, 1, 0x00, &ec_template(&domain("secp256r1"), &limits), true);
    let log_in = |station: &Station| {
        let mut terminal = station.terminal();
        terminal.exchange(SELECT);
        assert_eq!(terminal.exchange("0020008106363438323139"), "9000");
        terminal
    };
    let mut terminal = log_in(&station);
    assert!(terminal.transmit(&generate).ends_with(&[0x90, 0x00]));

    for _ in 0..3 {
        // The list names 73 and not 70, and what is refused costs no use.
        assert_eq!(terminal.exchange("80680170040102030400"), "6A81");
        assert!(terminal.exchange("80680173040102030400").ends_with("9000"));
        terminal.release();
        station.kill_card();
        station.insert_card();
        terminal = log_in(&station);
    }

    assert_eq!(terminal.exchange("80680173040102030400"), "6984");
    assert!(terminal.exchange("00A4000402CC0100").contains("90040000000091027392"));
}

fn a_reset_logs_out(way: Way) {
    let station = Station::initialized(way);
    let mut terminal = station.terminal();
    terminal.exchange(SELECT);
    assert_eq!(terminal.exchange("0020008106363438323139"), "9000");
    assert_eq!(terminal.exchange("00200081"), "9000");

    terminal.reset();

    terminal.exchange(SELECT);
    assert_eq!(terminal.exchange("00200081"), "63C3");
}

fn every_odd_apdu_has_an_answer_and_changes_nothing(way: Way) {
    let station = Station::initialized(way);
    let before = station.read("test.card");
    let mut terminal = station.terminal();
    terminal.exchange(SELECT);
    let mut odd: Vec<Vec<u8>> = [
        "0084",                           // two bytes
        "008400",                         // three bytes
        "00840000",                       // no Le where one must be
        "00200081FF363438323139",         // Lc longer than the data
        "0020008105363438323139",         // Lc shorter than the data
        "002000810600",                   // data missing
        "00A4040C0BE82B0601040181C31F02", // data missing, in a SELECT
        "0084000000",                     // extended Le cut short
        "008400000000",
        "00D7CD01000000",     // extended, nothing in it
        "00D7CD01001000",     // extended Lc of 4096 and no data
        "00D7CD0100FFFF5402", // extended Lc of 65535 and two bytes
        "8050FFFF",           // INITIALIZE DEVICE with odd P1 and P2
        "00E40700",           // DELETE FILE with odd P1
        "FF00000000",         // no class at all
    ]
    .map(|text| hex::decode(text).unwrap())
    .into();
    odd.extend((0..=255).map(|ins| vec![0x00, ins, 0xA7, 0x7A, 0x00]));
    odd.extend((0..=255).map(|cla| vec![cla, 0x84, 0x00, 0x00, 0x08]));
    for length in [4096, 65_535] {
        let mut long = vec![0x00, 0xD7, 0xCD, 0x01, 0x00];
        long.extend(u16::try_from(length - 7).unwrap().to_be_bytes());
        long.resize(length, 0x5A);
        odd.push(long);
    }

    for apdu in odd {
        let response = terminal.transmit(&apdu);
        assert!(response.len() >= 2, "{}", hex::encode(apdu));
    }

    assert_eq!(station.read("test.card"), before);
    station.run("sc-hsm-tool", &[]).says("User PIN tries left  : 3");
}
