//! `vschsm keys`: what is public of the keys on a card.

use crate::vschsm::{Home, LOGIN, digits, hex, text};
use der::Document;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// GENERATE ASYMMETRIC KEY PAIR: CC01 on secp256r1, the request stored in CE01.
const SECP256R1: &str = "00460100 000100 \
     5F29010042095554434130303030317F4981DA060A04007F000702020202038120FFFFFFFF0000000100 \
     0000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF8220FFFFFFFF00000001000000000000000000 \
     000000FFFFFFFFFFFFFFFFFFFFFFFC83205AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63B \
     CE3C3E27D2604B8441046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296 \
     4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F58520FFFFFFFF00000000 \
     FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC6325518701015F20105A5A56533030303030303130 \
     30303031";
/// CC02: RSA with 1024 bits, for two uses; the request is returned.
const RSA_1024: &str = "00460200 000040 \
     5F29010042095554434130303030317F4915060A04007F000702020201028203010001020204005F2010 \
     5A5A5653303030303030313030303031900400000002 0000";
/// CC03 on a curve of 163 bits without a name, for ECDSA with SHA-256 only.
const NO_NAME: &str = "00460300 0000C1 \
     5F29010042095554434130303030317F498198060A04007F00070202020203811506E52190ADD982D465 \
     F635B8E14E1344A3A61523378215031E5D0C519EE15618149E91C84DA96FEEB06A3ABE831504A7BB93FD \
     834820C4F9B932C7345B6BCC21F51974842B040350A753970183F695E43048C016A046D06BB4C09D064A \
     27AF873AF6DA68D9698F20BDB4D63CEA4C3E19851506E52190ADD982D465F6359AA951D1D05535923061 \
     8701015F20105A5A5653303030303030313030303031 910173 0000";

fn card_with_keys(home: &Home) -> PathBuf {
    let path = home.card("a.card");
    let generate = ["apdu", "--select", "--card", text(&path), LOGIN, SECP256R1, RSA_1024, NO_NAME];
    assert_eq!(home.run(&generate).ok().matches("9000\n").count(), 4);
    path
}

#[test]
fn keys_are_listed_with_curve_and_limits_as_show_lists_them() {
    let home = Home::new();
    let path = card_with_keys(&home);
    let list = home.run(&["keys", text(&path)]).ok();
    assert_eq!(
        list,
        "  1   EC 256, secp256r1\n  \
           2   RSA 1024, 2 uses left\n  \
           3   EC 163, a curve without a name, only for ECDSA SHA-256\n"
    );
    assert!(home.run(&["show", text(&path)]).ok().contains(&list));
    assert_eq!(home.run(&["keys", text(&path), "2"]).ok(), "  2   RSA 1024, 2 uses left\n");
    let empty = home.card("empty.card");
    assert_eq!(home.run(&["keys", text(&empty)]).ok(), "");
    assert_eq!(home.run(&["keys", text(&empty), "--json"]).ok(), "[]\n");
}

#[test]
fn keys_are_listed_as_json_as_show_has_them() {
    let home = Home::new();
    let path = card_with_keys(&home);
    let json =
        |arguments: &[&str]| -> Value { serde_json::from_str(&home.run(arguments).ok()).unwrap() };
    let keys = json(&["keys", text(&path), "--json"]);
    assert_eq!(keys.as_array().map(Vec::len), Some(3));
    assert_eq!(keys, json(&["show", text(&path), "--json"])["keys"]);
    let one = json(&["keys", text(&path), "2", "--json"]);
    assert_eq!(one, Value::Array(vec![keys[1].clone()]));
    let both = home.run(&["keys", text(&path), "1", "--json", "--public"]);
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn the_request_that_the_card_stored_is_written_as_it_is() {
    let home = Home::new();
    let path = card_with_keys(&home);
    let read = home
        .run(&["apdu", "--select", "--card", text(&path), "00B1CE01 000004 54020000 0000"])
        .ok();
    let stored = read.trim_end().strip_suffix("9000").unwrap().to_owned() + "\n";

    assert_eq!(home.run(&["keys", text(&path), "1", "--csr"]).ok(), stored);
    home.run(&["keys", text(&path), "1", "--csr", "--output", "1.cvreq"]).ok();
    assert_eq!(fs::read(home.path("1.cvreq")).unwrap(), hex(stored.trim_end()));
}

#[test]
fn a_request_that_is_not_stored_is_made_the_same_each_time_and_costs_no_use() {
    let home = Home::new();
    let path = card_with_keys(&home);
    let before = fs::read(&path).unwrap();
    let request = |id: &str| home.run(&["keys", text(&path), id, "--csr"]).ok();
    for id in ["2", "3"] {
        assert_eq!(request(id), request(id));
    }
    let holder = |id| {
        let serial = home.run(&["show", text(&path), "--json"]).ok();
        let (_, serial) = serial.split_once("\"serial\": \"").unwrap();
        format!("5F2010{}", digits([&serial[..11], id].concat().as_bytes()))
    };
    assert!(request("2").contains(&holder("00002")));
    assert!(request("3").contains(&holder("00003")));
    assert_eq!(fs::read(&path).unwrap(), before);

    // A certificate in the request's place is not taken for one.
    let write = "00D7CE01 0B 54020000 53053003020101";
    home.run(&["apdu", "--select", "--card", text(&path), LOGIN, "00E4020002CE01", write]).ok();
    assert!(request("1").contains(&holder("00001")));
    // A request of the key that had the number before is not either.
    home.run(&[
        "apdu",
        "--select",
        "--card",
        text(&path),
        LOGIN,
        SECP256R1,
        &format!("{SECP256R1}0000"),
    ])
    .ok();
    assert!(request("1").contains(&holder("00001")));
}

#[test]
fn a_public_key_in_pem_is_that_of_the_request() {
    let home = Home::new();
    let path = card_with_keys(&home);
    for (id, tag, length) in [("1", "8641", 65), ("2", "818180", 128), ("3", "862B", 43)] {
        let request = home.run(&["keys", text(&path), id, "--csr"]).ok();
        let start = request.find(tag).unwrap() + tag.len();
        let key = hex(&request[start..start + 2 * length]);

        let pem = home.run(&["keys", text(&path), id, "--public"]).ok();
        assert!(pem.ends_with("-----END PUBLIC KEY-----\n"), "{pem}");
        let (label, document) = Document::from_pem(&pem).unwrap();
        assert_eq!(label, "PUBLIC KEY");
        assert!(document.as_bytes().windows(length).any(|window| window == key), "{id}");
        home.run(&["keys", text(&path), id, "--public", "--output", "key.pem"]).ok();
        assert_eq!(fs::read_to_string(home.path("key.pem")).unwrap(), pem);
    }
}

#[test]
fn a_key_that_a_client_has_described_has_an_id_and_a_label() {
    let home = Home::new();
    let keys = ["--key", "ec:secp256r1,id=10,label=signing", "--key", "aes:128,id=1A"];
    home.run(&[&["new", "./a.card", "--initialize"][..], &keys].concat()).ok();
    let list = "  1   EC 256, secp256r1, id 10, label \"signing\"\n  \
                  2   AES 128, id 1A, label \"aes:128\"\n";
    assert_eq!(home.run(&["keys", "./a.card"]).ok(), list);
    let shown = home.run(&["show", "./a.card", "--json"]).ok();
    assert!(shown.contains("\"pkcs11_id\": \"1A\""), "{shown}");

    // Without --id, 10 is a number.
    let public = home.run(&["keys", "./a.card", "--id", "10", "--public"]).ok();
    assert_eq!(public, home.run(&["keys", "./a.card", "1", "--public"]).ok());
    assert!(home.run(&["keys", "./a.card", "10"]).failed().contains("has no key 10"));
    let refused = home.run(&["keys", "./a.card", "--id", "11"]).failed();
    assert!(refused.contains("no key with the id 11"), "{refused}");
    assert_eq!(home.run(&["keys", "./a.card", "1", "--id", "10"]).code, Some(2));

    // Clients may well describe two keys with one id.
    let select = "00A40400 0B E82B0601040181C31F0201";
    let login = "00200081 06 363438323139";
    let describe = "00D7C402 31 54020000 532B A029 300E0C0565636B6579030206C0040101 \
                    300B0401100303073080020101 A10A30083002040002020100";
    let apdu = ["apdu", "--card", "./a.card", select, login, "00E4020002C402", describe];
    assert!(home.run(&apdu).ok().ends_with("9000\n9000\n9000\n"));
    let refused = home.run(&["keys", "./a.card", "--id", "10"]).failed();
    assert!(refused.contains("keys 1 and 2"), "{refused}");
}

#[test]
fn what_cannot_be_written_is_told_in_a_sentence() {
    let home = Home::new();
    let path = card_with_keys(&home);
    let error = home.run(&["keys", text(&path), "9", "--csr"]).failed();
    assert!(error.contains("has no key 9"), "{error}");
    let error = home.run(&["keys", text(&path), "1", "--csr", "--output", "no/folder"]).failed();
    assert!(error.contains("cannot write no/folder"), "{error}");
    for wrong in [
        &["keys", text(&path), "--csr"][..],
        &["keys", text(&path), "1", "--csr", "--public"],
        &["keys", text(&path), "1", "--output", "file"],
        &["keys", text(&path), "0"],
        &["keys", text(&path), "256"],
    ] {
        assert_eq!(home.run(wrong).code, Some(2), "{wrong:?}");
    }
}
