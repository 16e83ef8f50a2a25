//! Share modes, protocols, dispositions, and what a card forgets with them.

use crate::world::*;
use std::time::Duration;
use vschsm_reader::pcsc::WarningCause;

#[test]
fn shared_handles_are_counted_and_an_exclusive_one_is_alone() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    assert_eq!(world.state(), [1, 0x34, 2, 2]);
    let third = world.client();
    assert_eq!(world.connect(third, EXCLUSIVE), Err(SHARING_VIOLATION));

    assert_eq!(world.end(first, 0x06, one, LEAVE), OK);
    assert_eq!(world.end(second, 0x06, two, LEAVE), OK);
    let alone = world.connect(third, EXCLUSIVE).unwrap();

    assert_eq!(world.state(), [1, 0x34, u32::MAX, 2]);
    assert_eq!(world.connect(first, SHARED), Err(SHARING_VIOLATION));
    assert_eq!(world.connect(first, DIRECT), Err(SHARING_VIOLATION));
    // The exclusive handle is no transaction that could be ended.
    assert_eq!(world.end(third, 0x08, alone, LEAVE), NOT_TRANSACTED);
    assert_eq!(world.end(third, 0x06, alone, LEAVE), OK);
    assert!(world.connect(first, SHARED).is_ok());
}

#[test]
fn who_goes_from_exclusive_to_shared_keeps_the_card_which_is_remarked_on() {
    let mut world = World::new();
    let (first, second) = (world.client(), world.client());
    let long = Duration::from_secs(3600);
    for share in [SHARED, DIRECT] {
        let one = world.connect(first, EXCLUSIVE).unwrap();
        assert_eq!(world.reconnect(first, one, [share, T1, LEAVE]), [T1, OK]);
        assert_eq!(world.state(), [1, 0x34, 1, 2]);
        let connect = connect(second, NAME, SHARED, T1);

        assert_eq!(world.send(second.id, &connect, long), Got::Later);
        assert_eq!(world.end(first, 0x08, one, LEAVE), OK);
        let two = world.connect(second, SHARED).unwrap();

        assert_eq!(world.end(first, 0x08, one, LEAVE), NOT_TRANSACTED);
        assert_eq!(world.end(second, 0x06, two, LEAVE), OK);
        assert_eq!(world.end(first, 0x06, one, LEAVE), OK);
    }
    assert_eq!(world.warnings(), [(first.id, WarningCause::KeptLock)], "once");
    // Transactions of its exclusive days are its own, and each is ended.
    let one = world.connect(first, EXCLUSIVE).unwrap();
    assert_eq!(world.begin(first, one), OK);
    assert_eq!(world.reconnect(first, one, [SHARED, T1, LEAVE]), [T1, OK]);
    assert_eq!(world.end(first, 0x08, one, LEAVE), OK);
    assert_eq!(world.end(first, 0x08, one, LEAVE), NOT_TRANSACTED);
    assert_eq!(world.warnings(), []);
}

#[test]
fn a_reader_has_room_for_two_hundred_handles() {
    let mut world = World::new();
    let (first, second) = (world.client(), world.client());
    let mut last = 0;
    for number in 0..200 {
        last = world.connect(if number < 120 { first } else { second }, SHARED).unwrap();
    }

    for share in [SHARED, DIRECT] {
        assert_eq!(world.code_of(second, share, T1), [T1, INTERNAL_ERROR]);
    }
    assert_eq!(world.code_of(second, EXCLUSIVE, T1), [T1, SHARING_VIOLATION]);
    assert_eq!(world.state()[2], 200);
    assert_eq!(world.end(second, 0x06, last, LEAVE), OK);
    assert!(world.connect(second, SHARED).is_ok());
}

#[test]
fn a_client_has_room_for_two_hundred_handles_of_several_readers() {
    let mut world = World::new();
    let client = world.client();
    world.service.add_reader(description("Test 01 00")).unwrap();
    for number in 0..201 {
        let name = if number % 2 == 0 { "Test 01 00" } else { NAME };
        let connect = connect(client, name, DIRECT, 0);
        let Got::Reply(reply) = world.send(client.id, &connect, Duration::ZERO) else {
            panic!("no reply");
        };
        let code = if number < 200 { OK } else { 0x8010_0006 };
        assert_eq!(to_words(&reply)[37], code, "{number}");
    }
}

#[test]
fn a_handle_is_its_client_s_own_and_a_context_too() {
    let mut world = World::new();
    let (first, handle) = world.connected();
    let second = world.client();
    let thief = Client { context: first.context, ..second };

    assert_eq!(world.status(second, handle), INVALID_HANDLE);
    assert_eq!(world.transmit(second, handle, &QUERY), Err(INVALID_HANDLE));
    assert_eq!(world.end(second, 0x06, handle, RESET), INVALID_HANDLE);
    assert_eq!(world.connect(thief, SHARED), Err(INVALID_HANDLE));
    assert_eq!(world.call(second.id, 0x02, &[first.context, 0])[1], INVALID_HANDLE);
    assert_eq!(world.status(first, handle), OK);
}

#[test]
fn a_reset_is_told_to_every_other_handle_until_it_reconnects() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    assert_eq!(world.transmit(first, one, &LOGIN), Ok(LOGIN.into()));

    assert_eq!(world.call(first.id, 0x05, &[one, SHARED, 3, RESET, 0, 0])[4..], [2, OK]);

    assert_eq!(world.transmit(first, one, &QUERY), Ok(vec![0]));
    for _ in 0..2 {
        assert_eq!(world.status(second, two), RESET_CARD);
        assert_eq!(world.begin(second, two), RESET_CARD);
        assert_eq!(world.transmit(second, two, &QUERY), Err(RESET_CARD));
    }
    assert_eq!(world.call(second.id, 0x05, &[two, SHARED, 3, LEAVE, 0, 0])[4..], [2, OK]);
    assert_eq!(world.transmit(second, two, &QUERY), Ok(vec![0]));
}

#[test]
fn a_card_taken_out_is_told_to_its_handles_and_the_next_one_is_another() {
    let mut world = World::new();
    let (client, handle) = world.connected();

    let card = world.service.remove(world.reader).unwrap();

    assert_eq!(world.state(), [2, 0x02, 1, 0]);
    assert_eq!(world.status(client, handle), REMOVED_CARD);
    assert!(world.service.insert(world.reader, card).is_none());
    assert_eq!(world.state(), [3, 0x34, 1, 0]);
    assert_eq!(world.transmit(client, handle, &QUERY), Err(REMOVED_CARD));
    assert_eq!(world.call(client.id, 0x05, &[handle, SHARED, 2, LEAVE, 0, 0])[4..], [2, OK]);
    assert_eq!(world.transmit(client, handle, &QUERY), Ok(vec![0]));
}

#[test]
fn a_card_that_is_taken_out_while_it_works_does_not_come_back() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    let operation = world.working(client, handle);

    assert!(world.service.remove(world.reader).is_none());
    assert!(world.service.insert(world.reader, Box::new(Echo::default())).is_none());
    let reply = world.service.complete(operation.execute());

    assert!(reply.is_some(), "the response was on its way");
    let (other, second) = world.connected();
    assert_eq!(world.transmit(other, second, &QUERY), Ok(vec![0]));
    assert_eq!(world.state(), [3, 0x34, 2, 2]);
}

#[test]
fn a_card_that_dies_answers_nothing_and_is_gone() {
    let mut world = World::new();
    let (client, handle) = world.connected();

    assert_eq!(world.transmit(client, handle, &DIE), Err(NOT_TRANSACTED));

    assert_eq!(world.state(), [2, 0x02, 1, 0]);
    assert_eq!(world.status(client, handle), REMOVED_CARD);
}

#[test]
fn a_reader_that_is_taken_away_is_told_to_its_handles() {
    let mut world = World::new();
    let (client, handle) = world.connected();

    world.service.remove_reader(world.reader).unwrap();

    assert_eq!(world.status(client, handle), 0x8010_0017);
    assert_eq!(world.transmit(client, handle, &QUERY), Err(0x8010_0017));
    assert_eq!(world.end(client, 0x06, handle, RESET), OK);
    assert_eq!(world.connect(client, SHARED), Err(0x8010_0009));
}

#[test]
fn an_answer_that_has_no_room_tells_its_length() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    let apdu = [0x5A; 300];

    let exact = world.send(client.id, &transmit(handle, 2, &apdu, 300), Duration::ZERO);
    let short = world.send(client.id, &transmit(handle, 2, &apdu, 299), Duration::ZERO);

    let Got::Reply(exact) = exact else { panic!("{exact:?}") };
    assert_eq!(exact[32..], apdu);
    let Got::Reply(short) = short else { panic!("{short:?}") };
    assert_eq!(to_words(&short)[6..], [300, INSUFFICIENT_BUFFER]);
    let none = world.send(client.id, &transmit(handle, 2, &LOGIN, 1), Duration::ZERO);
    let Got::Reply(none) = none else { panic!("{none:?}") };
    assert_eq!(to_words(&none)[6..], [2, INSUFFICIENT_BUFFER]);
    assert_eq!(world.transmit(client, handle, &QUERY), Ok(vec![1]), "the card was asked");
    let wrong = world.send(client.id, &transmit(handle, 1, &apdu, 300), Duration::ZERO);
    let Got::Reply(wrong) = wrong else { panic!("{wrong:?}") };
    assert_eq!(to_words(&wrong)[6..], [0, PROTO_MISMATCH]);
}

#[test]
fn an_apdu_may_have_64_kilobytes_both_ways() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    for length in [5, 261, 4096, 65_544, 65_548] {
        let apdu = vec![0xA5; length];
        assert_eq!(world.transmit(client, handle, &apdu), Ok(apdu), "{length} bytes");
    }
}

#[test]
fn a_card_that_loses_contact_has_gone_and_come_for_all_its_clients() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    let (bystander, other) = world.connected();
    world.transmit(client, handle, &LOGIN).unwrap();

    assert_eq!(world.transmit(client, handle, &BOUNCE), Err(NOT_TRANSACTED));

    assert_eq!(world.state(), [3, 0x34, 2, 0], "out, and in again");
    assert_eq!(world.status(client, handle), REMOVED_CARD);
    assert_eq!(world.status(bystander, other), REMOVED_CARD);
    let (client, handle) = world.connected();
    assert_eq!(world.transmit(client, handle, &QUERY), Ok(vec![0]), "it has no login");
}

#[test]
fn a_card_that_never_answers_stays_and_can_be_asked_again() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    world.transmit(client, handle, &LOGIN).unwrap();

    assert_eq!(world.transmit(client, handle, &MUTE), Err(NOT_TRANSACTED));

    assert_eq!(world.state(), [1, 0x34, 1, 2]);
    assert_eq!(world.transmit(client, handle, &QUERY), Ok(vec![1]));
}
