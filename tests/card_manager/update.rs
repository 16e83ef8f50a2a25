//! A card gets another firmware: what is new then, what stays, and when it is refused.

use crate::{applet, delete, is_as_delivered, open, update, version};
use bp256::BrainpoolP256r1;
use bp256::elliptic_curve::SecretKey;
use bp256::elliptic_curve::sec1::ToSec1Point;
use ecdsa::hazmat::sign_prehashed_rfc6979;
use sha2::{Digest, Sha256};
use vschsm_card::Card;
use vschsm_card::personalisation::{Chain, PersonalisationData};
use vschsm_card::profile::Profile;
use vschsm_host::certificates::Verifier;
use vschsm_protocol::cvc::Certificate;
use vschsm_testing::global_platform_host::command::{self, LARGEST_BLOCK, get_data, get_status};
use vschsm_testing::global_platform_host::{ChannelLevel, HostPackage};
use vschsm_testing::group::certificates;
use vschsm_testing::hex;
use vschsm_testing::test_card::{TestCard, tlv};

const SHARE: [u8; 32] = [0x44; 32];

/// The names of the firmwares that a card can get, and have had.
const UPDATES: [(&str, &str); 6] = [
    ("3.1", "3.4"),
    ("2.0", "2.5"),
    ("4.0", "4.1"),
    ("1.2", "2.0"),
    ("3.0", "3.6"),
    ("3.4", "3.4"),
];

/// The device key in hexadecimal, as the image has it.
fn device_key(card: &mut TestCard) -> String {
    let image = String::from_utf8(card.card().image()).unwrap();
    let (_, rest) = image.split_once("\"device-key\": \"").expect("a device key");
    rest.split_once('"').unwrap().0.to_owned()
}

/// Whether the card's certificates lead to the root, and so do its requests.
fn is_genuine(card: &mut TestCard) -> bool {
    let content = certificates(card);
    let (device, rest) = Certificate::take(&content).expect("the device's certificate");
    let (issuer, rest) = Certificate::take(rest).expect("the issuer's certificate");
    let mut verifier = Verifier::default();
    let verified = [&issuer, &device].map(|certificate| verifier.certificate(certificate));
    card.initialise(&[0x00, 0x01], b"648219", 3);
    let request = card.generate_ec(1, "brainpoolP256r1", &[]);
    rest.is_empty() && verified == [Ok(()), Ok(())] && verifier.request(&request).is_ok()
}

/// Holder and authority of the device's certificate, and the issuer's certificate.
fn identity(card: &mut TestCard) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    applet(card);
    let content = certificates(card);
    let (device, issuer) = Certificate::take(&content).expect("the device's certificate");
    (device.holder().to_vec(), device.authority().to_vec(), issuer.to_vec())
}

#[test]
fn an_updated_card_is_one_as_delivered_with_the_new_firmware() {
    for (from, to) in UPDATES {
        let mut card = TestCard::new(from);
        update(&mut card, to).expect("an update");
        assert!(is_as_delivered(&mut card, to), "{from} to {to}");
        let mut card = card.restarted();
        assert!(is_as_delivered(&mut card, to), "{from} to {to}, restarted");
        assert!(is_genuine(&mut card), "{from} to {to}");
    }
}

#[test]
fn the_device_key_is_another_under_the_same_name() {
    for (from, to) in UPDATES {
        let mut card = TestCard::new(from);
        let (old_key, old_content) = (device_key(&mut card), certificates(&mut card));
        let old_identity = identity(&mut card);
        update(&mut card, to).expect("an update");
        assert_eq!(identity(&mut card), old_identity, "{from} to {to}");
        assert_ne!(certificates(&mut card), old_content, "{from} to {to}");
        let image = String::from_utf8(card.card().image()).unwrap().to_uppercase();
        assert!(!image.contains(&old_key.to_uppercase()), "the old key is still in the image");
        assert_ne!(device_key(&mut card), old_key);
    }
}

#[test]
fn a_card_is_updated_again_and_again() {
    let mut card = TestCard::new("3.0");
    let mut keys = vec![device_key(&mut card)];
    for (seed, to) in (0..).zip(["3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.6"]) {
        update(&mut card, to).expect("an update");
        assert!(is_as_delivered(&mut card, to));
        let key = device_key(&mut card);
        assert!(!keys.contains(&key), "{to} has a key that the card has had");
        keys.push(key);
        card = card.restarted();
        card.card().start_stream([seed; 32]);
    }
}

#[test]
fn the_card_manager_counts_on_and_keeps_its_keys() {
    let mut card = TestCard::new("3.1");
    let counter = open(&mut card, ChannelLevel::Mac).proposal().counter;
    update(&mut card, "3.4").expect("an update");
    let mut host = open(&mut card, ChannelLevel::Mac);
    let number = u16::from_be_bytes(counter);
    assert_eq!(host.proposal().counter, (number + 2).to_be_bytes());
    host.send(&get_status(0x40)).expect_ok();
    host.send(&get_data(0x0066)).expect_ok();
}

#[test]
fn pins_and_options_are_gone() {
    let mut card = TestCard::initialised("3.1");
    assert_eq!(card.verify("000000").status, 0x63C2);
    update(&mut card, "3.4").expect("an update");
    assert!(is_as_delivered(&mut card, "3.4"));
}

/// What the applet keeps.
fn kept(card: &mut TestCard) -> impl PartialEq + std::fmt::Debug + use<> {
    let device = device_key(card);
    let state = card.card().state();
    let keys: Vec<_> = state.keys().map(|(id, key)| (id, key.clone())).collect();
    (device, state.files().clone(), keys, state.pins().clone(), state.configuration().clone())
}

/// Tries to update a card that has something to lose: every step is refused and nothing lost.
fn keeps_what_it_has(mut card: TestCard, from: &str, to: &str) {
    let before = kept(&mut card);
    let package = HostPackage::of(to);
    let mut host = open(&mut card, ChannelLevel::Mac);
    assert_eq!(delete(&mut host).status, 0x6985, "{from}");
    assert_eq!(host.send(&command::install_for_load(&package.hash())).status, 0x6985);
    for load in command::loads(&package, LARGEST_BLOCK) {
        assert_eq!(host.send(&load).status, 0x6985, "{from}");
    }
    assert_eq!(host.send(&command::install()).status, 0x6985, "{from}");
    assert_eq!(version(&mut card), from);
    let mut card = card.restarted();
    assert_eq!(kept(&mut card), before);
    assert_eq!(card.verify("648219").status, 0x9000);
}

#[test]
fn a_card_with_keys_is_not_updated() {
    for (from, to) in [("3.1", "3.4"), ("2.0", "2.5")] {
        let mut card = TestCard::initialised(from);
        card.generate_ec(1, "secp256r1", &[]);
        keeps_what_it_has(card, from, to);
    }
    let mut card = TestCard::initialised("3.1");
    card.generate_aes(7, 256, &[]);
    keeps_what_it_has(card, "3.1", "3.4");
}

#[test]
fn a_card_with_files_is_not_updated() {
    for fid in [0x2F03, 0xCF01, 0xCD01, 0xC401] {
        let mut card = TestCard::initialised("3.1");
        card.write(fid, b"\x30\x0C\x02\x01\x00").expect_ok();
        keeps_what_it_has(card, "3.1", "3.4");
    }
}

#[test]
fn a_card_is_updated_when_it_has_been_emptied() {
    let mut card = TestCard::initialised("3.1");
    card.generate_ec(1, "secp256r1", &[]);
    card.write(0x2F03, b"\x30\x0C\x02\x01\x00").expect_ok();
    assert_eq!(update(&mut card, "3.4"), Err((0, 0x6985)));
    applet(&mut card);
    card.verify("648219").expect_ok();
    for name in ["CC01", "2F03"] {
        card.hex(&format!("00E40200 02 {name}")).expect_ok();
    }
    update(&mut card, "3.4").expect("an update");
    assert!(is_as_delivered(&mut card, "3.4"));
    // So has INITIALIZE DEVICE.
    let mut card = TestCard::initialised("3.1");
    card.generate_ec(1, "secp256r1", &[]);
    card.initialise(&[0x00, 0x01], b"648219", 3);
    update(&mut card, "3.4").expect("an update");
    assert!(is_as_delivered(&mut card, "3.4"));
}

/// The story: a key with an algorithm list leaves 3.1 and comes back once the card has 3.4. Source:
/// Nitrokey support thread 1783.
#[test]
fn the_key_that_3_1_does_not_take_back_comes_back_after_the_update() {
    let mut card = TestCard::with_dkek("3.1", SHARE);
    card.generate_ec(1, "secp256r1", &tlv(0x91, &[0x73, 0x92]));
    let blob = card.wrap_key(1).expect_ok();
    card.hex("00E40200 02 CC01").expect_ok();
    assert_eq!(card.unwrap_key(1, &blob).status, 0x6F00);

    update(&mut card, "3.4").expect("an update");

    applet(&mut card);
    assert_eq!(card.unwrap_key(1, &blob).status, 0x6D00, "no login and no DKEK");
    card.initialise_with(&tlv(0x92, &[1]));
    card.import_share(0, &SHARE).expect_ok();
    card.unwrap_key(1, &blob).expect_ok();
    card.sign(1, 0x73, b"abc").expect_ok();
    assert_eq!(card.sign(1, 0x70, &[0x5A; 32]).status, 0x6A81, "the list is kept");
}

#[test]
fn hardware_is_what_an_update_cannot_change() {
    for (from, to) in [("2.5", "2.6"), ("2.6", "3.0"), ("3.6", "4.0")] {
        let mut card = TestCard::new(from);
        let last = command::loads(&HostPackage::of(to), LARGEST_BLOCK).len() + 1;
        assert_eq!(update(&mut card, to), Err((last, 0x6A81)), "{from} to {to}");
        assert!(is_as_delivered(&mut card, from), "{from} to {to}");
    }
}

#[test]
fn a_firmware_of_one_s_own_is_installed_and_stays_in_the_image() {
    let (_, text) = vschsm_card::profile::BUILT_IN.iter().find(|(name, _)| *name == "3.4").unwrap();
    let text = text.replace("name = \"3.4\"", "name = \"ours\"").replace("[3, 4]", "[3, 9]");
    let commands = command::update(&HostPackage::new(&text, 3, 9), LARGEST_BLOCK);
    let mut card = TestCard::new("3.1");
    open(&mut card, ChannelLevel::Mac).send_all(&commands).expect("an update");
    assert_eq!(version(&mut card), "3.9");
    let mut card = card.restarted();
    assert_eq!(version(&mut card), "3.9");
    assert_eq!(card.card().profile().name(), "ours");
    assert!(is_genuine(&mut card));
}

#[test]
fn the_same_seed_and_the_same_commands_make_the_same_card() {
    let image = || {
        let mut card = TestCard::new("3.1");
        update(&mut card, "3.4").expect("an update");
        card.card().image()
    };
    assert_eq!(image(), image());
}

/// A card whose certificate another issuer has signed than the one that the card's maker has: the
/// other's certificate is the maker's with another key.
fn card_of_another_issuer(firmware: &str) -> TestCard {
    let mut card = TestCard::new(firmware);
    let key = hex(&device_key(&mut card)).try_into().unwrap();
    let mut content = certificates(&mut card);
    let length = content.len() - Certificate::take(&content).unwrap().1.len();
    let issuer = SecretKey::<BrainpoolP256r1>::from_slice(&[0x21; 32]).unwrap();
    let point = content.windows(2).rposition(|window| window == [0x86, 0x41]).unwrap() + 2;
    let public = issuer.public_key().to_sec1_point(false);
    content[point..point + 65].copy_from_slice(public.as_bytes());
    // 7F21 81 length, the body, and 5F37 40 with the signature.
    let digest = Sha256::digest(&content[4..length - 67]);
    let scalar = issuer.to_nonzero_scalar();
    let (signature, _) = sign_prehashed_rfc6979::<_, Sha256>(&scalar, &digest, &[]);
    content[length - 64..length].copy_from_slice(&signature.to_bytes());
    let chain = Some(Chain::parse(&key, &content).expect("a chain"));
    let order = PersonalisationData { serial: None, chain };
    let profile = Profile::built_in(firmware).unwrap();
    Card::new(&order, profile, [3; 32]).unwrap().into()
}

/// The card could make no certificate for another key.
#[test]
fn a_card_of_another_issuer_is_not_updated() {
    let mut card = card_of_another_issuer("3.1");
    let before = kept(&mut card);
    assert_eq!(update(&mut card, "3.4"), Err((0, 0x6985)));
    let mut host = open(&mut card, ChannelLevel::Mac);
    assert_eq!(host.send(&command::install()).status, 0x6985);
    assert_eq!(version(&mut card), "3.1");
    assert_eq!(kept(&mut card), before);
}
