#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::exchanges::{Exchange, NONCE, POINT, WITH_3DES, WITH_AES};
use super::*;
use crate::crypto::curve::Curve;
use crate::crypto::ec::EcKey;
use alloc::{format, vec};
use hex_literal::hex;

/// What a card whose device key is 22 32 times has in common with the host.
fn channel(protocol: Protocol) -> Channel {
    let device = EcKey::from_scalar(&Curve::of_device_keys(), &[0x22; 32]).unwrap();
    let shared = device.agree(&POINT).unwrap();
    let x = shared.get(1..).unwrap().first_chunk().unwrap();
    assert_eq!(*x, hex!("18C0A8A43BFE303EC725AB8DCB319C89165CC5A6B522AFA4BF7C44AE56C47536"));
    Channel::new(SessionKeys::new(protocol, x, &NONCE))
}

/// The channel after the first of those exchanges, as many as are asked for.
fn channel_after(protocol: Protocol, exchanges: &[Exchange]) -> Channel {
    let mut channel = channel(protocol);
    for Exchange { protected, header, data, ne, plain_response, response } in exchanges {
        let (command, protection) = channel.unprotect(&Command::parse(protected).unwrap()).unwrap();
        assert_eq!([command.cla, command.ins, command.p1, command.p2], *header);
        assert_eq!((command.data.as_slice(), command.ne), (*data, *ne));
        let plain_response =
            Response { data: plain_response.0.to_vec().into(), status: Status(plain_response.1) };
        assert_eq!(protection.protect(&plain_response).encode(), *response);
    }
    channel
}

#[test]
fn every_byte_is_that_of_other_implementations() {
    let aes = channel_after(Protocol::Aes, &WITH_AES);
    assert_eq!(aes.keys.token(Protocol::Aes, &POINT), hex!("3B883D98F31A4CC2"));
    let des = channel_after(Protocol::TripleDes, &WITH_3DES);
    assert_eq!(des.keys.token(Protocol::TripleDes, &POINT), hex!("663698A4441206F9"));
}

#[test]
fn a_message_that_is_not_the_next_is_not_unprotected() {
    for (protocol, exchanges) in [(Protocol::Aes, WITH_AES), (Protocol::TripleDes, WITH_3DES)] {
        for done in 0..=exchanges.len() {
            for (number, exchange) in exchanges.iter().enumerate() {
                let mut channel = channel_after(protocol, exchanges.get(..done).unwrap());
                let unprotected = channel.unprotect(&Command::parse(exchange.protected).unwrap());
                assert_eq!(unprotected.is_ok(), number == done, "{number} after {done}");
            }
        }
    }
}

/// A command with these objects and the MAC that belongs to it, without its protection by AES.
fn unprotected(objects: &[u8]) -> Result<Command, Status> {
    let mut channel = channel(Protocol::Aes);
    let header = hex!("0C20 0081");
    let mac = channel.keys.mac(1, &[&header, objects]);
    let data = [objects, &tlv::encode(0x8E, &mac)].concat();
    channel.unprotect(&Command::new(header, data, &[0x00])).map(|(command, _)| command)
}

#[test]
fn objects_are_the_known_ones_in_order_whatever_the_mac_says() {
    let wrong = Err(Status::SECURE_MESSAGING_OBJECT_WRONG);
    let key = channel(Protocol::Aes).keys.encryption;
    let data = |tag, plain: &[u8]| {
        let indicator = if tag == 0x87 { &[0x01][..] } else { &[] };
        tlv::encode(tag, &[indicator, &key.encrypt(1, plain)].concat())
    };
    let good = key.padded(b"648219");
    for tag in [0x85, 0x87] {
        assert_eq!(unprotected(&data(tag, &good)).unwrap().data.as_slice(), b"648219", "{tag:02X}");
        assert_eq!(
            unprotected(&data(tag, &key.padded(&[]))).unwrap().data.as_slice(),
            b"",
            "{tag:02X}"
        );
        for bad in [[0x00; 16], [0x5A; 16]] {
            assert_eq!(unprotected(&data(tag, &bad)), wrong, "{bad:02X?}");
        }
        assert_eq!(unprotected(&[data(tag, &good), data(tag, &good)].concat()), wrong);
        assert_eq!(unprotected(&[hex!("970100").to_vec(), data(tag, &good)].concat()), wrong);
    }
    for (le, ne) in [(&hex!("970100")[..], 0x100), (&hex!("97020000"), 0x1_0000)] {
        assert_eq!(unprotected(le).unwrap().ne, Some(ne));
        assert_eq!(unprotected(&[&data(0x85, &good), le].concat()).unwrap().ne, Some(ne));
    }
    for bad in [
        &hex!("8701 01")[..],
        &hex!("8700"),
        &hex!("8711 02 21B5DB3C2559135837C9FEDBD0567966"),
        &hex!("8702 01 00"),
        &hex!("8500"),
        &hex!("8501 00"),
        &hex!("9700"),
        &hex!("9703 000000"),
        &hex!("970100 970100"),
        &hex!("8901 00"),
        &hex!("8E08 0000000000000000"),
    ] {
        assert_eq!(unprotected(bad), wrong, "{bad:02X?}");
    }
    assert_eq!(unprotected(&[]).unwrap().data.as_slice(), b"");
}

#[test]
fn a_mac_is_there_whole_and_last() {
    for (data, status) in [
        (&hex!("")[..], 0x6987),
        (&hex!("970100"), 0x6987),
        (&hex!("8E08 0000000000000000"), 0x6988),
        (&hex!("8E00"), 0x6988),
        (&hex!("8E09 BB9E9C966D715B9900"), 0x6988),
        (&hex!("8E08 0000000000000000 970100"), 0x6988),
        (&hex!("8E08 00"), 0x6988),
        (&hex!("1F"), 0x6988),
    ] {
        let command = Command::new(hex!("0C200081"), data.to_vec(), &[0x00]);
        let unprotected = channel(Protocol::Aes).unprotect(&command).map(|(command, _)| command);
        assert_eq!(unprotected, Err(Status(status)), "{data:02X?}");
    }
}

#[test]
fn the_longest_response_that_can_be_protected_is() {
    for (protocol, longest) in [(Protocol::Aes, 65_503), (Protocol::TripleDes, 65_511)] {
        let protection = || ResponseProtection { keys: channel(protocol).keys, counter: 2 };
        let fits =
            |length| protection().fits(Response::ok(vec![0x5A; length])).map(|fits| fits.status);
        assert_eq!(fits(longest), Ok(Status::OK));
        assert_eq!(fits(longest + 1), Err(Status::WRONG_LENGTH));
        let protected = protection().protect(&Response::ok(vec![0x5A; longest]));
        assert!(protected.data.len() <= LONGEST_RESPONSE);
    }
}

#[test]
fn a_secret_is_not_printed() {
    let channel = channel(Protocol::Aes);
    assert_eq!(format!("{channel:?}, {:?}", channel.keys), "Channel(0 messages), SessionKeys");
}
