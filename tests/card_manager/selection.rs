//! SELECT, GET DATA and GET STATUS.

use crate::{applet, open, version};
use vschsm_card::personalisation::PersonalisationData;
use vschsm_testing::global_platform_host::command::{get_data, get_status, install, select};
use vschsm_testing::global_platform_host::{APPLET, CARD_MANAGER, ChannelLevel, MODULE, PACKAGE};
use vschsm_testing::secure_host::HostProtocol;
use vschsm_testing::test_card::{TestCard, TestResponse};
use vschsm_testing::{digits, firmwares, hex, is_from};

/// What the card manager says when it is selected. Source: real JCOP cards in public issues.
const INFORMATION: &str = "6F108408A000000151000000A5049F6501FF";

fn is_selected(card: &mut TestCard) -> bool {
    card.hex("80CA006600").status == 0x9000
}

#[test]
fn the_card_manager_is_selected_by_its_name_a_part_of_it_or_no_name() {
    for firmware in firmwares() {
        let mut card = TestCard::new(firmware);
        for apdu in [
            "00A4040008 A000000151000000 00",
            "00A4040008 A000000151000000",
            "00A4040005 A000000151 00",
            "00A40400",
            "00A4040000",
            "00A40400000000",
        ] {
            assert!(!is_selected(&mut card), "the applet is, before {apdu} on {firmware}");
            let response = card.hex(apdu);
            assert_eq!(digits(&response.expect_ok()), INFORMATION, "{apdu} on {firmware}");
            assert!(is_selected(&mut card));
            // Once more, from within.
            assert_eq!(digits(&card.hex(apdu).expect_ok()), INFORMATION, "{apdu} on {firmware}");
            applet(&mut card);
        }
        card.hex("00A4040C08 A000000151000000").expect_ok();
        assert!(is_selected(&mut card));
    }
}

#[test]
fn what_has_another_name_is_not_selected_and_changes_nothing() {
    let mut card = TestCard::initialised("3.4");
    for apdu in ["00A4040004 A0000001 00", "00A4040005 A000000152 00", "00A4040006 A00000015101 00"]
    {
        assert_eq!(card.hex(apdu).status, 0x6A82, "{apdu}");
        assert_eq!(card.hex("00200081").status, 0x9000, "{apdu}");
    }
    card.transmit(&select(&CARD_MANAGER)).expect_ok();
    for apdu in ["00A4040004 E82B0601 00", "00A4040005 A000000152 00"] {
        assert_eq!(card.hex(apdu).status, 0x6A82, "{apdu}");
        assert!(is_selected(&mut card), "{apdu}");
    }
}

#[test]
fn the_card_manager_is_selected_after_a_reset_and_when_the_power_comes_back() {
    for firmware in firmwares() {
        let unknown = if is_from(firmware, "3.0") { 0x6D00 } else { 0x6E00 };
        let mut card = TestCard::initialised(firmware);
        let image = card.card().image();
        card.card().reset();
        let powered = vschsm_card::Card::load(&image, [7; 32]).unwrap();
        for (mut card, how) in [(card.into(), "reset"), (powered, "powered")] {
            let mut status =
                |apdu: &str| TestResponse::parse(&card.transmit(&hex(apdu)).response).status;
            for apdu in ["00200081", "00200081 06 363438323139", "0084000008", "8058000000"] {
                assert_eq!(status(apdu), unknown, "{apdu} on {firmware}, {how}");
            }
            assert_eq!(status("80CA006600"), 0x9000, "{firmware}, {how}");
            assert_eq!(status("00A4040C0B E82B0601040181C31F0201"), 0x9000);
            assert_eq!(status("00200081"), 0x63C3, "{firmware}, {how}");
        }
    }
}

#[test]
fn selecting_one_application_ends_the_session_of_the_other() {
    let mut card = TestCard::initialised("3.4");
    assert_eq!(card.hex("00200081").status, 0x9000);
    card.transmit(&select(&CARD_MANAGER)).expect_ok();
    applet(&mut card);
    assert_eq!(card.hex("00200081").status, 0x63C3);

    let mut host = open(&mut card, ChannelLevel::Open);
    host.send(&get_status(0x80)).expect_ok();
    host.send_plain(&select(&APPLET)).expect_ok();
    host.send_plain(&select(&CARD_MANAGER)).expect_ok();
    assert_eq!(host.send(&get_status(0x80)).status, 0x6982);
    // And selecting the card manager again its own.
    let mut host = open(&mut card, ChannelLevel::Open);
    host.send_plain(&select(&CARD_MANAGER)).expect_ok();
    assert_eq!(host.send(&get_status(0x80)).status, 0x6982);
}

#[test]
fn the_card_manager_has_its_own_instructions_and_classes() {
    for (firmware, unknown) in [("2.6", 0x6E00), ("3.4", 0x6D00)] {
        let mut card = TestCard::new(firmware);
        card.transmit(&select(&CARD_MANAGER)).expect_ok();
        for apdu in
            ["00200081", "0084000008", "00B12F02 04 54020000 00", "8058000000", "80AA000000"]
        {
            assert_eq!(card.hex(apdu).status, unknown, "{apdu} on {firmware}");
        }
        for class in (0..=0xFF).filter(|class| ![0x00, 0x80, 0x84].contains(class)) {
            let get_data = [class, 0xCA, 0x00, 0x66, 0x00];
            assert_eq!(card.transmit(&get_data).status, 0x6E00, "{class:02X} on {firmware}");
        }
    }
}

#[test]
fn get_data_tells_what_a_card_is() {
    for firmware in firmwares() {
        let mut card = TestCard::new(firmware);
        card.transmit(&select(&CARD_MANAGER)).expect_ok();
        let mut data = |tag: u16| card.transmit(&get_data(tag)).expect_ok();
        let production = data(0x9F7F);
        assert_eq!((&production[..3], production.len()), (&[0x9F, 0x7F, 0x2A][..], 45));
        for tag in [0x66, 0xC1, 0xE0] {
            let object = data(u16::from(tag));
            assert_eq!(object[0], tag, "{firmware}");
            assert_eq!(usize::from(object[1]), object.len() - 2, "{firmware}");
        }
        let keys = digits(&data(0xE0));
        let key = |number| format!("C004{number:02X}018010");
        assert!((1..=3).all(|number| keys.contains(&key(number))), "{keys}");
        let options = if is_from(firmware, "3.0") { "55" } else { "15" };
        let recognition = digits(&data(0x66));
        assert!(
            recognition.contains(&format!("640B06092A864886FC6B0402{options}")),
            "{recognition}"
        );
    }
}

#[test]
fn get_data_of_what_a_card_does_not_have_is_6a88_and_either_class_will_do() {
    let mut card = TestCard::new("3.4");
    card.transmit(&select(&CARD_MANAGER)).expect_ok();
    // Nobody has set the issuer's number and the card's, 42 and 45.
    for tag in [0x0042, 0x0045, 0x0000, 0x0043, 0x0065, 0x9F7E, 0xFFFF] {
        assert_eq!(card.transmit(&get_data(tag)).status, 0x6A88, "{tag:04X}");
    }
    let with = |card: &mut TestCard, class| card.hex(&format!("{class}CA006600")).expect_ok();
    assert_eq!(with(&mut card, "00"), with(&mut card, "80"));
    // Without Le there is no data to be had, and no harm.
    assert!([0x9000, 0x6700].contains(&card.hex("80CA0066").status));
}

#[test]
fn two_cards_differ_in_what_their_keys_are_made_from() {
    let of = |serial: &str| {
        let mut card = TestCard::with_serial("3.4", serial, [0x5A; 32]);
        open(&mut card, ChannelLevel::Mac).proposal().diversification
    };
    // The first bytes of SHA-256 of the serial number.
    assert_eq!(digits(&of("ZZVS0000001")), "312812CE6578BEAF92C5");
    assert_ne!(of("ZZVS0000002"), of("ZZVS0000001"));
    let order = PersonalisationData::default();
    let profile = vschsm_card::profile::Profile::built_in("3.4").unwrap();
    let mut card = TestCard::from(vschsm_card::Card::new(&order, profile, [1; 32]).unwrap());
    open(&mut card, ChannelLevel::Mac);
}

/// The values of tags in the entries of GET STATUS.
fn entries(response: TestResponse) -> Vec<Vec<(u32, Vec<u8>)>> {
    let objects = |mut bytes: &[u8]| {
        let mut objects = Vec::new();
        while let [first, rest @ ..] = bytes {
            let (tag, rest) = match first {
                0x9F => (0x9F00 | u32::from(rest[0]), &rest[1..]),
                _ => (u32::from(*first), rest),
            };
            let (value, rest) = rest[1..].split_at(usize::from(rest[0]));
            objects.push((tag, value.to_vec()));
            bytes = rest;
        }
        objects
    };
    let list = objects(&response.expect_ok());
    assert!(list.iter().all(|(tag, _)| *tag == 0xE3), "{list:02X?}");
    list.iter().map(|(_, entry)| objects(entry)).collect()
}

#[test]
fn get_status_lists_the_card_manager_the_applet_and_its_package() {
    for (firmware, level) in
        firmwares().flat_map(|firmware| ChannelLevel::ALL.map(|level| (firmware, level)))
    {
        let mut card = TestCard::new(firmware);
        let mut host = open(&mut card, level);
        for (scope, name, state) in [
            (0x80, &CARD_MANAGER[..], [0x01, 0x07, 0x0F].as_slice()),
            (0x40, &APPLET, &[0x07]),
            (0x20, &PACKAGE, &[0x01]),
            (0x10, &PACKAGE, &[0x01]),
        ] {
            let list = entries(host.send(&get_status(scope)));
            let [entry] = &list[..] else { panic!("{scope:02X}: {list:02X?}") };
            let value =
                |tag| entry.iter().find(|(found, _)| *found == tag).map(|(_, value)| &value[..]);
            assert_eq!(value(0x4F), Some(name), "{scope:02X} on {firmware}");
            assert!(state.contains(&value(0x9F70).expect("a state")[0]), "{scope:02X}");
            assert!(scope < 0x40 || value(0xC5).is_some(), "privileges in {scope:02X}");
            assert_eq!(value(0x84), (scope == 0x10).then_some(&MODULE[..]), "{scope:02X}");
        }
        // By name, the old form, and what there is not.
        let named = [&[0x4F][..], &[11], &APPLET].concat();
        let by_name = |p1, p2, data: &[u8]| {
            [&[0x80, 0xF2, p1, p2, u8::try_from(data.len()).unwrap()], data, &[0x00]].concat()
        };
        host.send(&by_name(0x40, 0x02, &named)).expect_ok();
        let old = host.send(&by_name(0x40, 0x00, &[0x4F, 0x00])).expect_ok();
        assert_eq!(old[..12], [&[11], &APPLET[..]].concat());
        assert_eq!(host.send(&by_name(0x80, 0x02, &named)).status, 0x6A88);
        assert_eq!(host.send(&by_name(0x08, 0x02, &[0x4F, 0x00])).status, 0x6A86);
    }
}

#[test]
fn what_changes_the_card_needs_a_channel() {
    let mut card = TestCard::new("3.4");
    card.transmit(&select(&CARD_MANAGER)).expect_ok();
    for apdu in [
        "80F28002 02 4F00 00",
        "84F28002 0A 4F00 0102030405060708 00",
        "80E40080 0E 4F0C E82B0601040181C31F027F01 00",
        "80E60200 19 0C E82B0601040181C31F027F01 08 A000000151000000 00 00 00 00",
        "80E80000 02 C400 00",
        "80E88000 0A C400 0102030405060708 00",
        "80D80081 01 02 00",
    ] {
        assert_eq!(card.hex(apdu).status, 0x6982, "{apdu}");
    }
    assert_eq!(card.transmit(&install()).status, 0x6982);
    assert_eq!(version(&mut card), "3.4");
}

#[test]
fn secure_messaging_of_the_applet_and_its_login_end_with_it() {
    let mut card = TestCard::initialised("3.4").in_channel(HostProtocol::Aes);
    card.verify("648219").expect_ok();
    *card.host() = None;
    assert_eq!(digits(&card.transmit(&select(&CARD_MANAGER)).expect_ok()), INFORMATION);
    assert!(is_selected(&mut card));
    applet(&mut card);
    assert_eq!(card.hex("00200081").status, 0x63C3);
}
