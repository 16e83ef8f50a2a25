//! Every curve by its domain parameters, as raw APDUs, beside OpenSSL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use clients::{Station, Way, both_ways, openssl};
use vschsm_protocol::crypto::curve::{Curve, CurveParameters};
use vschsm_testing::curves::without_a_name;
use vschsm_testing::global_platform_host::APPLET;
use vschsm_testing::test_card::{ec_template, extended};

both_ways! {
    every_curve_with_a_name_signs_and_agrees_with_openssl,
    curves_that_nobody_has_named_sign_and_agree_with_openssl,
}

/// What is signed.
const MESSAGE: &[u8] = b"To be signed by a card and verified by OpenSSL";

fn every_curve_with_a_name_signs_and_agrees_with_openssl(way: Way) {
    let domains: Vec<_> = Curve::named().map(|curve| curve.parameters().clone()).collect();
    assert_eq!(domains.len(), 19);
    check(way, &domains);
}

fn curves_that_nobody_has_named_sign_and_agree_with_openssl(way: Way) {
    check(way, &without_a_name());
}

/// Makes a key on each curve, which signs, and agrees on a secret with a key of OpenSSL's.
fn check(way: Way, domains: &[CurveParameters]) {
    // Before 4.0 signatures on the longest curves may have leading zeros, which OpenSSL refuses.
    let station = Station::delivered(way, &["--firmware", "4.1"]);
    station.initialize(&[]);
    station.write("message", MESSAGE);
    let mut terminal = station.terminal();
    let mut ask = |cla, ins, p1, p2, data: &[u8]| {
        let response = terminal.transmit(&extended(cla, ins, p1, p2, data, true));
        let data = response.strip_suffix(&[0x90, 0x00]);
        data.unwrap_or_else(|| panic!("{ins:02X} {p1:02X} {p2:02X}: {response:02X?}")).to_vec()
    };
    ask(0x00, 0xA4, 0x04, 0x00, &APPLET);
    ask(0x00, 0x20, 0x00, 0x81, clients::PIN.as_bytes());
    for (id, domain) in (1..).zip(domains) {
        ask(0x00, 0x46, id, 0x00, &ec_template(domain, &[]));
        let number = id.to_string();
        let file = ["--public", "--output", "key.pem"];
        station.vschsm(&[&["keys", "./test.card", &number], &file[..]].concat()).succeeded();

        station.write("signature", ask(0x80, 0x68, id, 0x73, MESSAGE));
        let verify = ["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature"];
        openssl(&station, &[&verify[..], &["message"]].concat());

        let parameters = ["ec", "-pubin", "-in", "key.pem", "-param_out", "-out", "curve.pem"];
        openssl(&station, &parameters);
        openssl(&station, &["genpkey", "-paramfile", "curve.pem", "-out", "peer.pem"]);
        let public = ["pkey", "-in", "peer.pem", "-pubout", "-outform", "DER", "-out", "peer.der"];
        openssl(&station, &public);
        let derive = ["pkeyutl", "-derive", "-inkey", "peer.pem", "-peerkey", "key.pem"];
        openssl(&station, &[&derive[..], &["-out", "expected"]].concat());
        let peer = station.read("peer.der");
        // A SubjectPublicKeyInfo ends with the point.
        let point = peer.get(peer.len() - domain.g.len()..).unwrap();
        let shared = ask(0x80, 0x62, id, 0x80, point);
        let x = shared.get(1..=domain.p.len());
        assert_eq!(x, Some(station.read("expected").as_slice()), "{} bits", domain.bits());
    }
}
