//! `vschsm new --initialize`, and `--provision`.

use crate::vschsm::{Home, hex, text};
use der::Decode;
use sha2::{Digest, Sha256};
use std::fs;

/// The provisioning file that the README shows.
const CI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/provisioning/ci.toml");

/// SELECT of the applet.
const SELECT: &str = "00A40400 0B E82B0601040181C31F0201";

/// VERIFY with the user PIN of cards for which none is named.
const LOGIN: &str = "00200081 06 363438323139";

#[test]
fn a_seed_and_a_file_make_the_same_card_on_every_machine() {
    let home = Home::new();
    let options = ["--seed", "ci", "--serial", "ZZVS0000001", "--provision", CI];
    home.run(&[&["new", "./ci.card"], &options[..]].concat()).ok();
    let digest = Sha256::digest(fs::read(home.path("ci.card")).unwrap());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "4a131abe6385e17d130da92c31ef754d18b626e12e33ca7ecf7ef14d80847a70");

    let shown = home.run(&["show", "./ci.card"]).ok();
    for line in [
        "Label          CI",
        "Key domain 0   1 DKEK share, key check value FC8B64001C5FDD0F",
        "  1   RSA 2048, id 10, label \"RSA 2048\"",
        "  2   RSA 4096, id 11, label \"RSA 4096\"",
        "  3   EC 256, secp256r1, id 20, label \"P-256\"",
        "  4   EC 521, secp521r1, id 21, label \"P-521\"",
        "  5   AES 256, id 30, label \"AES 256\", only for AES-CBC encryption, AES-CBC decryption, \
         AES-CMAC, wrap, 1000 uses",
    ] {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line} in\n{shown}");
    }
}

#[test]
fn options_and_a_file_that_say_the_same_make_the_same() {
    let home = Home::new();
    fs::write(
        home.path("plan.toml"),
        "label = 'X'\ndkek-shares = 2\npin = '1234567890'\ntries = 9\nso-pin = '3132333435363738'\n\
         [[key]]\ntype = 'ec:brainpoolP256r1'\nid = '0A0B'\ncertificate = 'CN=x'\n\
         san = ['DNS:a', 'IP:::1']\nca = true\n\
         [[key]]\ntype = 'aes:128'\nalgorithms = '1011'\nuses = 3\ndomain = 0\n",
    )
    .unwrap();
    let same = ["--seed", "x", "--serial", "ZZVS0000001"];
    let options = [
        &["new", "./options.card", "--initialize", "--label", "X", "--dkek-shares", "2"][..],
        &["--pin", "1234567890", "--tries", "9", "--so-pin", "3132333435363738"],
        &[
            "--key",
            "ec:brainpoolP256r1,id=0a:0b,san=DNS:a,san=IP:::1,ca=true",
            "--cert",
            "0A0B=CN=x",
        ],
        &["--key", "aes:128,algorithms=1011,uses=3,domain=0"],
        &same,
    ];
    home.run(&options.concat()).ok();
    home.run(&[&["new", "./file.card", "--provision", "plan.toml"], &same[..]].concat()).ok();
    let [options, file] = ["options.card", "file.card"].map(|name| fs::read(home.path(name)));
    assert_eq!(options.unwrap(), file.unwrap());
}

#[test]
fn a_provisioned_card_has_the_usual_pins_and_its_keys_work() {
    let home = Home::new();
    home.run(&["new", "./a.card", "--initialize", "--key", "ec:secp256r1"]).ok();
    let card = home.path("a.card");
    let apdu = ["apdu", "--select", "--card", text(&card)];
    let sign = "80680173 03 616263 00";
    let answers = home.run(&[&apdu[..], &[sign, LOGIN, sign]].concat()).ok();
    let answers: Vec<_> = answers.lines().collect();
    let [before, login, after] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!((*before, *login), ("6982", "9000"));
    assert!(after.ends_with("9000"), "{after}");
}

#[test]
fn a_certificate_of_a_file_must_be_for_the_key() {
    let home = Home::new();
    let key = ["--initialize", "--key", "ec:secp256r1,id=20"];
    let made = |name: &str, seed: &str, cert: &str| {
        let options = ["--serial", "ZZVS0000001", "--seed", seed, "--cert", cert];
        home.run(&[&["new", name], &key[..], &options].concat())
    };
    made("./first.card", "x", "20=CN=x").ok();
    let read = home
        .run(&["apdu", "--select", "--card", "./first.card", "00B1CE01 000004 54020000 0000"])
        .ok();
    fs::write(home.path("cert.der"), hex(read.trim().strip_suffix("9000").unwrap())).unwrap();
    // The key is the same without the signature.
    made("./second.card", "x", "20=./cert.der").ok();
    assert_eq!(
        home.run(&["keys", "./second.card", "1", "--public"]).ok(),
        home.run(&["keys", "./first.card", "1", "--public"]).ok()
    );
    let refusal = made("./third.card", "y", "20=./cert.der").failed();
    assert!(refusal.contains("is for another key"), "{refusal}");
    fs::write(home.path("cert.der"), "nonsense").unwrap();
    let refusal = made("./third.card", "x", "20=./cert.der").failed();
    assert!(refusal.contains("neither PEM nor DER"), "{refusal}");
    let refusal = made("./third.card", "x", "20=./none.der").failed();
    assert!(refusal.contains("none.der"), "{refusal}");
    assert!(!home.path("third.card").exists());
}

#[test]
fn a_signature_more_or_less_changes_no_key() {
    let home = Home::new();
    // An ECDSA signature draws a nonce, so that the key after it would be another one.
    let keys = ["--key", "ec:secp256r1,id=10", "--key", "rsa:1024,id=20", "--key", "aes:128,id=30"];
    let public_keys = |name: &str, more: &[&str]| {
        let options = ["new", name, "--seed", "x", "--serial", "ZZVS0000001", "--initialize"];
        home.run(&[&options[..], &keys, more].concat()).ok();
        ["1", "2"].map(|number| home.run(&["keys", name, number, "--public"]).ok())
    };
    let plain = public_keys("./plain.card", &[]);
    let certificates = ["--cert", "10=CN=EC", "--cert", "20=CN=RSA"];
    assert_eq!(public_keys("./certified.card", &certificates), plain);

    // Somebody certifies the keys, and a card that is made again takes the certificates.
    let mut files = Vec::new();
    for (number, id) in [("01", "10"), ("02", "20")] {
        let read = format!("00B1CE{number} 000004 54020000 0000");
        let read = home.run(&["apdu", "--card", "./certified.card", SELECT, &read]).ok();
        let certificate = read.lines().last().unwrap().strip_suffix("9000").unwrap();
        fs::write(home.path(&format!("{id}.der")), hex(certificate)).unwrap();
        files.extend(["--cert".to_owned(), format!("{id}=./{id}.der")]);
    }
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    assert_eq!(public_keys("./again.card", &files), plain);
}

#[test]
fn more_keys_than_a_card_has_numbers_for_are_refused() {
    let home = Home::new();
    let keys = "[[key]]\ntype = 'aes:128'\n".repeat(256);
    fs::write(home.path("plan.toml"), keys).unwrap();
    let end = home.run(&["new", "./a.card", "--provision", "plan.toml"]);
    assert!(end.err.contains("255 keys at most, not 256"), "{}", end.err);
    assert!(!home.path("a.card").exists());
}

#[test]
fn what_cannot_be_is_told_in_a_sentence_and_leaves_no_file() {
    let home = Home::new();
    let long_pin = "1".repeat(17);
    for (options, code, told) in [
        (&["--initialize", "--pin", "12345"][..], 1, "does not initialise the card"),
        (&["--initialize", "--pin", &long_pin], 1, "a PIN has 6 to 16 characters"),
        (&["--initialize", "--so-pin", "1234"], 2, "16 hexadecimal digits"),
        (&["--initialize", "--key", "rsa:1000"], 1, "does not make the key rsa:1000"),
        (&["--initialize", "--key", "rsa"], 2, "\"rsa\" is not a type of key"),
        (&["--initialize", "--key", "ec:P-255"], 2, "there are secp"),
        (&["--initialize", "--key", "aes:64"], 2, "128, 192 and 256"),
        (&["--initialize", "--key", "aes:128,size=1"], 2, "is not one of id="),
        (&["--initialize", "--key", "aes:128,id=x"], 2, "'x' is not a hexadecimal digit"),
        (&["--initialize", "--key", "aes:128,domain=256"], 2, "end with 255"),
        (&["--initialize", "--key", "aes:128", "--cert", "01=CN=x"], 2, "no certificate"),
        (&["--initialize", "--cert", "10=CN=x"], 2, "the id 10, which no --key has"),
        (&["--initialize", "--key", "aes:128,id=0a", "--key", "aes:128,id=0A"], 2, "both have"),
        (&["--initialize", "--key", "aes:128,id=02", "--key", "aes:128"], 2, "the id 02"),
        (&["--initialize", "--key", "rsa:1024,san=localhost"], 2, "is not one of DNS:"),
        (&["--initialize", "--key", "rsa:1024,san=IP:127.0.0"], 2, "is not an IP address"),
        (&["--initialize", "--key", "rsa:1024,san=DNS:ö.example"], 2, "xn--"),
        (&["--initialize", "--key", "rsa:1024,san=DNS:x"], 2, "signs itself"),
        (&["--initialize", "--key", "rsa:1024,ca=true"], 2, "signs itself"),
        (&["--initialize", "--key", "rsa:1024,ca=yes"], 2, "is not one of id="),
        (&["--initialize", "--key", "rsa:1024", "--cert", "01=CN"], 1, "cannot read CN"),
        (&["--initialize", "--key", "rsa:1024", "--cert", "01=X=y"], 1, "no certificate for"),
        (
            &["--initialize", "--key", "rsa:1024,algorithms=92", "--cert", "01=CN=y"],
            1,
            "must be allowed to be used with 33",
        ),
        (&["--initialize", "--dkek-share", "none"], 1, "cannot read none"),
        (&["--initialize", "--domains", "2", "--firmware", "2.6", "--key", "aes:128"], 1, "6D00"),
        (&["--label", "x"], 2, "--initialize"),
        (&["--provision", "none.toml"], 1, "cannot read none.toml"),
    ] {
        let end = home.run(&[&["new", "./a.card"], options].concat());
        assert_eq!(end.code, Some(code), "{options:?}: {}", end.err);
        assert!(end.err.contains(told), "{options:?}: {}", end.err);
        assert!(!home.path("a.card").exists(), "{options:?}");
    }
    for (plan, told) in [
        ("pim = '1'", "pim"),
        ("[[key]]\ntype = 'rsa:x'", "\"x\" is not a number of bits"),
        ("[[key]]\nid = '10'", "type"),
    ] {
        fs::write(home.path("plan.toml"), plan).unwrap();
        let end = home.run(&["new", "./a.card", "--provision", "plan.toml"]);
        assert_eq!(end.code, Some(1), "{plan}: {}", end.err);
        assert!(end.err.contains(told) && end.err.contains("plan.toml"), "{plan}: {}", end.err);
    }
}

#[test]
fn what_is_too_long_for_a_card_is_a_sentence() {
    let home = Home::new();
    let long = "x".repeat(0x1_0001);
    for options in [["--label", &long], ["--key", &format!("ec:secp256r1,label={long}")]] {
        let command = [&["new", "./a.card", "--initialize"], &options[..]].concat();
        let sentence = home.run(&command).failed();
        assert!(sentence.contains("6A84"), "{sentence:.200}");
    }
    let plan = format!("[[key]]\ntype = 'ec:secp256r1'\ncertificate = 'CN={}'", "x".repeat(70_000));
    fs::write(home.path("plan.toml"), plan).unwrap();
    let sentence = home.run(&["new", "./a.card", "--provision", "plan.toml"]).failed();
    assert!(sentence.contains("shorter name") && sentence.len() < 300, "{sentence:.300}");
    assert!(!home.path("a.card").exists());
}

#[test]
fn the_file_has_no_secret_of_a_share_file_but_the_dkek() {
    let home = Home::new();
    fs::write(home.path("share"), [0xA5; 32]).unwrap();
    let options = ["--initialize", "--dkek-share", "share", "--dkek-password", "top secret"];
    home.run(&[&["new", "./a.card"], &options[..]].concat()).ok();
    let image = fs::read_to_string(home.path("a.card")).unwrap();
    assert!(!image.contains("top secret") && !image.contains("746F7020736563726574"));
}

/// Reading is strict: `Uint` takes no zero that DER forbids.
#[derive(der::Sequence)]
struct EcdsaSignature {
    r: der::asn1::Uint,
    s: der::asn1::Uint,
}

#[test]
fn certificates_are_der_whatever_the_card_signs() {
    let home = Home::new();
    // The card of 3.4 writes half of its signatures on secp521r1 with zeros that DER forbids.
    let keys = "[[key]]\ntype = 'ec:secp521r1'\ncertificate = 'CN=x'\n".repeat(12);
    fs::write(home.path("plan.toml"), keys).unwrap();
    home.run(&["new", "./a.card", "--provision", "plan.toml", "--seed", "x"]).ok();
    let card = home.path("a.card");
    let mut longest = 0;
    for number in 1..=12 {
        let read = format!("00B1CE{number:02X} 000004 54020000 0000");
        let read = home.run(&["apdu", "--card", text(&card), SELECT, &read]).ok();
        let certificate = hex(read.lines().last().unwrap().strip_suffix("9000").unwrap());
        let certificate = x509_cert::Certificate::from_der(&certificate).unwrap();
        let signature = certificate.signature().raw_bytes();
        let EcdsaSignature { r, s } = EcdsaSignature::from_der(signature).unwrap();
        longest = longest.max(r.as_bytes().len()).max(s.as_bytes().len());
    }
    assert_eq!(longest, 66);
}
