//! `sc-hsm-tool`.

use clients::{SO_PIN, Station, WRONG_PIN, Way, both_ways};

both_ways! {
    a_new_card_asks_to_be_initialised,
    an_initialised_card_has_its_version_and_15_and_3_tries,
    the_serial_number_is_the_one_the_card_was_made_with,
    the_label_given_at_initialisation_is_the_token_s_name,
    a_card_may_be_initialised_again_and_then_has_no_key,
    a_wrong_so_pin_is_refused_and_costs_a_try,
    the_right_so_pin_gives_all_its_tries_back,
    a_longer_pin_may_have_more_tries,
}

fn a_new_card_asks_to_be_initialised(way: Way) {
    let station = Station::delivered(way, &[]);

    let status = station.run("sc-hsm-tool", &[]);

    status.says("has never been initialized");
}

fn an_initialised_card_has_its_version_and_15_and_3_tries(way: Way) {
    let station = Station::initialized(way);

    let status = station.run("sc-hsm-tool", &[]).succeeded();

    status
        .says("Version              : 3.4")
        .says("User PIN reset with SO-PIN enabled")
        .says("SO-PIN tries left    : 15")
        .says("User PIN tries left  : 3");
}

fn the_serial_number_is_the_one_the_card_was_made_with(way: Way) {
    let station = Station::delivered(way, &["--serial", "ABCDEF00001"]);

    let slots = station.run("pkcs11-tool", &["--list-slots"]).succeeded();

    slots.says("serial num         : ABCDEF00001");
}

fn the_label_given_at_initialisation_is_the_token_s_name(way: Way) {
    let station = Station::delivered(way, &[]);

    station.initialize(&["--label", "Card of the house"]);

    station.run("pkcs11-tool", &["-L"]).succeeded().says("Card of the house");
    station.run("pkcs15-tool", &["-D"]).succeeded().says("Card of the house");
}

fn a_card_may_be_initialised_again_and_then_has_no_key(way: Way) {
    let station = Station::initialized(way);
    station.pkcs11(&["--keypairgen", "--key-type", "EC:secp256r1", "--id", "01"]).succeeded();

    station.initialize(&[]);

    station.run("pkcs15-tool", &["--list-keys"]).never_says("Private EC Key");
}

fn a_wrong_so_pin_is_refused_and_costs_a_try(way: Way) {
    let station = Station::initialized(way);

    station.initialize_as("3537363231383831").says(WRONG_PIN);

    let status = station.run("sc-hsm-tool", &[]).succeeded();
    status.says("SO-PIN tries left    : 14").says("User PIN tries left  : 3");
}

fn the_right_so_pin_gives_all_its_tries_back(way: Way) {
    let station = Station::initialized(way);
    station.initialize_as("3537363231383831").says(WRONG_PIN);

    station.initialize(&[]);

    station.run("sc-hsm-tool", &[]).says("SO-PIN tries left    : 15");
}

fn a_longer_pin_may_have_more_tries(way: Way) {
    for (pin, tries) in [("648219", "2"), ("6482191", "5"), ("64821912", "10")] {
        let station = Station::delivered(way, &[]);
        let arguments = ["--initialize", "--so-pin", SO_PIN, "--pin", pin, "--pin-retry", tries];

        station.run("sc-hsm-tool", &arguments).succeeded();

        let status = station.run("sc-hsm-tool", &[]).succeeded();
        status.says(&format!("User PIN tries left  : {tries}"));
    }
}
