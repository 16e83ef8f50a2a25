//! PINs: changed, lost, blocked and won back.

use clients::{Finished, PIN, SO_PIN, Station, WRONG_PIN, Way, both_ways};

both_ways! {
    a_changed_pin_replaces_the_old_one,
    a_wrong_pin_costs_a_try_and_a_right_one_gives_it_back,
    three_wrong_pins_lock_the_card_and_the_so_pin_unlocks_it,
    a_wrong_so_pin_unlocks_nothing_and_costs_a_try,
    a_card_without_option_0001_gets_no_new_pin_and_keeps_the_old_one,
    fifteen_wrong_so_pins_lock_the_so_pin_for_good,
}

fn log_in(station: &Station, pin: &str) -> Finished {
    station.run("pkcs11-tool", &["--login", "--pin", pin, "--list-objects"])
}

fn a_changed_pin_replaces_the_old_one(way: Way) {
    let station = Station::initialized(way);

    let change = ["--login", "--change-pin", "--pin", PIN, "--new-pin", "314159265358979"];
    station.run("pkcs11-tool", &change).succeeded();

    // It is shorter than the new one, and is not compared.
    log_in(&station, PIN).failed().says("CKR_DATA_LEN_RANGE");
    station.run("sc-hsm-tool", &[]).says("User PIN tries left  : 3");
    log_in(&station, "271828182845904").failed().says("CKR_PIN_INCORRECT");
    log_in(&station, "314159265358979").succeeded();
}

fn a_wrong_pin_costs_a_try_and_a_right_one_gives_it_back(way: Way) {
    let station = Station::initialized(way);

    log_in(&station, "111111").failed().says("CKR_PIN_INCORRECT");
    station.run("sc-hsm-tool", &[]).says("User PIN tries left  : 2");

    log_in(&station, PIN).succeeded();
    station.run("sc-hsm-tool", &[]).says("User PIN tries left  : 3");
}

fn three_wrong_pins_lock_the_card_and_the_so_pin_unlocks_it(way: Way) {
    let station = Station::initialized(way);
    station.pkcs11(&["--keypairgen", "--key-type", "EC:secp256r1", "--id", "01"]).succeeded();
    for _ in 0..3 {
        log_in(&station, "111111").failed();
    }
    log_in(&station, PIN).failed().says("CKR_PIN_LOCKED");
    station.run("sc-hsm-tool", &[]).says("User PIN locked");

    let unblock = ["--login", "--login-type", "so", "--so-pin", SO_PIN, "--init-pin", "--new-pin"];
    station.run("pkcs11-tool", &[&unblock[..], &["271828"]].concat()).succeeded();

    log_in(&station, PIN).failed();
    log_in(&station, "271828").succeeded().says("Private Key Object");
    station.run("sc-hsm-tool", &[]).says("User PIN tries left  : 3");
}

fn a_wrong_so_pin_unlocks_nothing_and_costs_a_try(way: Way) {
    let station = Station::initialized(way);

    let unblock = ["--login", "--login-type", "so", "--so-pin", "3537363231383831"];
    let pin = ["--init-pin", "--new-pin", "271828"];
    station.run("pkcs11-tool", &[&unblock[..], &pin].concat()).failed();

    log_in(&station, PIN).succeeded();
    station.run("sc-hsm-tool", &[]).says("SO-PIN tries left    : 14");
}

/// As a card of 4.1 does it (regalia).
fn a_card_without_option_0001_gets_no_new_pin_and_keeps_the_old_one(way: Way) {
    let station = Station::delivered(way, &["--firmware", "4.1"]);
    let mut terminal = station.terminal();
    assert_eq!(terminal.exchange("00A4040C0BE82B0601040181C31F0201"), "9000");
    let initialize = "805000001980020000810636343832313982083537363231383830910103";
    assert_eq!(terminal.exchange(initialize), "9000");
    terminal.release();

    let unblock = ["--login", "--login-type", "so", "--so-pin", SO_PIN];
    let pin = ["--init-pin", "--new-pin", "271828"];
    let refused = station.run("pkcs11-tool", &[&unblock[..], &pin].concat()).failed();

    refused.says("C_InitPIN failed").says("CKR_GENERAL_ERROR");
    log_in(&station, PIN).succeeded();
}

fn fifteen_wrong_so_pins_lock_the_so_pin_for_good(way: Way) {
    let station = Station::initialized(way);
    for _ in 1..15 {
        station.initialize_as("3537363231383831").says(WRONG_PIN);
    }
    // The last try is 6983 at once.
    station.initialize_as("3537363231383831").says("Authentication method blocked");

    station.initialize_as(SO_PIN).says("failed");

    station.run("sc-hsm-tool", &[]).says("SO-PIN locked");
}
