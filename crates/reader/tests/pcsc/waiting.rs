//! Waiting for a change: an event comes once, and never where it would be taken for another reply.

use crate::world::*;
use std::time::Duration;
use vschsm_reader::pcsc::{Action, ClientId, WinscardMessage};

/// Begins to wait, and reads the states.
fn wait(world: &mut World, client: ClientId) {
    assert!(matches!(world.send(client, &message(0x13, &[]), Duration::ZERO), Got::Reply(_)));
}

/// Ends a wait: whether there was one left to end.
fn stop(world: &mut World, client: ClientId) -> bool {
    match world.send(client, &message(0x14, &[]), Duration::ZERO) {
        Got::Reply(reply) => {
            assert_eq!(reply, [0; 8]);
            true
        }
        other => {
            assert_eq!(other, Got::NoReply);
            false
        }
    }
}

#[test]
fn every_change_is_told_once_to_each_who_waits() {
    let mut world = World::new();
    let (first, second) = (world.client(), world.client());
    let card = world.service.remove(world.reader).unwrap();
    assert_eq!(world.events(), [], "no client has waited");
    for client in [first, second] {
        wait(&mut world, client.id);
    }

    world.service.insert(world.reader, card);
    world.service.remove(world.reader).unwrap();

    assert_eq!(world.events(), [(first.id, OK), (second.id, OK)]);
    // A request to stop that has crossed the event gets no other reply.
    assert!(!stop(&mut world, first.id));
    wait(&mut world, first.id);
    assert!(stop(&mut world, first.id));
    assert!(!stop(&mut world, first.id));
}

#[test]
fn what_others_do_with_a_card_is_a_change() {
    let mut world = World::new();
    let (watcher, client) = (world.client(), world.client());
    wait(&mut world, watcher.id);
    let handle = world.connect(client, SHARED).unwrap();
    assert_eq!(world.events(), [(watcher.id, OK)]);
    wait(&mut world, watcher.id);
    world.begin(client, handle);
    world.transmit(client, handle, &QUERY).unwrap();
    world.end(client, 0x08, handle, LEAVE);
    assert_eq!(world.events(), [], "a transaction is none");
    world.leave(client.id);
    assert_eq!(world.events(), [(watcher.id, OK)]);
    wait(&mut world, watcher.id);
    world.service.add_reader(description("Test 01 00")).unwrap();
    assert_eq!(world.events(), [(watcher.id, OK)]);
}

#[test]
fn a_change_while_the_states_are_on_their_way_is_told_after_them() {
    let mut world = World::new();
    let client = world.client();
    let bytes = message(0x13, &[]);
    let request = WinscardMessage::receive(&mut &*bytes).unwrap().unwrap();
    let action = world.service.request(client.id, &request, Duration::ZERO, world.now);
    assert!(matches!(action, Action::Reply(_)));

    world.service.remove(world.reader).unwrap();

    assert_eq!(world.events(), [], "the client would take it for a state");
    world.service.reply_sent(client.id);
    assert_eq!(world.events(), [(client.id, OK)]);
    assert!(!stop(&mut world, client.id));
}

#[test]
fn a_new_client_hears_of_no_change_before_it_has_read_the_states() {
    let mut world = World::new();
    let client = world.client();
    world.call(client.id, 0x11, &[4, 6, 0]);
    assert_eq!(world.send(client.id, &message(0x13, &[]), Duration::ZERO), Got::NoReply);

    let card = world.service.remove(world.reader).unwrap();

    assert_eq!(world.events(), []);
    world.call(client.id, 0x16, &[]);
    world.call(client.id, 0x17, &[]);
    assert_eq!(world.events(), [], "the states have shown it");
    world.service.insert(world.reader, card);
    assert_eq!(world.events(), [(client.id, OK)]);
}

#[test]
fn a_wait_can_be_cancelled_from_another_connection() {
    let mut world = World::new();
    let client = world.client();
    let canceller = world.service.add_client();
    let cancel = |world: &mut World, context| world.call(canceller, 0x0D, &[context, 0])[1];

    assert_eq!(cancel(&mut world, client.context), OK, "it does not wait");
    assert_eq!(world.events(), []);
    assert_eq!(cancel(&mut world, client.context + 1000), INVALID_HANDLE);
    wait(&mut world, client.id);
    assert_eq!(cancel(&mut world, client.context), OK);
    assert_eq!(world.events(), [(client.id, CANCELLED)]);
    assert_eq!(cancel(&mut world, client.context), OK);
    assert_eq!(world.events(), [], "once");
}

#[test]
fn a_wait_that_is_cancelled_before_it_has_begun_ends_as_it_begins() {
    let mut world = World::new();
    let client = world.client();
    world.call(client.id, 0x11, &[4, 6, 0]);
    world.send(client.id, &message(0x13, &[]), Duration::ZERO);
    let canceller = world.service.add_client();

    assert_eq!(world.call(canceller, 0x0D, &[client.context, 0])[1], OK);

    assert_eq!(world.events(), []);
    world.call(client.id, 0x17, &[]);
    assert_eq!(world.events(), [(client.id, CANCELLED)]);
}

#[test]
fn a_reader_that_comes_back_does_not_look_as_if_it_had_stayed() {
    let mut world = World::new();
    for _ in 0..3 {
        let [before, ..] = world.state();

        world.service.remove_reader(world.reader).unwrap();
        world.reader = world.service.add_reader(description(NAME)).unwrap();
        assert!(world.service.insert(world.reader, Box::new(Echo::default())).is_none());

        assert!(world.state()[0] > before);
    }
}
