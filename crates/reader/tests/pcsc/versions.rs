//! A client of any version is spoken to in its own.

use crate::world::*;
use std::time::Duration;
use vschsm_reader::pcsc::ServiceOptions;

#[test]
fn the_client_s_version_is_echoed_or_the_nearest_is_named() {
    let mut world = World::new();
    let client = world.service.add_client();
    const STOPPED: u32 = 0x8010_001E;
    for (asked, answered) in [
        ([4, 4], [4, 4, OK]),
        ([4, 5], [4, 5, OK]),
        ([4, 6], [4, 6, OK]),
        ([4, 7], [4, 6, STOPPED]),
        ([4, 3], [4, 4, STOPPED]),
        ([3, 6], [4, 4, STOPPED]),
        ([5, 0], [4, 4, STOPPED]),
    ] {
        assert_eq!(world.call(client, 0x11, &[asked[0], asked[1], 0]), answered);
    }
}

#[test]
fn an_old_wait_is_answered_with_the_states_and_a_new_one_with_nothing() {
    let mut world = World::new();
    for (minor, expected) in [(4, true), (5, true), (6, false)] {
        let client = world.service.add_client();
        world.call(client, 0x11, &[4, minor, 0]);
        let got = world.send(client, &message(0x13, &[]), Duration::ZERO);
        let states = matches!(got, Got::Reply(states) if states.len() == 16 * 184);
        assert_eq!(states, expected, "4:{minor}");
    }
}

/// An entry that is empty would be the state of a reader without a name.
#[test]
fn a_new_client_is_told_how_many_states_there_are_before_it_reads_them() {
    let mut world = World::new();
    let client = world.service.add_client();
    world.call(client, 0x11, &[4, 6, 0]);

    assert_eq!(world.call(client, 0x16, &[]), [1]);
    assert_eq!(world.call(client, 0x17, &[]).len(), 46);

    let second = world.service.add_reader(description("Test 01 00")).unwrap();
    assert_eq!(world.call(client, 0x16, &[]), [2]);
    assert!(world.service.remove_reader(second).is_none(), "it is empty");
    // It takes fewer for an error.
    assert_eq!(world.call(client, 0x16, &[]), [2]);
    assert_eq!(world.call(client, 0x17, &[]).len(), 2 * 46);
}

#[test]
fn a_reader_that_comes_between_their_number_and_the_states_is_told_as_an_event() {
    let mut world = World::new();
    let client = world.service.add_client();
    world.call(client, 0x11, &[4, 6, 0]);
    assert_eq!(world.send(client, &message(0x13, &[]), Duration::ZERO), Got::NoReply);
    assert_eq!(world.call(client, 0x16, &[]), [1]);

    world.service.add_reader(description("Test 01 00")).unwrap();

    assert_eq!(world.call(client, 0x17, &[]).len(), 46);
    assert_eq!(world.events(), [(client, OK)]);
}

#[test]
fn an_old_client_is_told_of_as_many_readers_as_it_has_room_for() {
    let mut world = World::of(ServiceOptions { max_readers: 20, ..OPTIONS });
    for number in 1..20 {
        world.service.add_reader(description(&format!("Test {number:02X} 00"))).unwrap();
    }
    assert!(world.service.add_reader(description("Test 14 00")).is_err());
    let (old, new) = (world.service.add_client(), world.service.add_client());
    world.call(old, 0x11, &[4, 5, 0]);
    world.call(new, 0x11, &[4, 6, 0]);

    assert_eq!(world.call(old, 0x12, &[]).len(), 16 * 46);
    assert_eq!(world.call(old, 0x13, &[]).len(), 16 * 46);
    assert_eq!(world.call(new, 0x16, &[]), [20]);
    assert_eq!(world.call(new, 0x17, &[]).len(), 20 * 46);
}

#[test]
fn arrivals_are_counted_from_one_on() {
    let mut world = World::new();
    let client = world.service.add_client();
    let [before, OK] = world.call(client, 0x15, &[])[..] else { panic!("no count") };

    world.service.remove_reader(world.reader).unwrap();

    assert!(before > 0);
    assert_eq!(world.call(client, 0x15, &[]), [before + 1, OK]);
}
