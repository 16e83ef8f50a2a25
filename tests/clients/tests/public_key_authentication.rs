//! Public key authentication, set up by OpenSC's sc-hsm-tool.

use clients::{PIN, Station, Way, both_ways};

both_ways! {
    sc_hsm_tool_registers_the_key_of_a_custodian,
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
