//! The AES keys of firmware 3.1 and 3.2, which anybody can guess, and those of the others.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256, Block};
use vschsm_card::Card;
use vschsm_card::profile::Profile;
use vschsm_testing::test_card::{TestCard, changed_image, tlv};
use vschsm_testing::{firmwares, hex, is_from};

/// A block, and a list that allows to encrypt it, to wrap the key and to replace it.
const BLOCK: [u8; 16] = *b"an attacker knew";
const LIST: [u8; 6] = [0x91, 0x04, 0x10, 0x92, 0x94, 0x18];
const SHARE: [u8; 32] = [0x44; 32];

/// Those that have AES keys.
fn with_aes() -> impl Iterator<Item = &'static str> {
    firmwares().filter(|name| is_from(name, "3.0"))
}

fn has_weak_keys(firmware: &str) -> bool {
    ["3.1", "3.2"].contains(&firmware)
}

/// The key with that cryptogram of [`BLOCK`] in CBC mode, if it is one byte again and again.
fn guess(bits: u16, cryptogram: &[u8]) -> Option<Vec<u8>> {
    let keys = (0..=u8::MAX).map(|byte| vec![byte; usize::from(bits / 8)]);
    let encrypted = |key: &[u8]| {
        let mut block = Block::from(BLOCK);
        match bits {
            128 => Aes128::new_from_slice(key).unwrap().encrypt_block(&mut block),
            192 => Aes192::new_from_slice(key).unwrap().encrypt_block(&mut block),
            _ => Aes256::new_from_slice(key).unwrap().encrypt_block(&mut block),
        }
        block
    };
    keys.into_iter().find(|key| encrypted(key)[..] == *cryptogram)
}

/// Whether `vschsm show` marks key `id`.
fn is_marked(card: &mut TestCard, id: u8) -> bool {
    let card = card.card();
    let mut keys = card.state().keys();
    keys.find(|(it, _)| it.number() == id).unwrap().1.is_weak()
}

fn is_weak(card: &mut TestCard, id: u8, bits: u16) -> bool {
    let weak = guess(bits, &card.cipher(id, 0x10, &BLOCK).expect_ok()).is_some();
    assert_eq!(is_marked(card, id), weak);
    weak
}

#[test]
fn firmware_3_1_and_3_2_generate_aes_keys_that_anybody_can_guess() {
    for firmware in with_aes() {
        let mut card = TestCard::initialised(firmware);
        assert_eq!(card.card().profile().generates_weak_aes_keys(), has_weak_keys(firmware));
        let mut cryptograms = Vec::new();
        for id in 1..=12 {
            let bits = [128, 192, 256][usize::from(id % 3)];
            card.generate_aes(id, bits, &LIST);
            assert_eq!(is_weak(&mut card, id, bits), has_weak_keys(firmware), "{firmware}: {id}");
            cryptograms.push(card.cipher(id, 0x10, &BLOCK).expect_ok());
        }
        // Little entropy, but some.
        cryptograms.sort();
        cryptograms.dedup();
        assert!(cryptograms.len() > 6, "{firmware}");
    }
}

#[test]
fn a_weak_key_is_known_wherever_it_goes() {
    let mut home = TestCard::with_dkek("3.2", SHARE);
    home.generate_aes(1, 256, &LIST);
    let blob = home.wrap_key(1).expect_ok();
    for firmware in ["3.2", "3.3", "3.4", "4.1"] {
        let mut away = TestCard::with_dkek(firmware, SHARE);
        away.generate_aes(1, 256, &LIST);
        let strong = away.wrap_key(1).expect_ok();
        away.unwrap_key(1, &blob).expect_ok();
        assert!(is_weak(&mut away, 1, 256), "{firmware}");
        let mut away = away.restarted().logged_in();
        assert!(is_weak(&mut away, 1, 256), "{firmware}");

        // And a good key stays one on a card that makes bad ones.
        home.unwrap_key(2, &strong).expect_ok();
        assert_eq!(is_weak(&mut home, 2, 256), firmware == "3.2");
    }
}

#[test]
fn a_card_makes_strong_keys_if_it_is_told_to_and_its_image_does_not_remember() {
    for firmware in with_aes() {
        let mut card = TestCard::initialised(firmware);
        let before = card.card().image();
        card.card().use_strong_aes_keys();
        assert_eq!(card.card().image(), before, "{firmware}");
        assert!(!card.card().profile().generates_weak_aes_keys());
        card.generate_aes(1, 128, &LIST);
        assert!(!is_weak(&mut card, 1, 128), "{firmware}");

        let mut card = card.restarted().logged_in();
        assert!(!is_weak(&mut card, 1, 128), "{firmware}");
        card.generate_aes(2, 128, &LIST);
        assert_eq!(is_weak(&mut card, 2, 128), has_weak_keys(firmware), "{firmware}");
    }
}

#[test]
fn only_aes_keys_are_weak() {
    let mut card = TestCard::initialised("3.2");
    card.generate_ec(1, "secp256r1", &[]);
    card.generate_rsa(2, 1024, &tlv(0x90, &[0, 0, 0, 3]));
    assert!(!is_marked(&mut card, 1) && !is_marked(&mut card, 2));
}

/// What users have written before there were these lines does what it did.
#[test]
fn a_firmware_file_without_the_lines_makes_strong_keys_and_takes_what_it_took() {
    let source = Profile::built_in("3.2").unwrap().source().to_owned();
    let new = ["generated-aes-keys", "unwrap-other-dkek", "unwrap-long-"];
    let is_old = |line: &&str| !new.iter().any(|new| line.starts_with(new));
    let older = source.lines().filter(is_old).collect::<Vec<_>>().join("\n");
    let older = older.replace("name = \"3.2\"", "name = \"mine\"").replace("0x92, 0x93]", "0x92]");
    assert_eq!(older.lines().count() + 4, source.lines().count());
    let lines: Vec<_> = older.lines().map(|line| format!("{line:?}")).collect();

    let mut card = TestCard::with_dkek("3.2", SHARE);
    let named = "\"firmware\": \"3.2\"";
    let image = changed_image(card.card(), |image| {
        assert!(image.contains(named));
        image.replace(named, &format!("\"firmware\": [{}]", lines.join(", ")))
    });
    let mut card = Card::load(&image, [7; 32]).unwrap();
    assert_eq!(card.profile().name(), "mine");
    assert!(!card.profile().generates_weak_aes_keys());
    // A key that another one is to wrap is refused, and not made without that.
    for (apdu, status) in [
        ("00A4040C 0B E82B0601040181C31F0201", "9000"),
        ("00200081 06 363438323139", "9000"),
        ("004802B2 00", "9000"),
        ("004801B0 03 930102", "6A81"),
    ] {
        assert_eq!(card.transmit(&hex(apdu)).response, hex(status), "{apdu}");
    }
}
