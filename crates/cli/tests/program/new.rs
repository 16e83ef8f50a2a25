//! `vschsm new`, and the commands that tell about cards.

use crate::vschsm::{Home, INITIALIZE, WRONG_PIN, digits, text};
use std::fs;

#[test]
fn the_same_seed_and_options_make_the_same_file() {
    let home = Home::new();
    for name in ["one", "two"] {
        home.run(&["new", name, "--seed", "x"]).ok();
    }
    home.run(&["new", "other", "--seed", "y"]).ok();
    home.run(&["new", "random"]).ok();
    let [one, two, other, random] = ["one", "two", "other", "random"]
        .map(|name| fs::read(home.path(&format!("vschsm/{name}.card"))).unwrap());
    assert_eq!(one, two);
    assert_ne!(one, other);
    assert_ne!(one, random);
}

#[test]
fn a_bare_name_is_a_card_in_the_data_folder_and_anything_else_a_path() {
    let home = Home::new();
    home.run(&["new", "alice"]).ok();
    home.run(&["new", "bob.card"]).ok();
    home.run(&["new", "./carol"]).ok();
    for path in ["vschsm/alice.card", "vschsm/bob.card", "carol"] {
        assert!(home.path(path).is_file(), "{path}");
    }
    let refusal = home.run(&["new", "./missing/dave"]).failed();
    assert!(refusal.contains("its folder does not exist"), "{refusal}");
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let home = Home::new();
    fs::write(home.path("a.card"), "precious").unwrap();
    let refusal = home.run(&["new", "./a.card"]).failed();
    assert!(refusal.contains("exists already"), "{refusal}");
    assert_eq!(fs::read_to_string(home.path("a.card")).unwrap(), "precious");
    assert_eq!(fs::read_dir(home.path("")).unwrap().count(), 1);
}

#[test]
fn a_wrong_option_is_wrong_usage() {
    let home = Home::new();
    for arguments in [
        ["new", "a", "--serial", "short"].as_slice(),
        &["new", "a", "--firmware", "9.9"],
        &["new", "a", "--chain", "x"],
        &["new", ""],
        &["new"],
        &["apdu"],
        &["unheard-of"],
    ] {
        assert_eq!(home.run(arguments).code, Some(2), "{arguments:?}");
    }
    let missing = home.run(&["new", "a", "--firmware", "./missing.toml"]).failed();
    assert!(missing.contains("missing.toml"), "{missing}");
    assert!(!home.path("vschsm").exists());
}

#[test]
fn a_firmware_file_makes_a_card_that_no_longer_needs_it() {
    let home = Home::new();
    let source = home.run(&["firmware", "2.6"]).ok();
    let edited = source.replacen("name = \"2.6\"", "name = \"mine\"", 1);
    fs::write(home.path("my.toml"), edited).unwrap();
    let made = home.run(&["new", "./a.card", "--firmware", "my.toml"]).ok();
    assert!(made.contains("SmartCard-HSM mine"), "{made}");
    fs::remove_file(home.path("my.toml")).unwrap();
    let shown = home.run(&["show", "./a.card"]).ok();
    assert!(shown.starts_with("SmartCard-HSM Version 2.6 on"), "{shown}");

    fs::write(home.path("bad.toml"), "nonsense").unwrap();
    let refusal = home.run(&["apdu", "--select", "--firmware", "bad.toml", "00200081"]);
    assert_eq!(refusal.code, Some(1));
    assert!(refusal.err.contains("bad.toml"), "{}", refusal.err);
}

#[test]
fn the_root_certificate_is_printed_in_hex_and_written_in_binary() {
    let home = Home::new();
    let printed = home.run(&["root"]).ok();
    home.run(&["root", "--output", "root.cvcert"]).ok();
    let written = fs::read(home.path("root.cvcert")).unwrap();
    assert_eq!(written, vschsm_card::personalisation::root_certificate());
    assert_eq!(printed.trim_end(), digits(&written));
}

#[test]
fn show_tells_what_is_on_a_card_but_no_secret() {
    let home = Home::new();
    let path = home.path("a.card");
    home.run(&["new", text(&path), "--serial", "ZZTEST00001"]).ok();
    assert!(home.run(&["show", text(&path)]).ok().contains("User PIN       not set"));

    let label = "00D72F03 12 54020000 530C 300A 020100 800158 03020500";
    let secret = "00D7CD01 0A 54020000 5304 DEADBEEF";
    let key = "004807B2 0A 91021018 90040000 0007";
    home.run(&[
        "apdu",
        "--select",
        "--card",
        text(&path),
        INITIALIZE,
        label,
        secret,
        key,
        WRONG_PIN,
    ])
    .ok();
    let shown = home.run(&["show", text(&path)]).ok();
    for line in [
        "SmartCard-HSM Version 3.4 on JCOP 3          Free memory ",
        "Issuer Certificate : CVC id-SC-HSM DICA CAR=ZZSRCAVS100001 CHR=ZZDIVS0100001 CED=",
        "Device Certificate : CVC id-SC-HSM Device CAR=ZZDIVS0100001 CHR=ZZTEST0000100000 CED=",
        "Serial number  ZZTEST00001",
        "Label          X",
        "User PIN       9 of 10 tries left",
        "SO-PIN         15 of 15 tries left",
        "  7   AES 256, only for AES-CBC encryption, AES-CMAC, 7 uses left",
        "  CD01      4 bytes  protected data",
    ] {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line} in\n{shown}");
    }
    let json = home.run(&["show", text(&path), "--json"]).ok();
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed.pointer("/serial").unwrap(), "ZZTEST00001");
    assert_eq!(parsed.pointer("/user_pin/tries_left").unwrap(), 9);
    for secret in ["DEADBEEF", "3132333435363738", "12345678"] {
        assert!(!shown.contains(secret) && !json.contains(secret), "{secret}");
    }
}

#[test]
fn show_tells_of_key_domains_but_no_share() {
    let home = Home::new();
    let path = home.card("a.card");
    let initialize = "80500000 1B 80020001 81083132333435363738 82083132333435363738 970104";
    let share = |domain: u8, byte: &str| format!("805200{domain:02X} 20 {} 00", byte.repeat(32));
    let create = ["8052010001 02 00", "8052010101 01 00", "8052010301 00 00"];
    let shares = [share(0, "A5"), share(1, "44")];
    let apdus = [&[initialize][..], &create, &shares.each_ref().map(String::as_str)].concat();
    home.run(&[&["apdu", "--select", "--card", text(&path)], &apdus[..]].concat()).ok();

    let shown = home.run(&["show", text(&path)]).ok();
    for line in [
        "Key domain 0   2 DKEK shares, 1 missing",
        "Key domain 1   1 DKEK share, key check value BB391415C05E39D7",
        "Key domain 2   not created",
        "Key domain 3   random DKEK, key check value ",
    ] {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line} in\n{shown}");
    }
    let json = home.run(&["show", text(&path), "--json"]).ok();
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(parsed.pointer("/key_domains/0/missing_shares").unwrap(), 1);
    assert_eq!(parsed.pointer("/key_domains/1/key_check_value").unwrap(), "BB391415C05E39D7");
    assert!(parsed.pointer("/key_domains/2").unwrap().is_null());
    for secret in ["A5A5A5A5", "44444444"] {
        assert!(!shown.contains(secret) && !json.contains(secret), "{secret}");
    }
}

#[test]
fn show_tells_of_a_key_domain_for_key_exchange() {
    let home = Home::new();
    let image = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/images/3.card");
    let shown = home.run(&["show", image]).ok();
    let line = "Key domain 4   key exchange in group 2AFAD12DF6A992AA, \
                key check value A9C220CBF059162E";
    assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    let json = home.run(&["show", image, "--json"]).ok();
    let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
    let uid = parsed.pointer("/key_domains/4/exchange_uid").unwrap().as_str().unwrap();
    assert_eq!(uid.len(), 128);
}

#[test]
fn there_are_completions_and_a_man_page_for_everything() {
    let home = Home::new();
    assert!(home.run(&["completions", "bash"]).ok().contains("--ephemeral"));
    assert!(home.run(&["man"]).ok().contains(".TH vschsm"));
    assert!(home.run(&["man", "run"]).ok().contains("ready\\-file"));
    assert!(home.run(&["man", "ctl", "insert"]).ok().contains("vschsm\\-ctl\\-insert"));
    assert_eq!(home.run(&["man", "nothing"]).code, Some(2));
}
