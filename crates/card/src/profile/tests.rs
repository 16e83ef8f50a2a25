//! Firmware files that are read, refused, or taken for what they can be.

use super::*;
use alloc::string::ToString;
use vschsm_protocol::crypto::curve::Curve;

fn default() -> Profile {
    Profile::built_in(DEFAULT).expect("a test parses it")
}

/// The file of the default firmware with another line; `line` begins it.
fn with(line: &str, replacement: &str) -> String {
    let source = default().source().to_string();
    let lines = source.lines().map(|old| match old.starts_with(line) {
        true => format!("{replacement}\n"),
        false => format!("{old}\n"),
    });
    let changed: String = lines.collect();
    assert_ne!(changed, source, "{line}");
    changed
}

/// Lines that no firmware has, and what is said of them; and what is made of them in an image, if
/// they can be in one.
const REFUSED: [(&str, &str, &str); 17] = [
    ("max-command = ", "max-command = 0", "max-command is not 261 to 32768 bytes"),
    ("max-command = ", "max-command = 4", "max-command is not 261 to 32768 bytes"),
    ("max-command = ", "max-command = 260", "max-command is not 261 to 32768 bytes"),
    ("max-command = ", "max-command = 32769", "max-command is not 261 to 32768 bytes"),
    ("memory = ", "memory = 4194305", "memory is above 4194304 bytes"),
    ("memory = ", "memory = 1000000000", "memory is above 4194304 bytes"),
    ("atr = ", "atr = \"\"", "atr is not 2 to 33 bytes that begin with 3B or 3F"),
    ("atr = ", "atr = \"3B\"", "atr is not 2 to 33 bytes that begin with 3B or 3F"),
    ("atr = ", "atr = \"0090\"", "atr is not 2 to 33 bytes that begin with 3B or 3F"),
    ("name = ", "name = \"\\u001B[2Jmine\"", "name is not a text of up to 64 characters"),
    ("name = ", "name = \"two\\nlines\"", "name is not a text of up to 64 characters"),
    ("name = ", "name = \"\\u009B31m\"", "name is not a text of up to 64 characters"),
    ("known-since = ", "known-since = \"\\r\"", "known-since is not a text"),
    ("platform = ", "platform = \"JCOP\\u0007\"", "platform is not a text"),
    ("verify-not", "verify-not-initialised = \"9000\"", "has 9000, which is not an error"),
    ("generate-with", "generate-with-another-signer = \"9000\"", "refuse has 9000, which is no"),
    ("generate-with", "generate-with-another-signer = \"6100\"", "refuse has 6100, which is no"),
];

#[test]
fn every_built_in_profile_parses_under_its_own_name() {
    for (name, source) in BUILT_IN.iter().chain(EXTENSIONS) {
        let profile = Profile::parse(source);
        assert_eq!(profile.as_ref().map(Profile::name), Ok(*name));
        assert_eq!(Profile::restored(source), profile);
    }
    assert!(Profile::built_in(DEFAULT).is_some());
}

#[test]
fn what_the_card_cannot_do_is_no_line_of_a_profile() {
    for (line, replacement, told) in [
        ("rsa = ", "rsa = [1024, 2560]", "rsa has \"2560\", which this card does not support"),
        ("curves = ", "curves = 522", "curves has \"522\", which"),
        ("curves = ", "curves = [\"secp256r2\"]", "curves has \"secp256r2\", which"),
        ("ecdsa-signature = ", "ecdsa-signature = { 522 = \"fixed\" }", "has \"522\", which"),
        ("ecdsa-signature = ", "ecdsa-signature = { all = \"fixed\" }", "has \"all\", which"),
        ("ecdsa-signature = ", "ecdsa-signature = { 513 = \"long\" }", "unknown variant `long`"),
        ("  \"VERIFY\",", "  \"VERIFIES\",", "instructions has \"VERIFIES\", which"),
        ("  0x20, 0x21,", "  0x20, 0xFE,", "algorithms has \"FE\", which"),
        ("scp02 = ", "scp02 = 0x16", "scp02 has \"16\", which"),
    ] {
        let source = with(line, replacement);
        let error = Profile::parse(&source).expect_err(replacement).to_string();
        assert!(error.contains(told), "{replacement}: {error}");
        assert!(Profile::restored(&source).is_err(), "{replacement}");
    }
}

#[test]
fn a_line_beyond_its_bounds_is_refused_with_its_number() {
    for (line, replacement, told) in REFUSED {
        let source = with(line, replacement);
        let number = 1 + source.lines().take_while(|line| *line != replacement).count();
        let number = if told.starts_with("refuse") {
            1 + source.lines().take_while(|line| *line != "[refuse]").count()
        } else {
            number
        };
        let error = Profile::parse(&source).expect_err(replacement).to_string();
        assert!(error.starts_with(&format!("line {number}: ")), "{replacement}: {error}");
        assert!(error.contains(told) && !error.contains('\n'), "{replacement}: {error}");
    }
    let longest = with("name = ", &format!("name = \"{}\"", "é".repeat(64)));
    assert!(Profile::parse(&longest).is_ok());
    let (least, most) =
        (with("max-command = ", "max-command = 261"), with("memory = ", "memory = 0"));
    assert!(Profile::parse(&least).is_ok() && Profile::parse(&most).is_ok());
    assert!(Profile::parse(&with("memory = ", "memory = 4194304")).is_ok());
    assert!(Profile::parse(&with("atr = ", &format!("atr = \"3B{}\"", "00".repeat(32)))).is_ok());
    assert!(Profile::parse(&with("atr = ", &format!("atr = \"3B{}\"", "00".repeat(33)))).is_err());
}

#[test]
fn what_an_image_has_beyond_the_bounds_becomes_the_nearest_within_them() {
    for (line, replacement, _) in REFUSED {
        let source = with(line, replacement);
        let profile = Profile::restored(&source).expect(replacement);
        assert_eq!(profile.source(), source);
        assert!((261..=0x8000).contains(&profile.max_command()), "{replacement}");
        assert!(profile.memory() <= 4 << 20, "{replacement}");
        assert!((2..=33).contains(&profile.atr().len()), "{replacement}");
        let texts = [profile.name(), profile.platform(), profile.known_since().unwrap_or_default()];
        let texts = texts.concat();
        assert!(!texts.chars().any(char::is_control), "{replacement}: {texts:?}");
    }
}

#[test]
fn an_unknown_line_is_an_error_that_names_it() {
    let source = with("platform-id", "platform-id = 0\ncolour = 1");
    let number = 1 + source.lines().take_while(|line| *line != "colour = 1").count();
    let error = Profile::parse(&source).expect_err("unknown key").to_string();
    assert!(error.starts_with(&format!("line {number}: unknown field `colour`")), "{error}");
}

#[test]
fn a_file_that_no_package_can_carry_is_refused() {
    let source = default().source().to_string();
    let longest = format!("{}{source}", "#\n".repeat((LONGEST - source.len()) / 2));
    assert!(Profile::parse(&longest).is_ok());
    let error = Profile::parse(&format!("# …\n{longest}")).expect_err("too long").to_string();
    assert_eq!(error, "the file is longer than 65535 bytes");
}

#[test]
fn the_size_of_a_curve_says_how_its_signatures_are_written() {
    use EcdsaEncoding::{Fixed, Minimal};
    let curve = |name| Curve::from_name(name).expect("it is built in");
    let on = |profile: &Profile, name| profile.behaviour().ecdsa_signature.on(&curve(name));
    let profile = default();
    assert_eq!(on(&profile, "secp521r1"), Fixed);
    assert_eq!(on(&profile, "brainpoolP512r1"), Minimal);
    let line = "ecdsa-signature = { 224 = \"fixed\", 321 = \"minimal\" }";
    let profile = Profile::parse(&with("ecdsa-signature", line)).expect(line);
    for (name, form) in [
        ("secp192r1", Minimal),
        ("brainpoolP224r1", Fixed),
        ("brainpoolP320r1", Fixed),
        ("secp384r1", Minimal),
        ("secp521r1", Minimal),
    ] {
        assert_eq!(on(&profile, name), form, "{name}");
    }
    let without = with("ecdsa-signature", "");
    let profile = Profile::parse(&without).expect("it may be missing");
    assert_eq!(on(&profile, "secp521r1"), Minimal);
}

#[test]
fn a_behaviour_may_stand_before_all_tables_as_in_files_that_are_older_than_its_table() {
    // The line is in the table of the built-in file, and is taken out of it.
    for (line, elsewhere) in [
        ("verify-not-initialised", "verify-not-initialised = \"6984\""),
        ("verify-biometric", "verify-biometric = \"6A86\""),
        ("unknown-to-card-manager", "unknown-to-card-manager = \"6E00\""),
        ("login-ends-with-channel", "login-ends-with-channel = \"no\""),
        ("unwrap-other-dkek", "unwrap-other-dkek = \"6A80\""),
        ("generated-aes-keys", "generated-aes-keys = \"weak\""),
        ("ecdsa-signature", "ecdsa-signature = { 192 = \"fixed\" }"),
    ] {
        let inside = Profile::parse(&with(line, elsewhere)).expect(line);
        let older = format!("{elsewhere}\n{}", with(line, ""));
        for read in [Profile::parse, Profile::restored] {
            let older = read(&older).expect(line);
            assert_eq!(older.behaviour(), inside.behaviour(), "{line}");
            assert_ne!(older.behaviour(), default().behaviour(), "{line}");
        }

        let both = format!("# mine\n{elsewhere}\n{}", default().source());
        for read in [Profile::parse, Profile::restored] {
            let error = read(&both).expect_err(line).to_string();
            let told = format!("line 2: {line} is in [behaviour] as well: keep the one there");
            assert_eq!(error, told);
        }
    }
}

#[test]
fn a_file_without_behaviours_is_what_every_card_did_before_there_were_any() {
    let profile = default();
    let (before, refused) = profile.source().split_once("[behaviour]").expect("it has the table");
    let (_, refused) = refused.split_once("[refuse]").expect("it has that as well");
    let profile = Profile::parse(&format!("{before}[refuse]{refused}")).expect("it may be missing");
    assert_eq!(profile.behaviour(), &Behaviour::default());
    // Nor is it a table that stands before all tables.
    let error = Profile::parse(&format!("behaviour = 1\n{before}[refuse]{refused}"));
    assert!(error.expect_err("a number").to_string().starts_with("line 1: invalid type"));
    let error = Profile::parse(&with("verify-not", "colour = 1")).expect_err("unknown").to_string();
    assert!(error.contains("unknown field `colour`"), "{error}");
}
