//! What an older card cannot do, OpenSC is told.

use clients::{Station, key};

#[test]
fn a_2_6_card_refuses_the_keys_that_came_with_3_0() {
    let station = Station::delivered(&["--firmware", "2.6"]);
    station.initialize(&[]);

    for kind in ["rsa:3072", "rsa:4096", "EC:secp384r1", "EC:secp521r1"] {
        station.generate(key(kind)).failed();
    }
    for kind in ["rsa:2048", "EC:secp256r1", "EC:brainpoolP256r1"] {
        station.generate(key(kind)).succeeded();
    }

    let keys = station.run("pkcs15-tool", &["--list-keys"]).succeeded();
    keys.says("[rsa:2048]").says("[EC:brainpoolP256r1]").never_says("[rsa:4096]");
}

#[test]
fn a_2_6_card_shows_its_version() {
    let station = Station::delivered(&["--firmware", "2.6"]);
    station.initialize(&[]);

    station.run("sc-hsm-tool", &[]).succeeded().says("Version              : 2.6");
}
