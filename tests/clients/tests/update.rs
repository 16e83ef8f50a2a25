//! A firmware is replaced by a host of GlobalPlatform cards that is not ours: Py-GP.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where it fails"
)]

use std::path::Path;

use clients::{Finished, Station, Tool, Way, both_ways, installed};
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::sign::Verifier;
use vschsm_host::command;
use vschsm_protocol::tlv;
use vschsm_testing::global_platform_host::HostPackage;
use vschsm_testing::test_card::{domain, ec_template};
use vschsm_testing::{digits, hex};

both_ways! {
    py_gp_updates_a_card_step_by_step_in_a_channel_with_macs,
    py_gp_updates_a_card_at_once_in_a_channel_with_encryption,
    py_gp_updates_cards_of_older_hardware,
    py_gp_does_not_update_a_card_that_has_a_key,
    what_3_1_cannot_import_again_it_imports_after_an_update,
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

    station.write("firmware.ijc", HostPackage::of(firmware).load_file());
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

/// The responses of the station's card to these commands, by pyscard.
fn transmit(station: &Station, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let commands: Vec<_> = commands.iter().map(|command| digits(command)).collect();
    let commands = commands.iter().map(String::as_str);
    let reader = station.reader(0);
    let script = ["-c", include_str!("transmit.py"), &reader].into_iter().chain(commands);
    let script: Vec<_> = script.collect();
    let told = station.tool("/usr/bin/python3", &script).run().succeeded().text();
    told.lines().map(hex).collect()
}

/// Makes the card one with the DKEK of a share that is known; its user is logged in.
fn with_dkek() -> Vec<Vec<u8>> {
    let initialize = vschsm_vectors::initialize([0x00, 0x01], &tlv::encode(0x92, &[1]));
    vec![command::SELECT_APPLET.to_vec(), initialize, command::import_share(0, &[0xA5; 32])]
}

/// UNWRAP KEY, as number 1.
fn unwrap(blob: &[u8]) -> Vec<u8> {
    command::without_le([0x80, 0x74, 1, 0x93], blob)
}

/// Whether the key of that point on secp256r1 has signed a message, by ECDSA with SHA-256.
fn is_signed(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let point = EcPoint::from_bytes(&group, point, &mut context).unwrap();
    let key = PKey::from_ec_key(EcKey::from_public_key(&group, &point).unwrap()).unwrap();
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
    verifier.verify_oneshot(signature, message).unwrap_or(false)
}

fn what_3_1_cannot_import_again_it_imports_after_an_update(way: Way) {
    let station = Station::delivered(way, &["--firmware", "3.1"]);
    let list = tlv::encode(0x91, &[0x73, 0x92]);
    let key = command::generate(1, &ec_template(&domain("secp256r1"), &list));
    let export = [key, command::with_le([0x80, 0x72, 1, 0x92], &[])];
    let responses = transmit(&station, &[&with_dkek()[..], &export].concat());
    let [.., request, blob] = &responses[..] else { panic!("{responses:02X?}") };
    let point = tlv::at(request, &[0x67, 0x7F21, 0x7F4E, 0x7F49, 0x86]).unwrap();
    let blob = blob.strip_suffix(&[0x90, 0x00]).expect("a blob");
    let delete = vec![0x00, 0xE4, 0x02, 0x00, 0x02, 0xCC, 0x01];
    let verify = command::verify(clients::PIN);
    let select = command::SELECT_APPLET.to_vec();
    let again = transmit(&station, &[select, verify, unwrap(blob), delete]);
    assert_eq!(again[2], [0x6F, 0x00], "3.1 imports no key with an algorithm list");

    py_gp(&station, "in-steps", "1", "3.4").succeeded().says("all is well");

    let sign = command::with_le([0x80, 0x68, 1, 0x73], b"moved");
    let responses = transmit(&station, &[&with_dkek()[..], &[unwrap(blob), sign]].concat());
    let [.., imported, signature] = &responses[..] else { panic!("{responses:02X?}") };
    assert_eq!(imported, &[0x90, 0x00]);
    let signature = signature.strip_suffix(&[0x90, 0x00]).expect("a signature");
    assert!(is_signed(point, b"moved", signature));
}
