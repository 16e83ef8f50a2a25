//! PUT KEY.

use crate::{Host, open, open_with, version};
use vschsm_testing::digits;
use vschsm_testing::global_platform_host::command::{get_data, initialize_update, select};
use vschsm_testing::global_platform_host::{
    CARD_MANAGER, CHALLENGE, ChannelLevel, GlobalPlatformError, HostKeys,
};
use vschsm_testing::test_card::TestCard;

/// HostKeys that no card is made with.
fn other() -> HostKeys {
    HostKeys {
        encryption: *b"encryption of 16",
        mac: *b"MAC of 16 bytes.",
        data: *b"key of keys, 16.",
    }
}

#[test]
fn keys_that_were_put_open_channels_and_the_old_ones_do_not() {
    for firmware in ["2.6", "3.4", "4.1"] {
        for level in ChannelLevel::ALL {
            let mut card = TestCard::new(firmware);
            let response = open(&mut card, level).put_keys(0x01, 0x20, &other()).expect_ok();
            // The new version, and the check values of the keys in order.
            assert_eq!((response[0], response.len()), (0x20, 10));

            for _ in 0..2 {
                let old = Host::open(card.card(), HostKeys::of_card, level).err();
                assert_eq!(old, Some(GlobalPlatformError::WrongCryptogram), "{firmware}");
                let mut host = open_with(&mut card, level, &other()).unwrap();
                assert_eq!(host.proposal().version, 0x20);
                let keys = digits(&host.send(&get_data(0x00E0)).expect_ok());
                assert!(keys.contains("C00401208010") && !keys.contains("C00401018010"), "{keys}");
                card = card.restarted();
            }
            card.transmit(&select(&CARD_MANAGER)).expect_ok();
            assert_eq!(card.transmit(&initialize_update(0x01, &CHALLENGE)).status, 0x6A88);
            card.transmit(&initialize_update(0x20, &CHALLENGE)).expect_ok();
        }
    }
}

#[test]
fn the_channel_goes_on_with_the_keys_that_opened_it() {
    let mut card = TestCard::new("3.4");
    let mut host = open(&mut card, ChannelLevel::Encrypted);
    host.put_keys(0x01, 0x01, &other()).expect_ok();
    host.send(&get_data(0x0066)).expect_ok();
    let mut host = open_with(&mut card, ChannelLevel::Encrypted, &other()).unwrap();
    host.put_keys(0x01, 0x02, &HostKeys::all([0x42; 16])).expect_ok();
    open_with(&mut card, ChannelLevel::Mac, &HostKeys::all([0x42; 16])).unwrap();
}

#[test]
fn check_values_in_the_answer_are_those_of_the_keys() {
    let mut card = TestCard::new("3.4");
    let keys = HostKeys::all(*b"\0\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0B\x0C\r\x0E\x0F");
    let response = open(&mut card, ChannelLevel::Mac).put_keys(0x01, 0x01, &keys);
    // Computed with Py-GP 1.0.0.
    assert_eq!(digits(&response.expect_ok()), "01DDADA1DDADA1DDADA1");
}

/// PUT KEY made wrong in a place of its data is refused and changes nothing.
#[track_caller]
fn refuses(wrong: impl FnOnce(&mut Vec<u8>), status: u16) {
    let mut card = TestCard::new("3.4");
    let mut host = open(&mut card, ChannelLevel::Mac);
    let mut apdu = host.channel().put_keys(0x01, 0x02, &other());
    wrong(&mut apdu);
    apdu[4] = u8::try_from(apdu.len() - 5).unwrap();
    assert_eq!(format!("{:04X}", host.send(&apdu).status), format!("{status:04X}"));
    open(&mut card, ChannelLevel::Mac);
    assert_eq!(version(&mut card), "3.4");
}

#[test]
fn keys_whose_check_values_are_wrong_are_refused() {
    // Each key, and each check value.
    for place in [8, 23, 25, 30, 45, 47, 52, 67, 69] {
        refuses(|apdu| apdu[place] ^= 0x02, 0x6A80);
    }
}

#[test]
fn what_is_not_three_keys_is_refused() {
    for length in 0..67 {
        refuses(|apdu| apdu.truncate(5 + length), 0x6A80);
    }
    refuses(|apdu| apdu.push(0x00), 0x6A80);
    for (place, value) in [(6, 0x81), (7, 0x0F), (24, 0x00), (28, 0x88), (29, 0x11), (46, 0x04)] {
        refuses(|apdu| apdu[place] = value, 0x6A80);
    }
}

#[test]
fn keys_that_are_not_there_are_not_replaced() {
    refuses(|apdu| apdu[2] = 0x02, 0x6A88);
    refuses(|apdu| apdu[2] = 0x7F, 0x6A88);
}
