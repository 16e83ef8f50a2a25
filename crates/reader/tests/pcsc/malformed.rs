//! Bytes that no client sends cost the connection that they come from, and nothing else.

use crate::world::*;
use std::io::ErrorKind;
use std::time::Duration;
use vschsm_reader::pcsc::{MAX_READERS_CONTEXTS, WinscardMessage};

fn receive(bytes: &[u8]) -> Result<Option<WinscardMessage>, ErrorKind> {
    WinscardMessage::receive(&mut &*bytes).map_err(|error| error.kind())
}

#[test]
fn a_message_of_the_wrong_size_or_without_meaning_is_refused() {
    for command in (0..0x40).chain([0x100, u32::MAX]) {
        for words in 0..80 {
            let bytes = message(command, &vec![0; words]);
            let size = match command {
                0x01 | 0x06 | 0x08 | 0x11 => 12,
                0x02 | 0x07 | 0x0B | 0x0D => 8,
                0x04 => 152,
                0x05 | 0x0A => 24,
                0x09 => 32,
                0x0F | 0x10 => 280,
                0x12..=0x17 => 0,
                _ => usize::MAX,
            };
            assert_eq!(receive(&bytes).is_ok(), words * 4 == size, "{command:02X}, {words} words");
        }
    }
}

#[test]
fn a_message_that_announces_too_much_is_refused_before_there_is_room_for_it() {
    assert_eq!(receive(&[0xFF; 8]), Err(ErrorKind::InvalidData));
    for length in [65_549, u32::MAX] {
        let transmit = message(0x09, &[1, 2, 16, length, 2, 16, 10, 0]);
        assert_eq!(receive(&transmit), Err(ErrorKind::InvalidData));
        let control = message(0x0A, &[1, 0x4200_0D48, length, 10, 0, 0]);
        assert_eq!(receive(&control), Err(ErrorKind::InvalidData));
    }
}

#[test]
fn a_message_cut_short_is_an_error_and_an_end_between_two_is_none() {
    let whole = transmit(1, 2, &[0x5A; 100], 10);
    assert_eq!(receive(&[]), Ok(None));
    for cut in 1..whole.len() {
        assert_eq!(receive(&whole[..cut]), Err(ErrorKind::UnexpectedEof), "cut at {cut}");
    }
    assert!(receive(&whole).unwrap().is_some());
}

#[test]
fn requests_without_context_or_handle_are_answered_with_an_error() {
    let mut world = World::new();
    let stranger = world.service.add_client();
    for (command, size) in [(0x02, 2), (0x06, 3), (0x07, 2), (0x08, 3), (0x0B, 2)] {
        let reply = world.call(stranger, command, &vec![0; size]);
        assert_eq!(reply.last(), Some(&INVALID_HANDLE), "{command:02X}");
    }
    for (command, size) in
        [(0x04, 38), (0x05, 6), (0x09, 8), (0x0A, 6), (0x0D, 2), (0x0F, 70), (0x10, 70)]
    {
        let reply = world.call(stranger, command, &vec![0; size]);
        assert!(reply.last().unwrap() >= &0x8010_0000, "{command:02X}");
    }
}

#[test]
fn random_messages_of_the_right_size_do_no_harm() {
    let mut world = World::new();
    let (bystander, handle) = world.connected();
    let mut seed = 1_u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed >> 16
    };
    for _ in 0..20_000 {
        let client = world.service.add_client();
        for _ in 0..4 {
            let command = random() % 0x18;
            let size = [0, 3, 2, 0, 38, 6, 3, 2, 3, 8, 6, 2, 0, 2, 0, 70, 70, 3];
            let size = size.get(command as usize).copied().unwrap_or(0);
            // Small numbers are handles, contexts and modes that there are.
            let words: Vec<_> = (0..size).map(|_| random() % 5).collect();
            world.send(client, &message(command, &words), Duration::from_secs(1));
        }
        world.leave(client);
        world.events();
    }
    assert_eq!(world.state()[2], 1);
    assert_eq!(world.transmit(bystander, handle, &QUERY), Ok(vec![0]));
}

#[test]
fn a_reader_needs_room_and_a_name_of_its_own_that_fits() {
    let mut world = World::new();
    assert!(world.service.add_reader(description(NAME)).is_err());
    assert!(world.service.add_reader(description("")).is_err());
    assert!(world.service.add_reader(description(&"x".repeat(128))).is_err());
    for number in 1..MAX_READERS_CONTEXTS {
        assert!(world.service.add_reader(description(&format!("Test {number:02X} 00"))).is_ok());
    }
    assert!(world.service.add_reader(description("Test 10 00")).is_err());
}
