//! Session PINs, and that neither they nor the keys of a session are shown or kept.

use super::user_state;
use vschsm_card::Card;
use vschsm_testing::secure_host::HostProtocol;
use vschsm_testing::test_card::{PIN, TestCard};
use vschsm_testing::{digits, firmwares, hex, is_from};

/// A card that gives session PINs, in a channel in which it has given one.
fn with_session_pin() -> (TestCard, Vec<u8>) {
    with_session_pin_for("3.4", PIN)
}

/// The same for a firmware and a user PIN.
fn with_session_pin_for(firmware: &str, user_pin: &str) -> (TestCard, Vec<u8>) {
    let mut card = TestCard::new(firmware);
    card.initialise(&[0x00, 0x05], user_pin.as_bytes(), 3);
    card.reset();
    let mut card = card.in_channel(HostProtocol::Aes);
    assert_eq!(card.hex("805A018100").status, 0x6982);
    card.verify(user_pin).expect_ok();
    let pin = card.hex("805A018100").expect_ok();
    assert_eq!(pin.len(), 8);
    (card, pin)
}

fn verify(pin: &[u8]) -> Vec<u8> {
    [&hex("00200081"), &[u8::try_from(pin.len()).unwrap()][..], pin].concat()
}

#[test]
fn a_session_pin_logs_in_until_the_session_ends() {
    for firmware in firmwares().filter(|firmware| is_from(firmware, "2.0")) {
        let mut card = TestCard::new(firmware);
        card.initialise(&[0x00, 0x04], PIN.as_bytes(), 3);
        let mut card = card.in_channel(HostProtocol::Aes).logged_in();
        let first = card.hex("805A018100").expect_ok();
        let pin = card.hex("805A018100").expect_ok();
        assert_ne!(first, pin);

        assert_eq!(user_state(&mut card), 0x63C3);
        *card.host() = None;
        assert_eq!(card.transmit(&verify(&first)).status, 0x63C2);
        card.transmit(&verify(&pin)).expect_ok();
        assert_eq!(user_state(&mut card), 0x9000);
        card.reset();
        // It is longer than the user PIN, and there is nothing else to compare it with.
        assert_eq!(card.transmit(&verify(&pin)).status, 0x6700, "{firmware}");
        assert_eq!(user_state(&mut card), 0x63C2, "{firmware}");
    }
}

/// Whoever was passed a session PIN opens the card with it, until the owner changes the PIN that it
/// stands for or the officer gives it new tries.
#[test]
fn a_session_pin_ends_with_the_pin_that_it_stands_for() {
    const OLD: &str = "31415926"; // as long as the session PIN, so that the length refuses nothing
    for firmware in firmwares().filter(|firmware| is_from(firmware, "2.0")) {
        for (command, owner) in [
            ("00240081 10 3331343135393236 3237313832383138", "27182818"),
            ("00240081 10 3331343135393236 3331343135393236", OLD),
            ("002C0081 10 3537363231383830 3237313832383138", "27182818"),
            ("002C0181 08 3537363231383830", OLD),
        ] {
            let (mut card, pin) = with_session_pin_for(firmware, OLD);
            assert_eq!(card.verify("00000000").status, 0x63C2);
            card.transmit(&verify(&pin)).expect_ok();
            assert_eq!(card.hex("00200081").status, 0x9000);

            card.hex(command).expect_ok();

            assert_eq!(card.transmit(&verify(&pin)).status, 0x63C2, "{command} on {firmware}");
            assert_eq!(card.hex("00200081").status, 0x63C2, "{command} on {firmware}");
            card.verify(owner).expect_ok();
        }
    }
}

/// Nor does it open a card that was blocked and has been given its tries back.
#[test]
fn a_session_pin_does_not_come_back_with_the_tries() {
    let (mut card, pin) = with_session_pin();
    for status in [0x63C2, 0x63C1, 0x6983] {
        assert_eq!(card.verify("000000").status, status);
    }
    assert_eq!(card.transmit(&verify(&pin)).status, 0x6983);
    card.hex("002C0181 08 3537363231383830").expect_ok();
    assert_eq!(card.transmit(&verify(&pin)).status, 0x6700);
    assert_eq!(card.hex("00200081").status, 0x63C3);
}

/// A wrong one costs a try of the user PIN, though that is shorter, or trying would cost nothing.
#[test]
fn a_wrong_session_pin_costs_a_try_as_long_as_there_is_one() {
    let (mut card, mut pin) = with_session_pin();
    pin[7] ^= 0x01;
    assert_eq!(card.transmit(&verify(&pin)).status, 0x63C2);
    assert_eq!(card.transmit(&verify(&pin[..7])).status, 0x6700);
    assert_eq!(card.hex("00200081").status, 0x63C2);
}

#[test]
fn a_session_pin_gives_no_tries_back_and_logs_nobody_in_without_any() {
    let (mut card, pin) = with_session_pin();
    assert_eq!(card.verify("000000").status, 0x63C2);
    card.transmit(&verify(&pin)).expect_ok();
    assert_eq!(user_state(&mut card), 0x63C2);
    *card.host() = None;
    assert_eq!(card.transmit(&verify(&[0x30; 8])).status, 0x63C1);
    assert_eq!(card.verify("000000").status, 0x6983);
    assert_eq!(card.transmit(&verify(&pin)).status, 0x6983);
}

#[test]
fn a_session_pin_is_compared_as_every_pin() {
    let (mut card, pin) = with_session_pin();
    let apdu = card.host().as_mut().unwrap().protect(&verify(&pin));
    assert!(card.card().transmit(&apdu).changed);
}

#[test]
fn debug_output_holds_no_session_key() {
    let (mut card, pin) = with_session_pin();
    let keys = card.host().take().unwrap().keys();
    let debug = format!("{:?}", card.card());
    assert!(debug.contains("Channel(6 messages)"), "{debug}");
    for secret in [&pin[..], &keys[0], &keys[1]] {
        let listed = format!("{secret:?}");
        assert!(!debug.contains(listed.trim_matches(['[', ']'])), "{listed} in {debug}");
        assert!(!debug.contains(&digits(secret)), "{listed} in {debug}");
    }
    let card: Card = card.into();
    assert!(!String::from_utf8(card.image()).unwrap().contains(&digits(&pin)));
}
