//! Files that users have: cards, firmwares, provisioning files, shares, wrapped keys, vectors.

use super::outputs::{keys_of, missing};
use super::{copied, kept};
use crate::vschsm::{Home, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const DKEK: &str = "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF";

/// What `vschsm show --json` says of a card.
fn shown(home: &Home, card: &Path, options: &[&str]) -> Value {
    let shown = home.run(&[&["show", "--json", text(card)], options].concat()).ok();
    serde_json::from_str(&shown).unwrap()
}

/// The keys of a card's file, whose first line is no JSON.
fn keys_of_image(path: &Path) -> BTreeSet<String> {
    let image = fs::read_to_string(path).unwrap();
    let (_, content) = image.split_once('\n').unwrap();
    keys_of(&serde_json::from_str(content).unwrap())
}

/// `tests/images.rs` loads an image of each version. Here each key of them is written again.
#[test]
fn cards_load_and_are_written_with_the_same_keys() {
    let home = Home::new();
    let mut all = BTreeSet::new();
    for name in ["full.card", "provisioned.card", "own-firmware.card", "1", "2", "3", "4", "5", "6"]
    {
        let path = match name.len() {
            1 => format!("../images/{name}.card"),
            _ => name.into(),
        };
        let card = home.path("copy.card");
        fs::copy(kept(&path), &card).unwrap();
        let before = keys_of_image(&card);
        let snapshot = home.path(&format!("snapshot-{name}.card"));
        let program = env!("CARGO_BIN_EXE_vschsm");
        let take = [program, "ctl", "snapshot", text(&snapshot)];
        home.run(&[&["exec", "--card-template", text(&card), "--"], &take[..]].concat()).ok();
        let after = keys_of_image(&snapshot);
        // Version 2 said the DKEK's shares and the number of domains beside the domains.
        let former = ["dkek-shares".to_owned(), "key-domains".to_owned()];
        let gone =
            before.difference(&after).filter(|key| !former.contains(key) && !key.contains(" = "));
        assert_eq!(gone.collect::<Vec<_>>(), Vec::<&String>::new(), "{name}");
        all.extend(after);
    }
    assert_eq!(missing("card", &all), Vec::<String>::new());
}

#[test]
fn a_card_under_a_passphrase_is_opened_decrypted_and_encrypted() {
    let home = Home::new();
    let (card, passphrase) = (copied(&home, "encrypted.card"), copied(&home, "passphrase"));
    let options = ["--passphrase-file", text(&passphrase)];
    assert_eq!(shown(&home, &card, &options)["label"], "CI");
    home.run(&[&["unseal", text(&card)], &options[..]].concat()).ok();
    assert_eq!(shown(&home, &card, &[])["label"], "CI");
    home.run(&[&["seal", text(&card)], &options[..]].concat()).ok();
    assert_eq!(shown(&home, &card, &options)["label"], "CI");
    let encrypted = fs::read(&card).unwrap();
    assert!(encrypted.starts_with(b"vschsm-card-sealed 2 argon2id m="));
}

#[test]
fn every_key_of_a_firmware_file_is_known() {
    let home = Home::new();
    for name in ["firmware.toml", "firmware-formerly.toml"] {
        let file = copied(&home, name);
        let card = home.path("mine.card");
        home.run(&["new", text(&card), "--force", "--firmware", text(&file)]).ok();
        let shown = shown(&home, &card, &[]);
        assert_eq!(shown["firmware"], "transcript", "{name}");
        assert_eq!(shown["generates_weak_aes_keys"], name == "firmware-formerly.toml", "{name}");
        // `[refuse]` is heeded: `query-memory`.
        let select = ["apdu", "--select", "--card", text(&card)];
        let asked = home.run(&[&select[..], &["8050000000"]].concat()).ok();
        assert_eq!(asked, "6700\n", "{name}");
    }
}

#[test]
fn every_key_of_a_provisioning_file_is_known() {
    let home = Home::new();
    copied(&home, "share.pbe");
    let plan = copied(&home, "provisioning.toml");
    let card = home.path("ci.card");
    home.run(&["new", text(&card), "--provision", text(&plan)]).ok();
    let shown_card = shown(&home, &card, &[]);
    assert_eq!(shown_card["label"], "CI");
    assert_eq!(shown_card["user_pin"]["tries"], 2);
    assert_eq!(shown_card["key_domains"][0]["key_check_value"], "4773D12E2371BB93");
    let keys = &shown_card["keys"];
    assert_eq!(keys[0]["pkcs11_id"], "10");
    assert_eq!(keys[0]["label"], "signing");
    assert_eq!(keys[0]["algorithms"][1]["id"], "92");
    assert_eq!(keys[0]["uses_left"], 99, "its certificate has taken one");
    assert_eq!(keys[2]["type"], "AES");
    let login = ["00200081 06 313233343536", "00200088 08 3132333435363738"];
    let logged_in =
        home.run(&[&["apdu", "--select", "--card", text(&card)], &login[..]].concat()).ok();
    assert_eq!(logged_in, "9000\n9000\n");

    let plan = copied(&home, "provisioning-domains.toml");
    let card = home.path("domains.card");
    home.run(&["new", text(&card), "--provision", text(&plan)]).ok();
    let shown = shown(&home, &card, &[]);
    assert_eq!(shown["key_domains"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown["keys"][0]["domain"], 1);
}

#[test]
fn shares_wrapped_keys_and_custodians_keys_are_read() {
    let home = Home::new();
    let (share, blob) = (copied(&home, "share.pbe"), copied(&home, "wrapped.key"));
    let password = ["--password", "password"];
    let shown = home.run(&[&["dkek", "show", text(&share)], &password[..]].concat()).ok();
    assert!(shown.contains("4773D12E2371BB93"), "{shown}");
    let explained = home.run(&["blob", text(&blob), "--dkek", DKEK]).ok();
    assert!(explained.contains("4773D12E2371BB93"), "{explained}");
    // `outputs.rs` registers the custodian's key.
    assert!(fs::metadata(kept("custodian.pka")).is_ok());
}

#[test]
fn every_phrase_of_vectors_is_understood_and_played() {
    let home = Home::new();
    let vectors = kept("vectors");
    home.run(&["check", text(&vectors)]).ok();
    let quota = home.run(&["check", "--firmware", "3.4+quota", text(&vectors)]).ok();
    assert!(quota.contains("20 checks passed"), "{quota}");
}
