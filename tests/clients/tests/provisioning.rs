//! OpenSC finds the keys and certificates of a card that `vschsm new` has provisioned.

use clients::{Station, Way, both_ways, openssl};

both_ways! {
    a_provisioned_card_is_one_that_opensc_could_have_made,
}

/// The provisioning file that the README shows, and what it refers to.
const FILES: [(&str, &str); 2] = [
    ("ci.toml", include_str!("../../provisioning/ci.toml")),
    ("share.hex", include_str!("../../provisioning/share.hex")),
];

/// Its key pairs: id, label, and how pkcs11-tool has them sign.
const PAIRS: [(&str, &str, &str); 4] = [
    ("10", "RSA 2048", "SHA256-RSA-PKCS"),
    ("11", "RSA 4096", "SHA256-RSA-PKCS"),
    ("20", "P-256", "ECDSA-SHA256"),
    ("21", "P-521", "ECDSA-SHA256"),
];

/// A pair's signature verifies under its certificate, which it has signed itself.
fn signs_under_its_certificate(station: &Station, id: &str, mechanism: &str) {
    let certificate = ["--read-certificate", id, "--output", "cert.pem"];
    station.run("pkcs15-tool", &certificate).succeeded();
    openssl(station, &["verify", "-CAfile", "cert.pem", "cert.pem"]);
    openssl(station, &["x509", "-in", "cert.pem", "-pubkey", "-noout", "-out", "key.pem"]);

    station.write("message", b"To be signed by a card and verified by OpenSSL");
    let sign = ["--sign", "--id", id, "--mechanism", mechanism];
    let files = ["--input-file", "message", "--output-file", "signature"];
    let is_ec = mechanism.starts_with("ECDSA");
    let format: &[&str] = if is_ec { &["--signature-format", "openssl"] } else { &[] };
    station.pkcs11(&[&sign[..], &files, format].concat()).succeeded();
    openssl(
        station,
        &["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "message"],
    );
}

fn a_provisioned_card_is_one_that_opensc_could_have_made(way: Way) {
    let mut station = Station::without_card(way);
    for (name, text) in FILES {
        station.write(name, text);
    }
    station.deliver(&["--provision", "./ci.toml"]);
    station.run("pkcs11-tool", &["--list-slots"]).succeeded().says("CI (UserPIN)");
    let objects = station.pkcs11(&["--list-objects"]).succeeded().text();
    let certificates = station.run("pkcs15-tool", &["--list-certificates"]).succeeded().text();
    station.run("sc-hsm-tool", &[]).succeeded().says("FC8B64001C5FDD0F");
    for (id, label, mechanism) in PAIRS {
        assert!(objects.contains(&format!("label:      {label}")), "{label} in {objects}");
        assert!(certificates.contains(label), "{label} in {certificates}");
        signs_under_its_certificate(&station, id, mechanism);
    }

    // What is deleted, made anew and listed by OpenSC stands beside what was provisioned.
    station.pkcs11(&["--delete-object", "--type", "privkey", "--id", "10"]).succeeded();
    let pair = ["--keypairgen", "--key-type", "EC:secp256r1", "--id", "40", "--label", "new"];
    station.pkcs11(&pair).succeeded();
    let objects = station.pkcs11(&["--list-objects"]).succeeded();
    objects.says("label:      new").says("label:      P-256").never_says("RSA 2048");
}
