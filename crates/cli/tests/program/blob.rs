//! `vschsm blob`: a wrapped key, field by field.

use crate::vschsm::{Home, hex};
use std::fs;

/// The AES-128 key 00 to 0F for CBC, CMAC and derivation, under the DKEK of 32 bytes 44.
const AES: &str = "BB391415C05E39D7 0F 0008 6086480165030401 0004 10111899 0000 0000 \
                   0C4220E496A7185071FAF26A2D3AB2CBBF3F6C6530B6829242617F636BCF8A22 \
                   C80C5F757C9E0D46C29B894BCC5FA2A4";
const DKEK: &str = "4444444444444444444444444444444444444444444444444444444444444444";

#[test]
fn a_blob_is_explained_and_its_secret_shown_only_when_asked_for() {
    let home = Home::new();
    fs::write(home.path("hex.key"), AES).unwrap();
    fs::write(home.path("binary.key"), hex(AES)).unwrap();
    let plain = home.run(&["blob", "hex.key"]).ok();
    assert_eq!(
        plain,
        "Key check value    BB391415C05E39D7\n\
         Type               0F AES\n\
         Default algorithm  6086480165030401 AES\n\
         Algorithms         10 AES-CBC encryption, 11 AES-CBC decryption, 18 AES-CMAC, \
         99 key derivation\n\
         Key identifier     none\n\
         Cryptogram         32 bytes\n\
         MAC                C80C5F757C9E0D46C29B894BCC5FA2A4\n"
    );
    assert_eq!(home.run(&["blob", "binary.key"]).ok(), plain);

    let opened = home.run(&["blob", "hex.key", "--dkek", DKEK]).ok();
    assert!(
        opened.contains(
            "the MAC is right: wrapped with this DKEK\nkey                16 bytes, secret\n"
        ),
        "{opened}"
    );
    let revealed = home.run(&["blob", "hex.key", "--dkek", DKEK, "--reveal"]).ok();
    assert!(revealed.ends_with("key                000102030405060708090A0B0C0D0E0F\n"));
}

#[test]
fn a_container_of_sc_hsm_tool_is_opened() {
    let home = Home::new();
    // 30 { 04 blob, A8 description, 67 request }
    let container = [&hex("3053 044D")[..], &hex(AES), &hex("A800 6700")].concat();
    fs::write(home.path("1.key"), container).unwrap();
    let told = home.run(&["blob", "1.key"]).ok();
    let container = "Container          of sc-hsm-tool, with the blob, the description of a secret \
                     key, a certificate request\nKey check value    BB391415C05E39D7\n";
    assert!(told.starts_with(container), "{told}");
}

#[test]
fn what_does_not_fit_is_told_in_a_sentence() {
    let home = Home::new();
    let mut changed = hex(AES);
    *changed.last_mut().unwrap() ^= 1;
    fs::write(home.path("changed.key"), changed).unwrap();
    fs::write(home.path("hex.key"), AES).unwrap();
    fs::write(home.path("short.key"), hex(AES).get(..20).unwrap()).unwrap();
    let error = home.run(&["blob", "changed.key", "--dkek", DKEK]).failed();
    assert!(error.contains("its MAC is wrong"), "{error}");
    let error = home.run(&["blob", "hex.key", "--dkek", &DKEK.replace('4', "5")]).failed();
    assert!(error.contains("needs the DKEK with key check value BB391415C05E39D7"), "{error}");
    let error = home.run(&["blob", "short.key"]).failed();
    assert!(error.contains("is neither a wrapped key nor a container"), "{error}");
    assert!(home.run(&["blob", "missing"]).failed().contains("cannot read missing"));
    assert_eq!(home.run(&["blob", "hex.key", "--dkek", "44"]).code, Some(2));
    assert_eq!(home.run(&["blob", "hex.key", "--reveal"]).code, Some(2));
}
