//! Records of changes behind a card's image: what they say, and what becomes of them when they are
//! cut, changed or moved.

use sha2::{Digest, Sha256};
use vschsm_card::Card;
use vschsm_card::image::{ImageEnd, ImageError};
use vschsm_testing::hex;
use vschsm_testing::test_card::{PIN, TestCard, tlv};

/// A card with keys, of which one has nine uses, files and key domains.
fn card() -> TestCard {
    let mut card = TestCard::new("3.4");
    card.initialise_with(&tlv(0x97, &[4]));
    for (domain, shares) in [(0, 2), (1, 1), (3, 0)] {
        card.send(0x80, 0x52, 0x01, domain, &[shares]).expect_ok();
    }
    card.import_share(1, &[0x44; 32]).expect_ok();
    card.generate_ec(1, "secp256r1", &[]);
    card.generate_rsa(2, 1024, &tlv(0x90, &9_u32.to_be_bytes()));
    card.generate_aes(20, 128, &[]);
    card.write(0x2F03, b"label").expect_ok();
    card
}

fn load(saved: &[u8]) -> Result<Card, ImageError> {
    Card::load(saved, [0; 32])
}

/// Commands that change a card in every way that a record can tell.
const CHANGES: [fn(&mut TestCard); 13] = [
    |card| drop(card.write(0xCF01, &[0xA5; 300]).expect_ok()),
    |card| {
        let beyond_the_end = [tlv(0x54, &[0x02, 0x00]), tlv(0x53, &[0x5A; 3])].concat();
        card.send(0x00, 0xD7, 0xCF, 0x01, &beyond_the_end).expect_ok();
    },
    |card| drop(card.write(0x2F03, b"another label").expect_ok()),
    |card| drop(card.send(0x00, 0x20, 0x00, 0x81, b"000000")),
    |card| drop(card.verify(PIN)),
    |card| drop(card.sign(2, 0x20, &[0x11; 128]).expect_ok()),
    |card| card.generate_aes(30, 128, &tlv(0x91, &[0x10])),
    |card| drop(card.send(0x00, 0xE4, 0x02, 0x00, &[0xCC, 20]).expect_ok()),
    |card| drop(card.send(0x00, 0xE4, 0x02, 0x00, &[0xCF, 0x01]).expect_ok()),
    |card| drop(card.send(0x80, 0x52, 0x04, 0x01, &[]).expect_ok()),
    |card| drop(card.import_share(1, &[0x45; 32]).expect_ok()),
    |card| drop(card.send(0x80, 0x52, 0x03, 0x03, &[]).expect_ok()),
    |card| card.card().set_tries(Some(1), Some(2)).unwrap(),
];

/// A card with a record of each of [`CHANGES`]; and where each of them begins, and the image
/// of the card there.
fn with_records() -> (Vec<u8>, Vec<(usize, Vec<u8>)>) {
    let mut card = card().logged_in();
    let mut saved = card.card().image();
    let mut end = ImageEnd::of(&saved).unwrap();
    let mut states = vec![(saved.len(), saved.clone())];
    for change in CHANGES {
        change(&mut card);
        let (record, next) = card.card().record(end).unwrap();
        saved.extend_from_slice(&record);
        states.push((saved.len(), card.card().image()));
        end = next;
    }
    (saved, states)
}

#[test]
fn a_saved_card_is_that_of_its_last_record_wherever_it_is_cut() {
    let (saved, states) = with_records();
    let (image, _) = states[0];
    for length in 0..image {
        assert!(load(&saved[..length]).is_err(), "cut at {length} in the image");
    }
    for length in image..=saved.len() {
        let (whole, state) = states.iter().rfind(|(whole, _)| *whole <= length).unwrap();
        assert!(load(&saved[..length]).unwrap().image() == *state, "cut at {length}");
        // Nothing can follow half a record.
        assert_eq!(ImageEnd::of(&saved[..length]).is_some(), length == *whole, "cut at {length}");
    }
}

#[test]
fn a_last_record_whose_bytes_were_not_all_stored_is_as_if_it_were_not_there() {
    let (saved, states) = with_records();
    let [.., (begins, before), _] = states.as_slice() else { panic!("a record") };
    for missing in [*begins..saved.len(), *begins + 20..*begins + 40, saved.len() - 1..saved.len()]
    {
        let mut cut = saved.clone();
        cut[missing.clone()].fill(0x00);
        assert!(load(&cut).unwrap().image() == *before, "{missing:?}");
        assert_eq!(ImageEnd::of(&cut), None, "{missing:?}");
    }
}

#[test]
fn records_that_were_changed_left_out_or_moved_are_refused() {
    let (saved, states) = with_records();
    let record = |number: usize| &saved[states[number].0..states[number + 1].0];
    let image = &saved[..states[0].0];
    for place in states[0].0..saved.len() - 1 {
        let mut changed = saved.clone();
        changed[place] ^= 0x01;
        assert_eq!(load(&changed).err(), Some(ImageError::Damaged), "byte {place}");
    }
    for (what, records) in [
        ("left out", vec![record(0), record(2)]),
        ("moved", vec![record(1), record(0)]),
        ("twice", vec![record(0), record(0)]),
        ("not stored, and another follows", vec![&[0x00; 50][..], b"\n", record(0)]),
        ("an empty line", vec![record(0), b"\n"]),
        ("no checksum", vec![b"change 2 {}\n"]),
    ] {
        let saved = [image, &records.concat()].concat();
        assert_eq!(load(&saved).err(), Some(ImageError::Damaged), "{what}");
    }
    let other = TestCard::initialised("3.4").card().image();
    assert_eq!(load(&[&other, record(0)].concat()).err(), Some(ImageError::Damaged));
}

#[test]
fn a_record_that_no_card_writes_is_refused_whatever_its_checksum() {
    let mut card = card();
    let image = card.card().image();
    let checksum = image.split(|byte| matches!(byte, b' ' | b'\n')).nth(3).unwrap();
    let long =
        format!(r#"{{"files":[{{"fid":"2F03","offset":65530,"bytes":"{}"}}]}}"#, "AA".repeat(9));
    for change in [
        "",
        r#"{"rivers":1}"#,
        r#"{"streams":18446744073709551615}"#,
        r#"{"files":[{"fid":"CF77","offset":0,"bytes":"00"}]}"#,
        r#"{"files":[{"fid":"2F03","offset":18446744073709551615,"bytes":"00"}]}"#,
        long.as_str(),
        r#"{"files":[{"deleted":"CF77"}]}"#,
        r#"{"files":[{"fid":"2F02","content":""}]}"#,
        r#"{"files":[{"fid":"2F02","offset":0,"bytes":"00"}]}"#,
        r#"{"files":[{"deleted":"2F02"}]}"#,
        r#"{"deleted-keys":[0]}"#,
        r#"{"deleted-keys":[77]}"#,
        r#"{"uses":{"77":1}}"#,
        r#"{"uses":{"1":1}}"#,
        r#"{"domains":{"77":null}}"#,
        r#"{"domains":{"0":{"shares":1,"missing":2,"sum-of-shares":null}}}"#,
        r#"{"pins":{"user-pin":{"value":"00","limit":3,"tries":4},"initialisation-code":null}}"#,
        r#"{"configuration":{"options":"01","authentication-keys":null}}"#,
        r#"{"issuer-keys":{"version":1,"keys":["00","00","00"],"sequence":0}}"#,
    ] {
        let before = format!("change {} ", change.len());
        let covered =
            [hex(str::from_utf8(checksum).unwrap()).as_slice(), before.as_bytes()].concat();
        let digest = Sha256::digest([&covered, change.as_bytes()].concat());
        let digits = digest.iter().fold(String::new(), |all, byte| all + &format!("{byte:02x}"));
        let saved = [&image, format!("{before}{digits} {change}\n").as_bytes()].concat();
        let refused = load(&saved).err();
        assert!(matches!(refused, Some(ImageError::Invalid(_))), "{change:.80}: {refused:?}");
    }
}

#[test]
fn an_initialisation_is_saved_as_an_image() {
    let mut card = card();
    let end = ImageEnd::of(&card.card().image()).unwrap();
    card.initialise_with(&[]);
    assert_eq!(card.card().record(end), None);
}
