//! Every firmware of the card, as OpenSC sees it.

use clients::{Station, Way, both_ways, key};

both_ways! {
    a_card_of_1_2_is_named_initialised_and_used,
    cards_from_2_0_to_2_7_are_named_initialised_and_used,
    cards_from_3_0_on_are_named_initialised_and_used,
    a_2_6_card_refuses_the_keys_that_came_with_3_0,
}

/// What differs between firmwares for a client.
struct FirmwareFamily {
    /// Each firmware, and how its ATR ends.
    firmwares: &'static [(&'static str, &'static str)],
    /// How many tries of the SO-PIN sc-hsm-tool shows; it asks from 2.0 on.
    so_pin_tries: Option<u8>,
    keys: &'static [&'static str],
    refused_keys: &'static [&'static str],
}

const OLDEST: FirmwareFamily =
    FirmwareFamily { firmwares: &[("1.2", "40:81:07:fa")], so_pin_tries: None, ..JCOP_2 };

const JCOP_2: FirmwareFamily = FirmwareFamily {
    firmwares: &[
        ("2.0", "40:81:07:fa"),
        ("2.1", "40:81:07:fa"),
        ("2.5", "40:81:07:fa"),
        ("2.6", "40:81:07:fa"),
        ("2.7", "40:81:07:fa"),
    ],
    so_pin_tries: Some(15),
    keys: &["rsa:1024", "EC:secp256r1", "EC:brainpoolP320r1"],
    refused_keys: &["rsa:3072", "EC:secp521r1"],
};

const FOUR_K: FirmwareFamily = FirmwareFamily {
    firmwares: &[
        ("3.0", "40:81:07:1c"),
        ("3.1", "40:81:07:1c"),
        ("3.2", "40:81:07:1c"),
        ("3.3", "40:81:07:92"),
        ("3.4", "40:81:07:92"),
        ("3.5", "40:81:07:92"),
        ("3.6", "40:81:07:92"),
        ("4.0", "40:81:07:92"),
        ("4.1", "40:81:07:92"),
    ],
    so_pin_tries: Some(15),
    keys: &["rsa:1024", "EC:secp256r1", "EC:secp521r1"],
    refused_keys: &[],
};

/// A card is named, initialised, gets a key of each kind that it has, and signs.
fn serve(way: Way, family: &FirmwareFamily) {
    for (firmware, atr) in family.firmwares {
        let station = Station::delivered(way, &["--firmware", firmware]);
        station.run("opensc-tool", &["--atr"]).succeeded().says(atr);
        let version = format!("version {firmware}");
        // OpenSC names a platform for two values of a byte; 1.2 has none, and 4.x another.
        let is_unknown = firmware.starts_with(['1', '4']);
        let platform = if is_unknown { "" } else { " Applet for JCOP" };
        let name = format!("SmartCard-HSM{platform} {version}");
        station.run("opensc-tool", &["--name"]).succeeded().says(&name);
        station.run("sc-hsm-tool", &[]).says("has never been initialized");

        station.initialize(&[]);

        let status = station.run("sc-hsm-tool", &[]).succeeded();
        let status = status
            .says(&format!("Version              : {firmware}"))
            .says("User PIN tries left  : 3");
        let status = match family.so_pin_tries {
            Some(tries) => status.says(&format!("SO-PIN tries left    : {tries}")),
            None => status.never_says("SO-PIN"),
        };
        status.never_says("transport");
        let slots = station.run("pkcs11-tool", &["--list-slots"]).succeeded();
        // OpenSC names the same hardware for all of them, as with a real card of 4.1 (regalia).
        slots.says("hardware version   : 24.13").says(&format!("firmware version   : {firmware}"));
        for kind in family.keys {
            station.generate(key(kind)).succeeded();
        }
        for kind in family.refused_keys {
            station.generate(key(kind)).failed();
        }
        let listed = station.run("pkcs15-tool", &["--list-keys"]).succeeded();
        let listed = family.keys.iter().fold(listed, |list, kind| list.says(kind));
        family.refused_keys.iter().fold(listed, |list, kind| list.never_says(kind));

        station.write("message", "abc");
        let sign = ["--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", "11"];
        let files = ["--input-file", "message", "--output-file", "signature"];
        station.pkcs11(&[&sign[..], &files].concat()).succeeded();
        assert_eq!(station.read("signature").len(), 128, "{firmware}");
    }
}

fn a_card_of_1_2_is_named_initialised_and_used(way: Way) {
    serve(way, &OLDEST);
}

fn cards_from_2_0_to_2_7_are_named_initialised_and_used(way: Way) {
    serve(way, &JCOP_2);
}

fn cards_from_3_0_on_are_named_initialised_and_used(way: Way) {
    serve(way, &FOUR_K);
}

fn a_2_6_card_refuses_the_keys_that_came_with_3_0(way: Way) {
    let station = Station::delivered(way, &["--firmware", "2.6"]);
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
