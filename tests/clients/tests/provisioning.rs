//! OpenSC finds the keys and certificates of a card that `vschsm new` has provisioned.

use clients::{Station, Way, both_ways, library, openssl};

both_ways! {
    a_provisioned_card_is_one_that_opensc_could_have_made,
    strict_tls_clients_take_a_self_signed_certificate,
    a_certification_authority_on_the_card_issues_certificates,
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

/// A card with two key pairs whose certificates are for this machine.
fn for_this_machine(way: Way) -> Station {
    let names = "san=DNS:localhost,san=IP:127.0.0.1,san=email:a@example.org,san=URI:urn:x";
    let keys = [format!("rsa:2048,id=10,{names}"), format!("ec:secp256r1,id=20,{names}")];
    let certificates = ["--cert", "10=CN=localhost", "--cert", "20=CN=localhost"];
    let options = ["--initialize", "--key", &keys[0], "--key", &keys[1]];
    Station::delivered(way, &[&options[..], &certificates].concat())
}

/// OpenSSL serves TLS with the key on the card, by its PKCS#11 engine, and Python, as strict as its
/// default context is since 3.13, connects by name and by address.
fn strict_tls_clients_take_a_self_signed_certificate(way: Way) {
    library("engines-3/pkcs11.so");
    let station = for_this_machine(way);
    station.write("strict_tls.py", include_str!("strict_tls.py"));
    for id in ["10", "20"] {
        let certificate = ["--read-certificate", id, "--output", "cert.pem"];
        station.run("pkcs15-tool", &certificate).succeeded();
        let verify = ["verify", "-x509_strict", "-CAfile", "cert.pem", "-verify_hostname"];
        openssl(&station, &[&verify[..], &["localhost", "cert.pem"]].concat()).says("OK");
        openssl(&station, &["x509", "-in", "cert.pem", "-noout", "-text"])
            .says("Version: 3")
            .says("CA:FALSE")
            .says("X509v3 Authority Key Identifier")
            .says("DNS:localhost, IP Address:127.0.0.1, email:a@example.org, URI:urn:x");

        let module = library("opensc-pkcs11.so");
        let client = station.tool("/usr/bin/python3", &["strict_tls.py", id]);
        client.env("PKCS11_MODULE_PATH", module).run().succeeded().says("localhost 127.0.0.1");
    }
}

fn a_certification_authority_on_the_card_issues_certificates(way: Way) {
    library("engines-3/pkcs11.so");
    let keys = ["--initialize", "--key", "ec:secp384r1,id=30,ca=true", "--cert", "30=CN=Root"];
    let station = Station::delivered(way, &keys);
    station.run("pkcs15-tool", &["--read-certificate", "30", "--output", "ca.pem"]).succeeded();
    let request = ["req", "-newkey", "rsa:2048", "-nodes", "-keyout", "leaf.key", "-subj"];
    openssl(&station, &[&request[..], &["/CN=leaf", "-out", "leaf.csr"]].concat());
    station.write(
        "leaf.ext",
        "basicConstraints = CA:FALSE\nkeyUsage = digitalSignature\n\
         subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid:always\n",
    );
    let issue = [
        &["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey"][..],
        &["pkcs11:id=%30;type=private;pin-value=648219", "-CAkeyform", "engine"],
        &["-engine", "pkcs11", "-set_serial", "7", "-days", "30", "-out", "leaf.pem"],
        &["-extfile", "leaf.ext"],
    ];
    let module = library("opensc-pkcs11.so");
    let issue = station.tool("openssl", &issue.concat()).env("PKCS11_MODULE_PATH", module);
    issue.run().succeeded();

    openssl(&station, &["verify", "-x509_strict", "-CAfile", "ca.pem", "leaf.pem"]).says("OK");
}
