//! `pkcs15-tool`.

use clients::{PIN, SO_PIN, Station, WRONG_PIN, Way, both_ways, openssl};

both_ways! {
    pkcs15_tool_dumps_pins_keys_and_certificates,
    pkcs15_tool_lists_the_key,
    pkcs15_tool_reads_the_certificate,
    pkcs15_tool_changes_the_pin,
    pkcs15_tool_changes_the_so_pin,
}

/// A station whose card has an EC key with the id 01 and a certificate for it.
fn with_certificate(way: Way) -> Station {
    let station = Station::initialized(way);
    let pair = ["--keypairgen", "--key-type", "EC:secp256r1", "--id", "01", "--label", "door"];
    station.pkcs11(&pair).succeeded();
    let request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=door"];
    openssl(&station, &[&request[..], &["-keyout", "k.pem", "-out", "c.pem"]].concat());
    openssl(&station, &["x509", "-in", "c.pem", "-outform", "DER", "-out", "c.der"]);
    let write = ["--write-object", "c.der", "--type", "cert", "--id", "01", "--label", "door"];
    station.pkcs11(&write).succeeded();
    station
}

fn pkcs15_tool_dumps_pins_keys_and_certificates(way: Way) {
    let station = with_certificate(way);

    let dump = station.run("pkcs15-tool", &["--dump"]).succeeded();

    dump.says("PIN [UserPIN]")
        .says("PIN [SOPIN]")
        .says("Private EC Key [door]")
        .says("X.509 Certificate [door]");
}

fn pkcs15_tool_lists_the_key(way: Way) {
    let station = with_certificate(way);

    let keys = station.run("pkcs15-tool", &["--list-keys"]).succeeded();

    keys.says("Private EC Key [door]").says("FieldLength    : 256");
}

fn pkcs15_tool_reads_the_certificate(way: Way) {
    let station = with_certificate(way);

    let read = ["--read-certificate", "01", "--output", "read.pem"];
    station.run("pkcs15-tool", &read).succeeded();

    openssl(&station, &["x509", "-in", "read.pem", "-outform", "DER", "-out", "read.der"]);
    assert_eq!(station.read("read.der"), station.read("c.der"));
}

fn pkcs15_tool_changes_the_pin(way: Way) {
    let station = Station::initialized(way);

    let change = ["--change-pin", "--auth-id", "01", "--pin", PIN, "--new-pin", "12345678"];
    station.run("pkcs15-tool", &change).succeeded();

    let with = |pin| station.run("pkcs15-tool", &["--verify-pin", "--auth-id", "01", "--pin", pin]);
    with(PIN).failed();
    with("12345678").succeeded();
}

fn pkcs15_tool_changes_the_so_pin(way: Way) {
    let station = Station::initialized(way);
    let new = "3132333435363738";

    let change = ["--change-pin", "--auth-id", "02", "--pin", SO_PIN, "--new-pin", new];
    station.run("pkcs15-tool", &change).succeeded();

    station.initialize_as(SO_PIN).says(WRONG_PIN);
    station.initialize_as(new).succeeded().never_says(WRONG_PIN);
}
