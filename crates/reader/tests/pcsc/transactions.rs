//! Transactions: which handle has the card locked, which wait, and what a client's death leaves.

use crate::world::*;
use std::time::Duration;
use vschsm_reader::pcsc::WarningCause;

#[test]
fn a_transaction_keeps_everybody_else_from_the_card() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();

    assert_eq!(world.begin(first, one), OK);
    assert_eq!(world.begin(first, one), OK);

    assert_eq!(world.transmit(second, two, &QUERY), Err(SHARING_VIOLATION));
    assert_eq!(world.status(second, two), SHARING_VIOLATION);
    assert_eq!(world.end(second, 0x08, two, LEAVE), SHARING_VIOLATION);
    assert_eq!(world.transmit(first, one, &QUERY), Ok(vec![0]));
    assert_eq!(world.end(first, 0x08, one, LEAVE), OK);
    assert_eq!(world.status(second, two), SHARING_VIOLATION, "it was begun twice");
    assert_eq!(world.end(first, 0x08, one, LEAVE), OK);
    assert_eq!(world.end(first, 0x08, one, LEAVE), NOT_TRANSACTED);
    assert_eq!(world.begin(second, two), OK);
}

#[test]
fn a_second_transaction_waits_for_a_tenth_of_a_second() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    world.begin(first, one);
    let begin = message(0x07, &[two, 0]);

    assert_eq!(world.send(second.id, &begin, Duration::ZERO), Got::Later);
    assert_eq!(world.send(second.id, &begin, Duration::from_millis(99)), Got::Later);
    let Got::Reply(late) = world.send(second.id, &begin, Duration::from_millis(100)) else {
        panic!("it waits for ever");
    };
    assert_eq!(to_words(&late)[1], SHARING_VIOLATION);

    world.end(first, 0x08, one, LEAVE);
    assert_eq!(world.begin(second, two), OK);
}

#[test]
fn who_connects_or_resets_waits_for_the_end_of_a_transaction() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    let third = world.client();
    world.begin(first, one);

    let direct = connect(third, NAME, DIRECT, 0);
    let connect = connect(third, NAME, SHARED, 2);
    let reset = message(0x06, &[two, RESET, 0]);
    let eject = message(0x06, &[two, EJECT, 0]);
    let long = Duration::from_secs(3600);
    assert_eq!(world.send(third.id, &connect, long), Got::Later);
    assert_eq!(world.send(third.id, &direct, long), Got::Later);
    assert_eq!(world.send(second.id, &eject, long), Got::Later);
    assert_eq!(world.send(second.id, &reset, long), Got::Later);
    assert_eq!(world.warnings(), [], "with pcscd they wait as well");
    world.end(first, 0x08, one, LEAVE);

    assert!(matches!(world.send(third.id, &connect, long), Got::Reply(_)));
    assert!(matches!(world.send(second.id, &reset, long), Got::Reply(_)));
    assert_eq!(world.status(first, one), RESET_CARD);
}

#[test]
fn a_client_does_not_wait_for_its_own_transaction() {
    let mut world = World::new();
    let (client, one) = world.connected();
    world.begin(client, one);

    let two = world.connect(client, SHARED).unwrap();

    assert_eq!(world.warnings(), [(client.id, WarningCause::ConnectInTransaction)]);
    assert_eq!(world.end(client, 0x06, two, RESET), OK);
    assert_eq!(world.warnings(), [(client.id, WarningCause::DisconnectInTransaction)]);
    assert_eq!(world.status(client, one), RESET_CARD);

    // There is no warning about what works with pcscd, and no second one about the same.
    let two = world.connect(client, DIRECT).unwrap();
    assert_eq!(world.end(client, 0x06, two, LEAVE), OK);
    assert_eq!(world.end(client, 0x06, one, RESET), OK);
    assert_eq!(world.warnings(), []);
    let (other, three) = world.connected();
    world.begin(other, three);
    world.connect(other, DIRECT).unwrap();
    assert_eq!(world.warnings(), [(other.id, WarningCause::ConnectInTransaction)]);
}

#[test]
fn a_client_that_dies_in_a_transaction_leaves_a_reset_card_to_the_next() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    world.begin(first, one);
    world.transmit(first, one, &LOGIN).unwrap();

    world.leave(first.id);

    assert_eq!(world.status(second, two), RESET_CARD);
    assert_eq!(world.call(second.id, 0x05, &[two, SHARED, 2, LEAVE, 0, 0])[5], OK);
    assert_eq!(world.begin(second, two), OK);
    assert_eq!(world.transmit(second, two, &QUERY), Ok(vec![0]));
    assert_eq!(world.state(), [1, 0x34, 1, 2]);
}

#[test]
fn a_client_that_dies_without_a_transaction_leaves_the_card_as_it_is() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    world.transmit(first, one, &LOGIN).unwrap();

    world.leave(first.id);

    assert_eq!(world.transmit(second, two, &QUERY), Ok(vec![1]));
}

#[test]
fn a_context_that_is_released_leaves_nothing_behind() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    world.begin(client, handle);

    assert_eq!(world.call(client.id, 0x02, &[client.context, 0])[1], OK);

    assert_eq!(world.state(), [1, 0x34, 0, 0]);
    let other = world.client();
    assert!(world.connect(other, EXCLUSIVE).is_ok());
    assert_eq!(world.status(client, handle), INVALID_HANDLE);
}

#[test]
fn a_transaction_that_ends_with_a_reset_is_news_to_its_own_client_too() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    world.begin(client, handle);
    world.transmit(client, handle, &LOGIN).unwrap();

    assert_eq!(world.end(client, 0x08, handle, RESET), OK);

    assert_eq!(world.transmit(client, handle, &QUERY), Err(RESET_CARD));
    assert_eq!(world.call(client.id, 0x05, &[handle, SHARED, 2, LEAVE, 0, 0])[5], OK);
    assert_eq!(world.transmit(client, handle, &QUERY), Ok(vec![0]));
}

#[test]
fn readers_can_be_listed_while_a_card_works_and_everything_else_waits() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    let operation = world.working(first, one);

    assert_eq!(world.state(), [1, 0x34, 2, 2]);
    assert_eq!(world.status(second, two), OK);
    assert!(world.service.is_busy());
    let ask = transmit(two, 2, &QUERY, 10);
    let reset = message(0x05, &[two, SHARED, 2, RESET, 0, 0]);
    assert_eq!(world.send(second.id, &ask, Duration::ZERO), Got::Later);
    assert_eq!(world.send(second.id, &reset, Duration::ZERO), Got::Later);

    assert!(world.service.complete(operation.execute()).is_some());
    assert!(matches!(world.send(second.id, &ask, Duration::ZERO), Got::Reply(_)));
}
