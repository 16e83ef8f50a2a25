//! Protocols: which are accepted, in which order they are checked, and what a refusal leaves.

use crate::world::*;
use std::time::Duration;

#[test]
fn a_connection_needs_a_reader_a_card_and_the_protocol_t1() {
    let mut world = World::new();
    let client = world.client();
    assert_eq!(world.code_of(client, SHARED, T0), [0, PROTO_MISMATCH]);
    assert_eq!(world.code_of(client, SHARED, 0), [0, PROTO_MISMATCH]);
    assert_eq!(world.code_of(client, 7, T1), [0, INVALID_VALUE]);
    assert_eq!(world.code_of(client, 7, 0), [0, PROTO_MISMATCH]);
    for name in ["Test 00 01", ""] {
        let connect = connect(client, name, SHARED, T1);
        let Got::Reply(reply) = world.send(client.id, &connect, Duration::ZERO) else {
            panic!("no reply");
        };
        assert_eq!(to_words(&reply)[35..], [0, 0, 0x8010_0009]);
    }
    assert_eq!(world.code_of(client, SHARED, ANY_OLD), [T1, OK]);
    assert_eq!(world.code_of(client, DIRECT, 0), [T1, OK]);
    assert_eq!(world.state(), [1, 0x34, 2, 2]);

    let _card = world.service.remove(world.reader).unwrap();
    assert_eq!(world.connect(client, SHARED), Err(NO_SMARTCARD));
    assert!(world.connect(client, DIRECT).is_ok());
}

#[test]
fn any_in_the_old_way_is_none_once_a_protocol_is_agreed_on() {
    let mut world = World::new();
    let (client, handle) = world.connected();

    assert_eq!(world.code_of(client, SHARED, ANY_OLD), [0, PROTO_MISMATCH]);
    assert_eq!(world.reconnect(client, handle, [SHARED, ANY_OLD, LEAVE]), [0, PROTO_MISMATCH]);
    assert_eq!(world.reconnect(client, handle, [SHARED, ANY_OLD, RESET]), [T1, OK]);
}

/// As Java's `connect("direct")` asks for it.
#[test]
fn raw_is_for_all_clients_until_a_reset() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let second = world.client();

    assert_eq!(world.code_of(second, DIRECT, RAW), [RAW, OK]);

    assert_eq!(world.state(), [1, 0x34, 2, RAW]);
    assert_eq!(world.transmit(first, one, &QUERY), Err(PROTO_MISMATCH));
    assert_eq!(world.code_of(second, SHARED, T1), [0, PROTO_MISMATCH]);
    assert_eq!(world.code_of(second, SHARED, RAW), [RAW, OK]);
    assert_eq!(world.reconnect(first, one, [SHARED, T1, LEAVE]), [0, PROTO_MISMATCH]);
    assert_eq!(world.reconnect(first, one, [DIRECT, 0, LEAVE]), [RAW, OK]);
    assert_eq!(world.reconnect(first, one, [SHARED, T1, RESET]), [T1, OK]);
    assert_eq!(world.transmit(first, one, &QUERY), Ok(vec![0]));
    assert_eq!(world.code_of(second, SHARED, T1), [T1, OK]);
    // Even a connection that is refused in the end.
    assert_eq!(world.code_of(second, EXCLUSIVE, T1 | RAW), [RAW, SHARING_VIOLATION]);
    assert_eq!(world.transmit(first, one, &QUERY), Err(PROTO_MISMATCH));
}

#[test]
fn raw_on_an_empty_reader_ends_with_the_card_that_comes() {
    let mut world = World::new();
    let client = world.client();
    let card = world.service.remove(world.reader).unwrap();
    assert_eq!(world.code_of(client, SHARED, RAW), [0, NO_SMARTCARD]);
    assert_eq!(world.code_of(client, DIRECT, RAW), [RAW, OK]);
    assert_eq!(world.state(), [2, 0x02, 1, RAW]);

    assert!(world.service.insert(world.reader, card).is_none());

    assert_eq!(world.state(), [3, 0x34, 1, 0]);
    assert_eq!(world.code_of(client, SHARED, T1), [T1, OK]);
}

#[test]
fn a_reconnection_is_checked_in_pcscd_s_order() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    for (parameters, expected) in [
        ([7, 0, 7], [0, INVALID_VALUE]),
        ([7, 0, LEAVE], [0, INVALID_VALUE]),
        ([SHARED, 0, 7], [0, INVALID_VALUE]),
        ([SHARED, 0, LEAVE], [0, PROTO_MISMATCH]),
        ([SHARED, 8, LEAVE], [0, PROTO_MISMATCH]),
        ([SHARED, T0, LEAVE], [0, PROTO_MISMATCH]),
        ([DIRECT, 0, LEAVE], [T1, OK]),
        ([DIRECT, T0, LEAVE], [T1, OK]),
        ([SHARED, T0 | T1, LEAVE], [T1, OK]),
        ([DIRECT, 0, RESET], [0, OK]),
        ([SHARED, T0 | T1, LEAVE], [T1, OK]),
    ] {
        assert_eq!(world.reconnect(client, handle, parameters), expected, "{parameters:?}");
    }
    let other = world.client();
    assert_eq!(world.code_of(other, EXCLUSIVE, T1), [T1, SHARING_VIOLATION]);
    assert_eq!(world.code_of(other, EXCLUSIVE, T0), [0, PROTO_MISMATCH]);
    // Its own client is told first that there is no such handle.
    assert_eq!(world.reconnect(other, handle, [SHARED, T1, LEAVE]), [0, INVALID_HANDLE]);
}

#[test]
fn what_the_client_has_for_the_protocol_of_a_response_stays() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    for (protocol, size) in [(T1, 16), (0x55, 7)] {
        let words = [handle, T1, 16, 2, protocol, size, 100, 0];
        let request = [message(0x09, &words), QUERY.to_vec()].concat();
        let Got::Reply(reply) = world.send(client.id, &request, Duration::ZERO) else {
            panic!("no reply");
        };
        assert_eq!(to_words(&reply[..32])[4..6], [protocol, size]);
    }
}
