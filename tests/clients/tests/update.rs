//! A firmware is replaced by a host of GlobalPlatform cards that is not ours: Py-GP.

use std::path::Path;

use clients::{Finished, Station, Tool, Way, both_ways, installed};
use vschsm_tests::global_platform_host::Package;

both_ways! {
    py_gp_updates_a_card_step_by_step_in_a_channel_with_macs,
    py_gp_updates_a_card_at_once_in_a_channel_with_encryption,
    py_gp_updates_cards_of_older_hardware,
    py_gp_does_not_update_a_card_that_has_a_key,
}

/// Runs Py-GP: it updates the station's card to a firmware that is built in.
fn py_gp(station: &Station, way: &str, level: &str, firmware: &str) -> Finished {
    installed("/usr/bin/python3");
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/py-gp/packages");
    assert!(packages.is_dir(), "Py-GP is not installed: run `tests/py-gp`, or `tests/run`");
    // What root has installed may lie where nobody else can go.
    let copy = station.home().join("packages");
    let copy = copy.to_str().expect("a path in Unicode");
    let words = ["-r", packages.to_str().expect("a path in Unicode"), copy];
    Tool::new("cp", words).run().succeeded();

    station.write("firmware.ijc", Package::of(firmware).load_file());
    let script = ["-c", include_str!("update.py"), way, &station.reader(0), level, "firmware.ijc"];
    station.tool("/usr/bin/python3", &script).env("PYTHONPATH", copy).run()
}

/// A card with the firmware is there, and can be initialised and used.
fn is_usable(station: &Station, firmware: &str) {
    let version = format!("version {firmware}");
    station.run("opensc-tool", &["--name"]).succeeded().says(&version);
    station.initialize(&[]);
    let generate = ["--login", "--pin", clients::PIN, "--keypairgen", "--key-type"];
    station.run("pkcs11-tool", &[&generate[..], &["EC:secp256r1"]].concat()).succeeded();
}

fn py_gp_updates_a_card_step_by_step_in_a_channel_with_macs(way: Way) {
    let station = Station::delivered(way, &["--firmware", "3.1"]);
    station.run("opensc-tool", &["--name"]).succeeded().says("version 3.1");

    let done = py_gp(&station, "in-steps", "1", "3.4").succeeded();

    done.says("all is well").says("E82B0601040181C31F0201");
    is_usable(&station, "3.4");
}

fn py_gp_updates_a_card_at_once_in_a_channel_with_encryption(way: Way) {
    let station = Station::delivered(way, &["--firmware", "4.0"]);

    py_gp(&station, "at-once", "3", "4.1").succeeded().says("all is well");

    is_usable(&station, "4.1");
}

fn py_gp_updates_cards_of_older_hardware(way: Way) {
    let station = Station::delivered(way, &["--firmware", "2.0"]);

    py_gp(&station, "at-once", "1", "2.5").succeeded().says("all is well");

    is_usable(&station, "2.5");
}

fn py_gp_does_not_update_a_card_that_has_a_key(way: Way) {
    let options = ["--firmware", "3.1", "--initialize", "--key", "ec:secp256r1,id=10"];
    let station = Station::delivered(way, &options);

    let refused = py_gp(&station, "at-once", "1", "3.4");

    refused.failed().says("Conditions of use not satisfied");
    station.run("opensc-tool", &["--name"]).succeeded().says("version 3.1");
    let shown = station.run("pkcs15-tool", &["--list-keys"]).succeeded();
    shown.says("Private EC Key");
}
