//! Somebody between host and card: nothing but the next protected command is taken, and nothing but
//! the response to it.

use super::{again, logged_in, protected, user_state};
use vschsm_testing::secure_host::HostProtocol;
use vschsm_testing::test_card::{TestCard, extended};
use vschsm_testing::{hex, is_from};

/// What a protected VERIFY must not do when it is not the one that the host has sent.
fn is_refused(firmware: &str, card: &mut TestCard, good: &[u8], bad: &[u8]) {
    let response = card.card().transmit(bad).response;
    assert!(
        matches!(response[..], [0x69, 0x87 | 0x88] | [0x67 | 0x6E, 0x00] | [0x68, 0x82]),
        "{response:02X?} to {bad:02X?}"
    );
    assert_eq!(card.transmit_plain(good).status, 0x6882, "after {bad:02X?}");
    let login = if is_from(firmware, "2.0") { 0x63C3 } else { 0x9000 };
    assert_eq!(user_state(card), login, "after {bad:02X?}");
}

#[test]
fn every_bit_of_a_sealed_command_matters() {
    for (firmware, protocol) in [
        ("1.2", HostProtocol::TripleDes),
        ("2.6", HostProtocol::TripleDes),
        ("3.4", HostProtocol::Aes),
    ] {
        for apdu in ["00200081 06 363438323138", "00B12F02 04 54020000 10", "00200081"] {
            let mut card = logged_in(firmware, protocol);
            let length = protected(&mut card, apdu).len();
            // Le, the last byte, is nobody's.
            for bit in 0..8 * (length - 1) {
                again(&mut card, protocol);
                let good = protected(&mut card, apdu);
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                is_refused(firmware, &mut card, &good, &bad);
            }
        }
    }
}

#[test]
fn every_truncation_of_a_sealed_command_is_refused() {
    for (firmware, protocol) in [("2.6", HostProtocol::TripleDes), ("3.4", HostProtocol::Aes)] {
        for (apdu, header, le) in
            [("00200081 06 363438323138", 5, 1), ("00200081 000006 363438323138", 7, 2)]
        {
            let mut card = logged_in(firmware, protocol);
            let good = protected(&mut card, apdu);
            for length in 0..good.len() - le {
                again(&mut card, protocol);
                let good = protected(&mut card, apdu);
                is_refused(firmware, &mut card, &good, &good[..length]);
            }
            // The objects cut short, with an Lc that fits them.
            for length in 1..good.len() - le - header {
                again(&mut card, protocol);
                let good = protected(&mut card, apdu);
                let objects = &good[header..header + length];
                let bad = extended(0x0C, 0x20, 0x00, 0x81, objects, false);
                is_refused(firmware, &mut card, &good, &bad);
            }
        }
    }
}

#[test]
fn a_sealed_command_is_taken_once_and_in_its_turn() {
    for (firmware, protocol) in super::channels() {
        let wrong = "00200081 06 363438323138";
        let mut card = logged_in(firmware, protocol);
        let first = protected(&mut card, wrong);
        let response = card.card().transmit(&first).response;
        let host = card.host().as_mut().unwrap();
        assert_eq!(host.clone().unprotect(&response), Ok(hex("63C2")));
        assert_eq!(card.transmit_plain(&first).status, 0x6988, "{firmware}");
        assert_eq!(card.transmit_plain(&first).status, 0x6882, "{firmware}");
        assert_eq!(user_state(&mut card), 0x63C2, "{firmware}");

        // One that was lost on the way is missed.
        let mut card = logged_in(firmware, protocol);
        let lost = protected(&mut card, wrong);
        let next = protected(&mut card, wrong);
        assert_eq!(card.transmit_plain(&next).status, 0x6988, "{firmware}");
        assert_eq!(card.transmit_plain(&lost).status, 0x6882, "{firmware}");

        // One of another channel, of the same host with the same card.
        let mut card = logged_in(firmware, protocol);
        let old = protected(&mut card, "00200081");
        *card.host() = None;
        let mut card = card.in_channel(protocol);
        protected(&mut card, wrong);
        assert_eq!(card.transmit_plain(&old).status, 0x6988, "{firmware}");
    }
}

#[test]
fn a_response_is_taken_once_and_whole() {
    let mut card = logged_in("3.4", HostProtocol::Aes);
    let challenge = protected(&mut card, "0084000008");
    let response = card.card().transmit(&challenge).response;
    let mut host = card.host().take().unwrap();
    for bit in 0..8 * response.len() {
        let mut bad = response.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(host.clone().unprotect(&bad).is_err(), "bit {bit} of {response:02X?}");
    }
    assert_eq!(host.unprotect(&response).map(|plain| plain.len()), Ok(10));
    host.protect(&hex("0084000008"));
    assert!(host.unprotect(&response).is_err());
}
