//! The card and OpenSSL agree on the secret of a Diffie-Hellman exchange.

use clients::{KEYS, Station, Way, both_ways, openssl};

both_ways! {
    every_curve_agrees_with_openssl_on_a_shared_secret,
}

fn every_curve_agrees_with_openssl_on_a_shared_secret(way: Way) {
    let station = Station::with_keys(way);
    let mechanisms = station.mechanisms("derive");
    assert!(mechanisms.contains(&"ECDH1-DERIVE".to_owned()), "{mechanisms:?}");
    for key in KEYS.iter().filter(|key| !key.is_rsa()) {
        let pem = station.public_key(*key);
        let curve = format!("ec_paramgen_curve:{}", key.curve());
        openssl(&station, &["genpkey", "-algorithm", "EC", "-pkeyopt", &curve, "-out", "peer.pem"]);
        openssl(
            &station,
            &["pkey", "-in", "peer.pem", "-pubout", "-outform", "DER", "-out", "peer.der"],
        );

        let both = ["pkeyutl", "-derive", "-inkey", "peer.pem", "-peerkey", &pem];
        openssl(&station, &[&both[..], &["-out", "expected"]].concat());

        for mechanism in &mechanisms {
            let derive = ["--derive", "--id", key.id, "--mechanism", mechanism];
            let files = ["--input-file", "peer.der", "--output-file", "secret"];
            let derived = station.pkcs11(&[&derive[..], &files].concat()).succeeded();

            assert_eq!(station.read("secret"), station.read("expected"), "{derived}");
        }
    }
}
