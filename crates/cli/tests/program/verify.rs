//! `vschsm verify`.

use crate::vschsm::{Home, hex, text};
use std::fs;
use std::path::PathBuf;

/// What a real card has in a file.
fn published(name: &str) -> PathBuf {
    format!("{}/../../vectors/published/{name}.hex", env!("CARGO_MANIFEST_DIR")).into()
}

#[test]
fn a_real_card_is_told_from_a_virtual_one() {
    let home = Home::new();
    let files = ["DENK0404144-2F02", "DENK0404144-CE01", "DENK0404144-CE04"].map(published);
    let files: Vec<_> = files.iter().map(|path| text(path)).collect();
    let told = home.run(&[&["verify"], &files[..]].concat()).ok();
    assert_eq!(
        told,
        "DENK040414400000, device, by DEDINK0400001, 2026-05-28 to 2031-05-27: verified\n\
         DEDINK0400001, issuer, by DESRCACC100001, 2024-10-30 to 2032-10-29: verified\n\
         DENK040414400001, key, EC secp256k1, by DENK040414400000: verified\n\
         DENK040414400001, key, RSA 2048, by DENK040414400000: verified\n\
         A card that the vendor has made: its root is DESRCACC100001.\n"
    );

    let card = home.path("a.card");
    let new = ["--serial", "ZZVS0000001", "--initialize", "--key", "ec:secp256r1,id=10"];
    home.run(&[&["new", text(&card)], &new[..]].concat()).ok();
    let told = home.run(&["verify", text(&card)]).ok();
    assert!(told.contains("key, EC secp256r1, by ZZVS000000100000: verified\n"), "{told}");
    assert!(told.ends_with(
        "A virtual card: its root is ZZSRCAVS100001, whose private key is published.\n"
    ));
    let json = home.run(&["verify", text(&card), "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["requests"][0]["flaw"], serde_json::Value::Null);
}

#[test]
fn what_is_wrong_is_told_and_ends_with_three() {
    let home = Home::new();
    let digits = fs::read_to_string(published("DENK0404144-2F02")).unwrap();
    let mut changed = hex(&digits);
    *changed.last_mut().unwrap() ^= 1;
    let file = home.path("changed");
    fs::write(&file, changed).unwrap();
    let end = home.run(&["verify", text(&file)]);
    assert_eq!(end.code, Some(3), "{end:?}");
    assert!(end.out.contains("DEDINK0400001, issuer, by DESRCACC100001"), "{end:?}");
    assert!(end.out.contains("its issuer has not signed it"), "{end:?}");
    assert!(end.out.contains("No certificate chain ends in a known root"), "{end:?}");
    assert!(end.err.contains("2 objects not verified"), "{end:?}");

    let request = published("DENK0404144-CE01");
    let end = home.run(&["verify", text(&request)]);
    assert_eq!(end.code, Some(3), "a request without the certificates: {end:?}");
    assert!(end.out.contains("its issuer is unknown"), "{end:?}");

    fs::write(&file, "nonsense").unwrap();
    let why = home.run(&["verify", text(&file)]).failed();
    assert!(why.contains("nor does it consist of certificates and requests"), "{why}");
    assert_eq!(home.run(&["verify"]).code, Some(2));
}
