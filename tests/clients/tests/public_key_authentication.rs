//! Public key authentication, set up by OpenSC's sc-hsm-tool.

use clients::{PIN, Station, Way, both_ways};

both_ways! {
    sc_hsm_tool_registers_the_key_of_a_custodian,
    keys_go_from_vschsm_to_sc_hsm_tool_and_back_and_open_the_card,
}

fn sc_hsm_tool_registers_the_key_of_a_custodian(way: Way) {
    let mut station = Station::delivered(way, &[]);
    station.insert_second_card(&["--initialize", "--key", "ec:secp256r1,id=10"]);
    station.initialize(&["--public-key-auth", "2", "--required-pub-keys", "1"]);
    let status = || station.run("sc-hsm-tool", &["--public-key-auth-status"]).succeeded();
    status()
        .says("Number of public keys:     2")
        .says("Missing public keys:       2")
        .says("Required pubkeys for auth: 1")
        .says("Authenticated public keys: 0");

    let export = ["--export-for-pub-key-auth", "custodian.pka", "--key-reference", "1"];
    let custodian = ["--reader", "1", "--pin", PIN];
    station.run("sc-hsm-tool", &[&custodian[..], &export].concat()).succeeded();
    station.run("sc-hsm-tool", &["--register-public-key", "custodian.pka"]).succeeded();

    status().says("Missing public keys:       1");
    let again = station.run("sc-hsm-tool", &["--register-public-key", "custodian.pka"]);
    again.says("failed");
    let shown = station.vschsm(&["show", "./test.card"]).succeeded();
    shown.says("Public keys    1 of 2 required").says("not registered");
}

fn keys_go_from_vschsm_to_sc_hsm_tool_and_back_and_open_the_card(way: Way) {
    let mut station = Station::delivered(way, &[]);
    let keys = ["--initialize", "--key", "ec:secp256r1,id=10", "--key", "ec:secp256r1,id=11"];
    station.insert_second_card(&keys);
    station.initialize(&["--public-key-auth", "2", "--required-pub-keys", "1"]);
    let (card, custodian) = (station.reader(0), station.reader(1));

    let export = ["pka", "export", "--reader", &custodian, "--key", "1", "one.pka"];
    station.vschsm(&export).succeeded().says("its root is ZZSRCAVS100001");
    let registered = station.run("sc-hsm-tool", &["--register-public-key", "one.pka"]);
    registered.succeeded().says("Missing public keys:       1").never_says("failed");
    let export = ["--export-for-pub-key-auth", "two.pka", "--key-reference", "2"];
    let reader = ["--reader", "1", "--pin", PIN];
    station.run("sc-hsm-tool", &[&reader[..], &export].concat()).succeeded();
    let register = ["pka", "register", "--reader", &card, "two.pka"];
    station.vschsm(&register).succeeded().says("no key is missing");

    let mut terminal = station.terminal();
    assert_eq!(terminal.exchange("00A4040C0BE82B0601040181C31F0201"), "9000");
    assert_eq!(terminal.exchange("00200081"), "63C3");
    let custodian = format!("{custodian}:2");
    let opening = ["--reader", &card, "--custodian", &custodian, "--pin", PIN];
    let opened = station.vschsm(&[&["pka", "authenticate"], &opening[..]].concat()).succeeded();
    opened.says("1 authenticated: logged in.");
    assert_eq!(terminal.exchange("00200081"), "9000");
    terminal.release();

    // The tool selects the applet, which closes the card.
    let status = station.run("sc-hsm-tool", &["--public-key-auth-status"]).succeeded();
    status.says("Missing public keys:       0").says("Authenticated public keys: 0");
}
