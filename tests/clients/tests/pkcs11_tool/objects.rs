//! Keys, data objects and certificates: made, listed, read, deleted.

use clients::{KEYS, Station, Way, both_ways, key, openssl};

both_ways! {
    a_list_shows_every_key_with_its_public_half,
    a_deleted_key_is_gone_and_the_others_stay,
    a_public_data_object_is_read_without_a_pin,
    a_private_data_object_is_read_with_the_pin_alone,
    a_deleted_data_object_is_gone,
    a_certificate_is_written_read_and_deleted,
    random_bytes_never_repeat,
    pkcs11_tool_s_own_tests_pass,
    pkcs11_tool_s_own_test_of_elliptic_curves_passes,
}

fn a_list_shows_every_key_with_its_public_half(way: Way) {
    let station = Station::with_keys(way);

    let list = station.pkcs11(&["--list-objects"]).succeeded().text();

    for key in KEYS {
        let lines = list.lines().filter(|line| line.trim() == format!("label:      {}", key.kind));
        assert_eq!(lines.count(), 2, "{}: {list}", key.kind);
    }
}

fn a_deleted_key_is_gone_and_the_others_stay(way: Way) {
    let station = Station::with_keys(way);

    let delete = ["--delete-object", "--type", "privkey", "--id", key("EC:secp256r1").id];
    station.pkcs11(&delete).succeeded();

    let keys = station.run("pkcs15-tool", &["--list-keys"]).succeeded();
    keys.never_says("[EC:secp256r1]").says("[EC:secp384r1]").says("[rsa:2048]");
}

fn a_public_data_object_is_read_without_a_pin(way: Way) {
    let station = Station::initialized(way);
    let data: Vec<u8> = (0..=255).cycle().take(1500).collect();
    station.write("data", &data);

    let write = ["--write-object", "data", "--type", "data", "--label", "open"];
    station.pkcs11(&write).succeeded();

    let read = ["--read-object", "--type", "data", "--label", "open", "--output-file", "read"];
    station.run("pkcs11-tool", &read).succeeded();
    assert_eq!(station.read("read"), data);
}

fn a_private_data_object_is_read_with_the_pin_alone(way: Way) {
    let station = Station::initialized(way);
    station.write("data", b"hush");

    let write = ["--write-object", "data", "--type", "data", "--label", "secret", "--private"];
    station.pkcs11(&write).succeeded();

    let read = ["--read-object", "--type", "data", "--label", "secret", "--output-file", "read"];
    station.run("pkcs11-tool", &read).failed();
    station.pkcs11(&read).succeeded();
    assert_eq!(station.read("read"), b"hush");
}

fn a_deleted_data_object_is_gone(way: Way) {
    let station = Station::initialized(way);
    station.write("data", b"short-lived");
    let write = ["--write-object", "data", "--type", "data", "--label", "note"];
    station.pkcs11(&write).succeeded().says("note");

    let delete = ["--delete-object", "--type", "data", "--label", "note"];
    station.pkcs11(&delete).succeeded();

    station.pkcs11(&["--list-objects"]).succeeded().never_says("note");
}

fn a_certificate_is_written_read_and_deleted(way: Way) {
    let station = Station::initialized(way);
    let pair = ["--keypairgen", "--key-type", "EC:secp256r1", "--id", "01", "--label", "door"];
    station.pkcs11(&pair).succeeded();
    let request = ["req", "-x509", "-newkey", "rsa:4096", "-nodes", "-subj", "/CN=door"];
    let files = ["-keyout", "k.pem", "-outform", "DER", "-out", "certificate"];
    openssl(&station, &[&request[..], &files].concat());

    let write = ["--write-object", "certificate", "--type", "cert", "--id", "01"];
    station.pkcs11(&write).succeeded();
    let read = ["--read-object", "--type", "cert", "--id", "01", "--output-file", "read"];
    station.run("pkcs11-tool", &read).succeeded();
    assert_eq!(station.read("read"), station.read("certificate"));

    let delete = ["--delete-object", "--type", "cert", "--id", "01"];
    station.pkcs11(&delete).succeeded();
    station.run("pkcs11-tool", &read).failed();
}

fn random_bytes_never_repeat(way: Way) {
    let station = Station::delivered(way, &[]);

    for file in ["first", "second"] {
        let draw = ["--generate-random", "3000", "--output-file", file];
        station.run("pkcs11-tool", &draw).succeeded();
        assert_eq!(station.read(file).len(), 3000);
    }

    assert_ne!(station.read("first"), station.read("second"));
}

fn pkcs11_tool_s_own_tests_pass(way: Way) {
    let station = Station::initialized(way);
    for kind in ["rsa:2048", "EC:secp256r1"] {
        station.generate(key(kind)).succeeded();
    }

    station.pkcs11(&["--test"]).succeeded().says("No errors");
}

fn pkcs11_tool_s_own_test_of_elliptic_curves_passes(way: Way) {
    let station = Station::initialized(way);

    station
        .pkcs11(&["--session-rw", "--test-ec", "--id", "01", "--key-type", "EC:secp256r1"])
        .succeeded()
        .says("==> OK");
}
