//! What a reader says of itself, as libccid has it for a Nitrokey HSM.

use crate::world::*;
use std::time::Duration;

/// GET_ATTRIB: its value, or a return code.
fn attribute(
    world: &mut World,
    client: Client,
    handle: u32,
    attribute: u32,
) -> Result<Vec<u8>, u32> {
    let mut words = vec![handle, attribute];
    words.extend([0; 66]);
    words.extend([264, 0]);
    let Got::Reply(reply) = world.send(client.id, &message(0x0F, &words), Duration::ZERO) else {
        panic!("no reply");
    };
    let words = to_words(&reply);
    assert!(reply[8 + words[68] as usize..272].iter().all(|byte| *byte == 0));
    if words[69] == OK { Ok(reply[8..8 + words[68] as usize].to_vec()) } else { Err(words[69]) }
}

fn control(world: &mut World, client: Client, handle: u32, code: u32) -> Result<Vec<u8>, u32> {
    let request = message(0x0A, &[handle, code, 0, 300, 0, 0]);
    let Got::Reply(reply) = world.send(client.id, &request, Duration::ZERO) else {
        panic!("no reply");
    };
    match to_words(&reply[..24])[5] {
        OK => Ok(reply[24..].to_vec()),
        code => Err(code),
    }
}

#[test]
fn attributes_are_those_of_a_nitrokey_hsm() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    let number = |number: u32| number.to_ne_bytes().to_vec();
    let name = [NAME.as_bytes(), &[0]].concat();
    for (number, value) in [
        (0x0001_0100, b"Test\0".to_vec()),
        (0x0001_0102, number(0x0100_0000)),
        (0x0001_0103, b"1\0".to_vec()),
        (0x0002_0110, number(0x0020_0102)),
        (0x0007_A007, number(261)),
        (0x0009_0300, vec![2]),
        (0x0009_0301, vec![1]),
        (0x0009_0303, ATR.to_vec()),
        (0x0303, ATR.to_vec()),
        (0x0FAC, vec![1]),
        (0x0FAD, vec![1]),
        (0x0FAE, vec![1]),
        (0x0FAF, vec![255]),
        (0x7FFF_0003, name.clone()),
        (0x7FFF_0004, name),
    ] {
        assert_eq!(attribute(&mut world, client, handle, number), Ok(value), "{number:08X}");
    }
    for number in [0x0001_0101, 0x0003_0125, 0x7FFF_0005, 0, u32::MAX] {
        let value = attribute(&mut world, client, handle, number);
        assert_eq!(value, Err(UNSUPPORTED_FEATURE), "{number:08X}");
    }

    let _card = world.service.remove(world.reader).unwrap();
    let direct = world.connect(client, DIRECT).unwrap();
    for (number, value) in
        [(0x0009_0300, vec![0]), (0x0009_0301, vec![0]), (0x0009_0303, Vec::new())]
    {
        assert_eq!(attribute(&mut world, client, direct, number), Ok(value), "{number:08X}");
    }
}

#[test]
fn every_reader_is_a_device_of_its_own() {
    let mut world = World::new();
    let client = world.client();
    let mut seen = Vec::new();
    for number in 1..4 {
        let name = format!("Test {number:02X} 00");
        world.service.add_reader(description(&name)).unwrap();
        let connect = connect(client, &name, DIRECT, 0);
        let Got::Reply(reply) = world.send(client.id, &connect, Duration::ZERO) else {
            panic!("no reply");
        };
        seen.push(attribute(&mut world, client, to_words(&reply)[35], 0x0002_0110).unwrap());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 3);
}

#[test]
fn features_and_properties_are_those_of_libccid() {
    let mut world = World::new();
    let (client, handle) = world.connected();
    let features = vec![0x12, 4, 0x42, 0x33, 0, 0x12];
    let properties = [
        &[1, 2, 0, 0, 3, 1, 0, 9, 1, 0, 11, 2, 0xA0, 0x20, 12, 2, 0x30, 0x42][..],
        &[10, 4, 0, 0, 1, 0],
    ]
    .concat();
    for (code, expected) in [
        (0x4200_0D48, Ok(features.clone())),
        (0x0031_3520, Ok(features)),
        (0x4233_0012, Ok(properties)),
        (0x4233_000A, Ok(vec![0, 0, 7, 0])),
        (0x4200_0001, Err(NOT_TRANSACTED)),
        (0x4233_0006, Err(UNSUPPORTED_FEATURE)),
        (0, Err(UNSUPPORTED_FEATURE)),
    ] {
        assert_eq!(control(&mut world, client, handle, code), expected, "{code:08X}");
    }
}

#[test]
fn who_asks_the_reader_does_not_wait_for_a_transaction() {
    let mut world = World::new();
    let (first, one) = world.connected();
    let (second, two) = world.connected();
    assert_eq!(world.begin(first, one), OK);

    let presence = attribute(&mut world, second, two, 0x0009_0300);
    assert_eq!(presence, Err(SHARING_VIOLATION));
    assert_eq!(control(&mut world, second, two, 0x4200_0D48), Err(SHARING_VIOLATION));
    assert!(control(&mut world, first, one, 0x4200_0D48).is_ok());

    // The reader does not know of a reset, but the handle does.
    assert_eq!(world.end(first, 0x08, one, RESET), OK);
    assert!(control(&mut world, second, two, 0x4200_0D48).is_ok());
    assert_eq!(attribute(&mut world, second, two, 0x0009_0300), Err(RESET_CARD));
    let mut words = vec![two, 0x0001_0100];
    words.extend([0; 68]);
    assert_eq!(world.call(second.id, 0x10, &words)[69], RESET_CARD);
}
