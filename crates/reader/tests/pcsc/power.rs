//! Resets, power, and readers without a card: what a call leaves behind, and one that fails, too.

use crate::world::*;
use std::time::Duration;

#[test]
fn a_client_that_takes_the_power_leaves_a_card_that_the_next_one_wakes() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    world.transmit(client, handle, &LOGIN).unwrap();

    assert_eq!(world.end(client, 0x06, handle, UNPOWER), OK);

    assert_eq!(world.state(), [1, 0x04, 0, 0]);
    let handle = world.connect(client, SHARED).unwrap();
    assert_eq!(world.state(), [1, 0x34, 1, 2]);
    assert_eq!(world.transmit(client, handle, &QUERY), Ok(vec![0]));
}

#[test]
fn a_login_outlives_its_client_only_until_the_card_is_powered_down() {
    let mut world = World::new();
    for (pause, logged_in) in
        [(POWER_OFF_GRACE_PERIOD - Duration::from_millis(1), 1), (POWER_OFF_GRACE_PERIOD, 0)]
    {
        let (client, handle) = world.connected();
        world.transmit(client, handle, &LOGIN).unwrap();
        assert_eq!(world.end(client, 0x06, handle, LEAVE), OK);
        world.pass(pause);

        let (client, handle) = world.connected();

        assert_eq!(world.transmit(client, handle, &QUERY), Ok(vec![logged_in]), "{pause:?}");
        // Somebody has the card: it stays awake.
        world.pass(2 * POWER_OFF_GRACE_PERIOD);
        assert_eq!(world.transmit(client, handle, &QUERY), Ok(vec![logged_in]), "{pause:?}");
        world.leave(client.id);
    }
    world.pass(POWER_OFF_GRACE_PERIOD);
    assert_eq!(world.state(), [1, 0x34, 0, 0]);
}

#[test]
fn who_stays_without_power_keeps_newcomers_out() {
    for end in ["reset", "leave", "end"] {
        let mut world = World::new();
        let (first, one) = world.connected();
        let (second, two) = world.connected();
        assert_eq!(world.end(second, 0x06, two, UNPOWER), OK);
        assert_eq!(world.status(first, one), RESET_CARD);
        assert_eq!(world.reconnect(first, one, [SHARED, T1, LEAVE]), [T1, OK]);

        assert_eq!(world.connect(second, SHARED), Err(UNPOWERED_CARD));
        assert_eq!(world.connect(second, EXCLUSIVE), Err(UNPOWERED_CARD));
        let direct = world.connect(second, DIRECT).unwrap();
        assert_eq!(world.end(second, 0x06, direct, LEAVE), OK);
        assert_eq!(world.state(), [1, 0x04, 1, 2]);
        assert_eq!(world.transmit(first, one, &QUERY), Ok(vec![0]));

        match end {
            "reset" => {
                assert_eq!(world.reconnect(first, one, [SHARED, T1, RESET]), [T1, OK]);
            }
            "end" => assert_eq!(world.end(first, 0x08, one, RESET), NOT_TRANSACTED),
            _ => {
                assert_eq!(world.end(first, 0x06, one, LEAVE), OK);
                assert_eq!(world.connect(second, SHARED), Err(UNPOWERED_CARD));
                world.pass(POWER_OFF_GRACE_PERIOD);
            }
        }
        assert!(world.connect(second, SHARED).is_ok(), "{end}");
        assert_eq!(world.state()[1], 0x34);
    }
}

#[test]
fn a_newcomer_gives_the_card_power_before_the_others_are_back() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    assert_eq!(world.end(second, 0x06, two, UNPOWER), OK);

    let two = world.connect(second, SHARED).unwrap();

    assert_eq!(world.transmit(second, two, &QUERY), Ok(vec![0]));
    assert_eq!(world.reconnect(first, one, [SHARED, T1, LEAVE]), [T1, OK]);
    assert_eq!(world.state(), [1, 0x34, 2, 2]);
}

#[test]
fn a_direct_handle_does_not_keep_a_card_awake() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    world.transmit(client, handle, &LOGIN).unwrap();
    assert_eq!(world.end(client, 0x06, handle, LEAVE), OK);
    let direct = world.connect(client, DIRECT).unwrap();

    world.pass(POWER_OFF_GRACE_PERIOD);

    assert_eq!(world.status(client, direct), OK);
    let (other, handle) = world.connected();
    assert_eq!(world.transmit(other, handle, &QUERY), Ok(vec![0]));
}

#[test]
fn a_call_that_fails_may_have_reset_the_card() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    for then in [RESET, UNPOWER] {
        world.transmit(first, one, &LOGIN).unwrap();

        assert_eq!(world.end(first, 0x08, one, then), NOT_TRANSACTED);

        for (client, handle) in [(first, one), (second, two)] {
            assert_eq!(world.status(client, handle), RESET_CARD);
            assert_eq!(world.reconnect(client, handle, [SHARED, T1, LEAVE]), [T1, OK]);
        }
        assert_eq!(world.transmit(first, one, &QUERY), Ok(vec![0]));
    }
    world.transmit(first, one, &LOGIN).unwrap();

    assert_eq!(world.reconnect(first, one, [SHARED, T0, RESET]), [0, PROTO_MISMATCH]);

    for (client, handle) in [(first, one), (second, two)] {
        assert_eq!(world.status(client, handle), RESET_CARD);
        assert_eq!(world.reconnect(client, handle, [SHARED, T1, LEAVE]), [T1, OK]);
    }
    assert_eq!(world.transmit(first, one, &QUERY), Ok(vec![0]));
    // Neither is one that is refused for its own words, or for a transaction.
    world.begin(second, two);
    world.transmit(second, two, &LOGIN).unwrap();
    assert_eq!(world.reconnect(first, one, [SHARED, 0, RESET]), [0, PROTO_MISMATCH]);
    assert_eq!(world.reconnect(first, one, [7, T1, RESET]), [0, INVALID_VALUE]);
    assert_eq!(world.reconnect(first, one, [SHARED, T1, RESET]), [0, SHARING_VIOLATION]);
    assert_eq!(world.end(first, 0x08, one, RESET), SHARING_VIOLATION);
    assert_eq!(world.transmit(second, two, &QUERY), Ok(vec![1]));
}

#[test]
fn an_exclusive_reconnection_that_is_refused_has_reset_the_card() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    world.transmit(second, two, &LOGIN).unwrap();

    assert_eq!(world.reconnect(first, one, [EXCLUSIVE, T1, RESET]), [T1, SHARING_VIOLATION]);

    assert_eq!(world.status(first, one), RESET_CARD);
    assert_eq!(world.status(second, two), RESET_CARD);
    assert_eq!(world.state(), [1, 0x34, 2, 2]);
}

#[test]
fn a_reader_without_a_card_can_be_reset_and_has_none_afterwards() {
    let mut world = World::new();
    let _card = world.service.remove(world.reader).unwrap();
    let (first, second) = (world.client(), world.client());
    let (one, two) =
        (world.connect(first, DIRECT).unwrap(), world.connect(second, DIRECT).unwrap());
    for share in [SHARED, DIRECT] {
        assert_eq!(world.reconnect(first, one, [share, T1, LEAVE]), [0, NO_SMARTCARD]);
        assert_eq!(world.status(first, one), OK);
    }

    assert_eq!(world.reconnect(first, one, [DIRECT, 0, RESET]), [0, NO_SMARTCARD]);

    assert_eq!(world.status(first, one), RESET_CARD);
    assert_eq!(world.status(second, two), RESET_CARD);
    assert_eq!(world.end(second, 0x06, two, RESET), OK);
    let two = world.connect(second, DIRECT).unwrap();
    assert_eq!(world.begin(second, two), OK);
    assert_eq!(world.end(second, 0x08, two, RESET), REMOVED_CARD);
    assert_eq!(world.status(second, two), RESET_CARD);
    assert_eq!(world.connect(first, SHARED), Err(NO_SMARTCARD));
}

/// pcscd says here that it was reset, and its client looks for a card that is not there.
#[test]
fn a_card_that_is_gone_is_told_as_such_whatever_is_tried_without_it() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    let card = world.service.remove(world.reader).unwrap();

    assert_eq!(world.reconnect(first, one, [SHARED, T1, RESET]), [0, NO_SMARTCARD]);

    assert_eq!(world.status(first, one), REMOVED_CARD);
    assert_eq!(world.status(second, two), REMOVED_CARD);
    assert!(world.service.insert(world.reader, card).is_none());
    assert_eq!(world.status(first, one), REMOVED_CARD);
    assert_eq!(world.reconnect(first, one, [SHARED, T1, RESET]), [T1, OK]);
    assert_eq!(world.status(second, two), RESET_CARD, "that is newer");
}

#[test]
fn no_card_is_ejected() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    world.transmit(client, handle, &LOGIN).unwrap();

    assert_eq!(world.reconnect(client, handle, [SHARED, T1, EJECT]), [0, INVALID_VALUE]);
    assert_eq!(world.begin(client, handle), OK);
    assert_eq!(world.end(client, 0x08, handle, EJECT), UNSUPPORTED_FEATURE);
    // The transaction has ended all the same.
    assert_eq!(world.end(client, 0x08, handle, LEAVE), NOT_TRANSACTED);
    assert_eq!(world.transmit(client, handle, &QUERY), Ok(vec![1]));
    assert_eq!(world.end(client, 0x06, handle, EJECT), OK);

    let (client, handle) = world.connected();
    assert_eq!(world.transmit(client, handle, &QUERY), Ok(vec![1]));
}

#[test]
fn an_exclusive_client_whose_card_was_taken_out_is_still_alone() {
    let mut world = World::new();
    let client = world.client();
    let handle = world.connect(client, EXCLUSIVE).unwrap();
    let card = world.service.remove(world.reader).unwrap();
    assert!(world.service.insert(world.reader, card).is_none());
    let other = world.client();

    assert_eq!(world.connect(other, SHARED), Err(SHARING_VIOLATION));
    assert_eq!(world.reconnect(client, handle, [SHARED, T1, LEAVE]), [T1, OK]);
    // The lock has gone with the card.
    assert!(world.connect(other, SHARED).is_ok());
    assert_eq!(world.warnings(), []);
    assert_eq!(world.send(other.id, &message(0x0B, &[handle, 0]), Duration::ZERO), {
        Got::Reply([handle, INVALID_HANDLE].map(u32::to_ne_bytes).concat())
    });
}
