//! Card images: all that were ever released load, and nothing else does.

use std::path::Path;
use vschsm_card::Card;
use vschsm_card::image::{ImageEnd, ImageError};
use vschsm_card::profile::Profile;
use vschsm_host::Transport;
use vschsm_host::command::content;
use vschsm_testing::curves::without_a_name;
use vschsm_testing::test_card::{PIN, TestCard, changed_image, ec_template, tlv};
use vschsm_testing::{group, hex};

/// A card with one of everything that an image can hold.
fn full() -> TestCard {
    let mut card = TestCard::new("3.4");
    card.initialise_with(&[tlv(0x97, &[5]), tlv(0x93, &[3, 2])].concat());
    for (domain, shares) in [(0, 2), (1, 1), (3, 0)] {
        card.send(0x80, 0x52, 0x01, domain, &[shares]).expect_ok();
    }
    card.import_share(0, &[0xA5; 32]).expect_ok();
    card.import_share(1, &[0x44; 32]).expect_ok();
    card.generate_ec(1, "secp521r1", &tlv(0x91, &[0x73, 0x92]));
    card.generate_rsa(2, 1024, &[tlv(0x90, &9_u32.to_be_bytes()), tlv(0x92, &[0])].concat());
    card.generate_aes(3, 256, &tlv(0x91, &[0x10, 0x11, 0x18, 0x99]));
    card.generate_aes(20, 128, &tlv(0x93, &[3]));
    for (id, domain) in (4..).zip(without_a_name()) {
        card.send(0x00, 0x46, id, 0x00, &ec_template(&domain, &[])).expect_ok();
    }
    let mut signer = group::card("3.4", 2);
    group::create_group(&mut signer, &mut card, 4);
    let peer = group::exchange_key(&mut signer, 2, 4);
    group::exchange_key(&mut card, 10, 4);
    group::agree(&mut card, 10, &peer).expect_ok();
    let custodian = group::group_signer(&mut signer, 5);
    group::verify_peer(&mut card, &group::certificates(&mut signer));
    card.send(0x80, 0x54, 0x00, 0x00, content(&custodian)).expect_ok();
    card.write(0x2F03, b"label").expect_ok();
    card.verify("000000");
    card
}

fn load(image: &[u8]) -> Result<Card, ImageError> {
    Card::load(image, [0; 32])
}

/// The card of an image, whose applet is selected.
fn selected(image: &[u8]) -> Card {
    let mut card = load(image).unwrap();
    card.begin().unwrap();
    card
}

#[test]
fn every_released_image_loads_and_works() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
    let mut versions = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let image = std::fs::read(&path).unwrap();
        let mut card = load(&image).unwrap_or_else(|error| panic!("{} {error}", path.display()));
        card.begin().unwrap();
        let apdu = [&[0x00, 0x20, 0x00, 0x81, 0x06][..], PIN.as_bytes()].concat();
        assert_eq!(card.transmit(&apdu).response, [0x90, 0x00], "{}", path.display());
        let sign = [&[0x80, 0x68, 0x01, 0x73, 0x03][..], b"abc"].concat();
        assert!(card.transmit(&sign).response.ends_with(&[0x90, 0x00]), "{}", path.display());
        versions.push(path.file_stem().unwrap().to_owned());
    }
    versions.sort();
    assert_eq!(
        versions,
        ["1", "2", "3", "4", "5", "6", "7"],
        "one image of each format version, named by it"
    );
}

#[test]
fn an_image_of_version_2_holds_the_aes_key_and_the_use_counter_that_it_was_made_with() {
    let mut card = selected(include_bytes!("images/2.card"));
    for (apdu, expected) in [
        ("00A40004 02 CC01 00", "6217 80020000 820101 8302CC01 A50A 900400000006 91027398 9000"),
        ("00A40004 02 CC03 00", "6213 80020000 820101 8302CC03 A506 910410111899 9000"),
        ("00200081 06 363438323139", "9000"),
        ("80780318 03 616263 00", "CC3624718EE813ECFFDEB45AE2F5F49E 9000"),
        ("80760104 02 9801", "9000"),
        ("00A40004 02 CC01 00", "6217 80020000 820101 8302CC01 A50A 900400000005 91027398 9000"),
    ] {
        assert_eq!(card.transmit(&hex(apdu)).response, hex(expected), "{apdu}");
    }
}

#[test]
fn an_image_of_version_4_holds_the_key_that_was_registered_to_authenticate() {
    let mut card = selected(include_bytes!("images/4.card"));
    for (apdu, expected) in [
        ("8054000000", "03020200 9000"),
        ("8054020000", "5A5A5653303030303030313030303031 9000"),
        ("8054020100", "6A88"),
        ("002281A4 12 8310 5A5A5653303030303030313030303031", "9000"),
    ] {
        assert_eq!(card.transmit(&hex(apdu)).response, hex(expected), "{apdu}");
    }
}

#[test]
fn an_image_of_version_5_holds_the_issuers_keys_and_what_the_card_was_before() {
    let mut card = selected(include_bytes!("images/5.card"));
    let former = card.state().previous_firmwares().iter().map(|former| former.firmware.as_str());
    assert!(former.eq(["3.1"]));
    for (apdu, expected) in [
        ("00A4040C08 A000000151000000", "9000"),
        ("80CA00C100", "C1020007 9000"),
        ("8050010008 0102030405060708", "6A88"),
        ("80CA00E000", "E012 C00401028010 C00402028010 C00403028010 9000"),
    ] {
        assert_eq!(card.transmit(&hex(apdu)).response, hex(expected), "{apdu}");
    }
}

#[test]
fn an_image_of_version_5_holds_the_quota_that_two_keys_share() {
    let mut card = selected(include_bytes!("images/5.card"));
    let [uses, request] = ["9004 000003E7 9102 7398", "5F2010 5A5A5653303030303030393030303031"];
    for (apdu, expected) in [
        (
            "00A40004 02 CC01 00",
            format!(
                "623C 80020000 820101 8302CC01 A52F {uses}
                 B423 {request} 8008 BC4CB4E2638B9B1B 810400000000 9000"
            ),
        ),
        (
            "00A40004 02 CC02 00",
            format!(
                "6226 80020000 820101 8302CC02 A519 {uses}
                 B40D 830101 8008 BC4CB4E2638B9B1B 9000"
            ),
        ),
    ] {
        assert_eq!(card.transmit(&hex(apdu)).response, hex(&expected), "{apdu}");
    }
}

#[test]
fn an_image_of_version_6_holds_the_use_counter_that_three_keys_share() {
    let mut card = TestCard::from(load(include_bytes!("images/6.card")).unwrap()).logged_in();
    let uses = |card: &mut TestCard| {
        let state = card.card().state();
        state.keys().map(|(_, key)| state.uses_left(key)).collect::<Vec<_>>()
    };
    assert_eq!(uses(&mut card), [Some(5), Some(5), Some(5), Some(4)]);
    card.sign(3, 0x73, b"x").expect_ok();
    assert_eq!(uses(&mut card), [Some(4); 4]);
    card.sign(4, 0x73, b"x").expect_ok();
    assert_eq!(uses(&mut card), [Some(4), Some(4), Some(4), Some(3)]);
}

#[test]
fn an_image_of_version_3_holds_the_key_domains_that_it_was_made_with() {
    let mut card = selected(include_bytes!("images/3.card"));
    for (apdu, expected) in [
        ("8052000000", "0201 0000000000000000 9000"),
        ("8052000100", "0100 BB391415C05E39D7 9000"),
        ("8052000200", "6A88"),
        (
            "8052000400",
            "FF00 A9C220CBF059162E
             2AFAD12DF6A992AAE56F47A6A26FB6FF03D0727346409549CC7C23CB1D65FCA6
             4F68EE0DEF7B1626F915AEA206056B293CF70630ED07F5EBDB63B5AF7276F1AD 9000",
        ),
    ] {
        assert_eq!(card.transmit(&hex(apdu)).response, hex(expected), "{apdu}");
    }
}

#[test]
fn key_domains_are_there_after_a_restart() {
    let mut card = full().restarted();
    for (domain, status) in [
        (0, "0201 0000000000000000 9000"),
        (1, "0100 BB391415C05E39D7 9000"),
        (2, "6A88"),
        (5, "6A86"),
    ] {
        let apdu = [0x80, 0x52, 0x00, domain, 0x00];
        assert_eq!(card.card().transmit(&apdu).response, hex(status), "{domain}");
    }
    let (_, uid) = group::state(&mut card, 4);
    assert_eq!(uid.len(), 64);
    let complete = card.import_share(0, &[0xE1; 32]).expect_ok();
    assert_eq!(complete, hex("0200 BB391415C05E39D7"));
}

#[test]
fn an_image_from_before_there_were_key_domains_waits_for_all_shares() {
    let image = |domains: &str| {
        changed_image(TestCard::initialised("3.4").card(), |content| {
            content.replacen("\"domains\": []", domains, 1)
        })
    };
    for (domains, status) in [
        ("\"dkek-shares\": 2, \"key-domains\": null", "0202 0000000000000000 9000"),
        ("\"dkek-shares\": null, \"key-domains\": 3", "6A88"),
        ("\"dkek-shares\": null, \"key-domains\": null", "6D00"),
    ] {
        let mut card = selected(&image(domains));
        assert_eq!(card.transmit(&hex("8052000000")).response, hex(status), "{domains}");
    }
}

#[test]
fn the_image_of_a_loaded_image_is_the_same() {
    let image = full().card().image();
    assert_eq!(load(&image).unwrap().image(), image);
}

#[test]
fn a_card_of_a_firmware_that_is_not_built_in_carries_it() {
    let source = Profile::built_in("3.4").unwrap().source().replace("\"3.4\"", "\"mine\"");
    for end in ["", "\n", "\n\n", "\r\n", "\n# the end"] {
        let profile = Profile::parse(&(source.trim_end().to_owned() + end)).unwrap();
        let card = Card::new(&Default::default(), profile, [1; 32]).unwrap();
        let loaded = load(&card.image()).unwrap();
        assert_eq!(loaded.profile().name(), "mine");
        assert_eq!(loaded.image(), card.image(), "{end:?}");
    }
}

#[test]
fn a_firmware_that_an_image_of_version_1_could_carry_is_still_one() {
    // Lines came since, and `curves` was a list of names then.
    let profile = Profile::parse(include_str!("firmware/image-1.toml")).unwrap();
    let mut card = Card::new(&Default::default(), profile, [1; 32]).unwrap();
    assert_eq!(load(&card.image()).unwrap().profile().name(), "mine");
    // That of the card manager is one of those lines.
    assert_eq!(card.transmit(&hex("00200081")).response, hex("6D00"));
    card.begin().unwrap();
    assert_eq!(card.transmit(&hex("00200081")).response, hex("6A88"));
}

#[test]
fn a_card_whose_firmware_is_beyond_the_bounds_that_files_have_today_loads_and_works() {
    let source = Profile::built_in("3.4").unwrap().source().replace("\"3.4\"", "\"mine\"");
    let profile = Profile::parse(&source).unwrap();
    let card = Card::new(&Default::default(), profile, [1; 32]).unwrap();
    for (line, beyond) in [
        ("max-command = 1232", "max-command = 0"),
        ("max-command = 1232", "max-command = 4"),
        ("memory = 78840", "memory = 1000000000"),
        ("name = \\\"mine\\\"", "name = \\\"\\\\u0007\\\""),
    ] {
        let image = changed_image(&card, |content| {
            assert!(content.contains(line), "{line}");
            content.replacen(line, beyond, 1)
        });
        let mut loaded = load(&image).unwrap();
        assert_eq!(loaded.image(), image, "{beyond}");
        loaded.begin().unwrap();
        assert_eq!(loaded.transmit(&hex("00200081")).response, hex("6A88"), "{beyond}");
        assert!(!loaded.profile().name().contains(char::is_control), "{beyond}");
        assert!(loaded.profile().memory() <= 4 << 20, "{beyond}");
    }
}

#[test]
fn a_truncated_image_is_refused() {
    let image = full().card().image();
    for length in 0..image.len() {
        assert!(load(&image[..length]).is_err(), "cut at {length} of {}", image.len());
    }
}

#[test]
fn a_flipped_bit_is_noticed() {
    let mut image = full().card().image();
    for place in 0..image.len() {
        image[place] ^= 0x01;
        assert!(load(&image).is_err(), "flipped at {place}");
        image[place] ^= 0x01;
    }
}

#[test]
fn a_foreign_file_and_a_newer_image_are_told_apart() {
    assert_eq!(load(b"").err(), Some(ImageError::Foreign));
    assert_eq!(load(b"\x7fELF").err(), Some(ImageError::Foreign));
    assert_eq!(load(b"vschsm-card 8 00\n{}\n").err(), Some(ImageError::Newer(8)));
    assert_eq!(load(b"vschsm-card 0 00\n{}\n").err(), Some(ImageError::Damaged));
    assert_eq!(load(b"vschsm-card one 00\n{}\n").err(), Some(ImageError::Damaged));
    let newer = load(b"vschsm-card 8 00\n{}\n").err().unwrap().to_string();
    assert!(newer.contains("use a newer vschsm"), "{newer}");
}

#[test]
fn an_rsa_key_of_a_megabit_is_refused_at_once() {
    let mut card = full();
    let (odd, before) = ("F1".repeat(0x1_0001), std::time::Instant::now());
    let image = changed_image(card.card(), |content| {
        let (start, rest) = content.split_once("\"p\": \"").unwrap();
        let (_, rest) = rest.split_once("\"q\": \"").unwrap();
        let (_, end) = rest.split_once('"').unwrap();
        format!("{start}\"p\": \"F3{}\", \"q\": \"{odd}\"{end}", &odd[2..])
    });
    assert!(matches!(load(&image), Err(ImageError::Invalid(_))));
    assert!(before.elapsed().as_secs() < 5, "it is not computed with");
}

#[test]
fn content_that_no_card_has_is_refused_whatever_its_checksum() {
    let mut card = full();
    let [long, list, name] = ["content", "algorithms", "holder"]
        .map(|part| format!("\"{part}\": \"{}", "AA".repeat(70_000)));
    let label = "\"fid\": \"2F03\",\n      \"content\": \"";
    let long_label = format!("\"fid\": \"2F03\", {long}");
    for (part, replacement) in [
        (label, long_label.as_str()),
        ("\"algorithms\": \"", list.as_str()),
        ("\"holder\": \"", name.as_str()),
        ("\"uid\": \"", &format!("\"uid\": \"{}", "AA".repeat(75))),
        ("\"streams\": 0", "\"streams\": 18446744073709551615"),
        ("\"uses\": null,", "\"uses\": null, \"counter\": 1,"),
        ("\"fid\": \"2F03\"", "\"fid\": \"2F02\""),
        ("\"fid\": \"2F03\"", "\"fid\": \"label\""),
        ("\"missing\": 1", "\"missing\": 3"),
        ("\"missing\": 1", "\"missing\": 2"),
        ("\"missing\": 1", "\"missing\": 1, \"uid\": \"00\""),
        ("\"sum-of-shares\"", "\"sum-of-share\""),
        ("\"sum-of-shares\": \"", "\"sum-of-shares\": \"00"),
        ("\"agreed-key\": \"", "\"agreed-key\": \"00"),
        ("\"uid\": \"", "\"uid\": \"0"),
        ("\"limit\": 3", "\"limit\": 16"),
        ("\"tries\": 15", "\"tries\": 16"),
        ("\"id\": 2", "\"id\": 0"),
        ("\"secp521r1\"", "\"secp521r2\""),
        ("\"n\": \"06", "\"n\": \"07"),
        ("\"key\": \"", "\"key\": \"00"),
        ("\"options\": \"0001\"", "\"options\": \"01\""),
        ("\"firmware\": \"3.4\"", "\"firmware\": \"9.9\""),
        ("\"streams\"", "\"rivers\""),
    ] {
        let image = changed_image(card.card(), |content| {
            assert!(content.contains(part), "{part}");
            content.replacen(part, replacement, 1)
        });
        let refused = matches!(load(&image), Err(ImageError::Invalid(_)));
        assert!(refused, "{part} -> {:.40}", replacement);
    }
    let unchanged = changed_image(card.card(), str::to_owned);
    assert!(load(&unchanged).is_ok());
}

#[test]
fn an_image_of_version_7_holds_what_its_records_have_changed() {
    let saved = include_bytes!("images/7.card");
    let mut card = selected(saved);
    for (apdu, expected) in [
        ("00B12F03 04 54020000 00", "616E6F7468657220 6C6162656C 9000"),
        ("00200081", "63C3"),
        ("00A40004 02 CC01 00", "6217 80020000 820101 8302CC01 A50A 900400000007 91027398 9000"),
        ("00A40004 02 CC02 00", "6A82"),
    ] {
        assert_eq!(card.transmit(&hex(apdu)).response, hex(expected), "{apdu}");
    }
    assert!(ImageEnd::of(saved).is_some(), "another record may follow");
}
