#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::crypto::curve::Curve;
use crate::crypto::ec::EcKey;
use alloc::format;
use hex_literal::hex;

/// The host's ephemeral key, 11 32 times, as a point.
const POINT: [u8; 65] = hex!(
    "04 0117A18051447117D2D529054EF0136E8FF6BD2602F2F8ABA5AB3D74E72AAA70"
    "60BC4EFA21F12BF007EE36DAE9720975E2F54CDA9CEB403A241FA977124B1AA2"
);
const NONCE: [u8; 8] = hex!("0102030405060708");

/// A command sealed, its header and its data; the response to it, sealed and not.
struct Exchange {
    sealed: &'static [u8],
    header: [u8; 4],
    data: &'static [u8],
    ne: Option<usize>,
    answer: (&'static [u8], u16),
    response: &'static [u8],
}

/// Computed with other implementations of both sides; what the vendor's card service for Java and
/// OpenSC with OpenPACE compute is the same.
const WITH_AES: [Exchange; 3] = [
    Exchange {
        sealed: &hex!(
            "0C200081 1D 8711 01 21B5DB3C2559135837C9FEDBD0567966 8E08 5080628451F3F4FC 00"
        ),
        header: hex!("00200081"),
        data: b"648219",
        ne: None,
        answer: (&[], 0x9000),
        response: &hex!("99029000 8E08 64A16C4F1D48482E 9000"),
    },
    Exchange {
        sealed: &hex!(
            "0CB12F02 1F 8510 253EAAB8A36339389A33F44E36BA511C 9701 00 8E08 7292688166FA6010 00"
        ),
        header: hex!("00B12F02"),
        data: &hex!("54020000"),
        ne: Some(0x100),
        answer: (&hex!("0102030405"), 0x9000),
        response: &hex!(
            "8711 01 0F849509D10F67E2BB9A9E335A610BA2 9902 9000 8E08 10A8124707614EF4 9000"
        ),
    },
    Exchange {
        sealed: &hex!("0C200081 0A 8E08 BB9E9C966D715B99 00"),
        header: hex!("00200081"),
        data: &[],
        ne: None,
        answer: (&[], 0x63C3),
        response: &hex!("9902 63C3 8E08 DB73F27000F7FFE2 9000"),
    },
];

const WITH_3DES: [Exchange; 3] = [
    Exchange {
        sealed: &hex!("0C200081 15 8709 01 D2C2527685D1A914 8E08 F5FE0F055E396D5B 00"),
        response: &hex!("9902 9000 8E08 048C484A0D373797 9000"),
        ..WITH_AES[0]
    },
    Exchange {
        sealed: &hex!("0CB12F02 17 8508 CA94D972075BEA5F 9701 00 8E08 6A4E0D8EE58B544C 00"),
        response: &hex!("8709 01 5582BB617F1D1D0B 9902 9000 8E08 4444C58FD4474485 9000"),
        ..WITH_AES[1]
    },
    Exchange {
        sealed: &hex!("0C200081 0A 8E08 25C7FB3D11280D82 00"),
        response: &hex!("9902 63C3 8E08 83DC49016C33C2E7 9000"),
        ..WITH_AES[2]
    },
];

/// What a card whose device key is 22 32 times has in common with the host.
fn channel(protocol: Protocol) -> Channel {
    let device = EcKey::from_scalar(&Curve::of_device_keys(), &[0x22; 32]).unwrap();
    let shared = device.agree(&POINT).unwrap();
    let x = shared.get(1..).unwrap().first_chunk().unwrap();
    assert_eq!(*x, hex!("18C0A8A43BFE303EC725AB8DCB319C89165CC5A6B522AFA4BF7C44AE56C47536"));
    Channel::new(protocol, x, &NONCE)
}

/// The channel after the first of those exchanges, as many as are asked for.
fn channel_after(protocol: Protocol, exchanges: &[Exchange]) -> Channel {
    let mut channel = channel(protocol);
    for Exchange { sealed, header, data, ne, answer, response } in exchanges {
        let (command, seal) = channel.open(&Command::parse(sealed).unwrap()).unwrap();
        assert_eq!([command.cla, command.ins, command.p1, command.p2], *header);
        assert_eq!((command.data.as_slice(), command.ne), (*data, *ne));
        let answer = Response { data: answer.0.to_vec().into(), status: Status(answer.1) };
        assert_eq!(seal.seal(&answer).encode(), *response);
    }
    channel
}

#[test]
fn every_byte_is_that_of_other_implementations() {
    let aes = channel_after(Protocol::Aes, &WITH_AES);
    assert_eq!(aes.token(Protocol::Aes, &POINT), hex!("3B883D98F31A4CC2"));
    let des = channel_after(Protocol::TripleDes, &WITH_3DES);
    assert_eq!(des.token(Protocol::TripleDes, &POINT), hex!("663698A4441206F9"));
}

#[test]
fn a_message_that_is_not_the_next_does_not_open() {
    for (protocol, exchanges) in [(Protocol::Aes, WITH_AES), (Protocol::TripleDes, WITH_3DES)] {
        for done in 0..=exchanges.len() {
            for (number, exchange) in exchanges.iter().enumerate() {
                let mut channel = channel_after(protocol, exchanges.get(..done).unwrap());
                let opened = channel.open(&Command::parse(exchange.sealed).unwrap());
                assert_eq!(opened.is_ok(), number == done, "{number} after {done}");
            }
        }
    }
}

/// A command with these objects and the MAC that belongs to it, opened with AES.
fn opened(objects: &[u8]) -> Result<Command, Status> {
    let mut channel = channel(Protocol::Aes);
    let header = hex!("0C20 0081");
    let mac = channel.keys.mac(1, &[&header, objects]);
    let data = [objects, &tlv::encode(0x8E, &mac)].concat();
    channel.open(&Command::new(header, data, &[0x00])).map(|(command, _)| command)
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
        assert_eq!(opened(&data(tag, &good)).unwrap().data.as_slice(), b"648219", "{tag:02X}");
        assert_eq!(opened(&data(tag, &key.padded(&[]))).unwrap().data.as_slice(), b"", "{tag:02X}");
        for bad in [[0x00; 16], [0x5A; 16]] {
            assert_eq!(opened(&data(tag, &bad)), wrong, "{bad:02X?}");
        }
        assert_eq!(opened(&[data(tag, &good), data(tag, &good)].concat()), wrong);
        assert_eq!(opened(&[hex!("970100").to_vec(), data(tag, &good)].concat()), wrong);
    }
    for (le, ne) in [(&hex!("970100")[..], 0x100), (&hex!("97020000"), 0x1_0000)] {
        assert_eq!(opened(le).unwrap().ne, Some(ne));
        assert_eq!(opened(&[&data(0x85, &good), le].concat()).unwrap().ne, Some(ne));
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
        assert_eq!(opened(bad), wrong, "{bad:02X?}");
    }
    assert_eq!(opened(&[]).unwrap().data.as_slice(), b"");
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
        let opened = channel(Protocol::Aes).open(&command).map(|(command, _)| command);
        assert_eq!(opened, Err(Status(status)), "{data:02X?}");
    }
}

#[test]
fn the_longest_response_that_can_be_sealed_is() {
    for (protocol, longest) in [(Protocol::Aes, 65_503), (Protocol::TripleDes, 65_511)] {
        let seal = || Seal { keys: channel(protocol).keys, counter: 2 };
        let fits = |length| seal().fits(Response::ok(vec![0x5A; length])).map(|fits| fits.status);
        assert_eq!(fits(longest), Ok(Status::OK));
        assert_eq!(fits(longest + 1), Err(Status::WRONG_LENGTH));
        let sealed = seal().seal(&Response::ok(vec![0x5A; longest]));
        assert!(sealed.data.len() <= LONGEST_RESPONSE);
    }
}

#[test]
fn a_secret_is_not_printed() {
    assert_eq!(format!("{:?}", channel(Protocol::Aes)), "Channel(0 messages)");
}

/// The host whose ephemeral key is 11 32 times, after it has agreed with that card.
fn host(protocol: Protocol) -> Host {
    let device = EcKey::from_scalar(&Curve::of_device_keys(), &[0x22; 32]).unwrap();
    let key = EcKey::from_scalar(&Curve::of_device_keys(), &[0x11; 32]).unwrap();
    let opening = host::Opening::with(protocol, key, device.public_point());
    let token = channel(protocol).token(protocol, &POINT);
    let proof = [tlv::encode(0x81, &NONCE), tlv::encode(0x82, &token)].concat();
    opening.finish(&[tlv::encode(0x7C, &proof), hex!("9000").to_vec()].concat()).unwrap()
}

#[test]
fn a_host_sends_and_believes_what_other_implementations_do() {
    for (protocol, exchanges) in [(Protocol::Aes, WITH_AES), (Protocol::TripleDes, WITH_3DES)] {
        let mut host = host(protocol);
        for Exchange { sealed, header, data, ne, answer, response } in &exchanges {
            let length = u8::try_from(data.len()).unwrap();
            let body = if data.is_empty() { vec![] } else { [&[length], *data].concat() };
            let le: &[u8] = if ne.is_some() { &[0x00] } else { &[] };
            let command = host.seal(&[header, body.as_slice(), le].concat()).unwrap();
            // A response of 256 bytes is longer in its seal: then the lengths are extended ones.
            assert_eq!(command.len(), sealed.len() + 3 * usize::from(ne.is_some()));
            let [ours, theirs] = [&command, *sealed].map(|bytes| Command::parse(bytes).unwrap());
            assert_eq!(ours.data, theirs.data);
            let opened = [answer.0, &answer.1.to_be_bytes()].concat();
            assert_eq!(host.open(response), Ok(opened));
        }
    }
}

#[test]
fn what_a_host_seals_the_card_opens_and_the_other_way_round() {
    for protocol in Protocol::ALL {
        let (mut host, mut channel) = (host(protocol), channel(protocol));
        for length in (0..40).chain([200, 215, 216, 255, 256, 1000, 65_503, 65_504, 65_535]) {
            for (ins, le) in [(0xD6, &[][..]), (0xD7, &[0, 0]), (0xD7, &[1, 2])] {
                let data = vec![0x5A; length];
                let [.., high, low] = length.to_be_bytes();
                let plain = match length {
                    0 if le.is_empty() => vec![0x80, ins, 0x01, 0x02],
                    0 => [&[0x80, ins, 0x01, 0x02, 0x00], le].concat(),
                    _ => [&[0x80, ins, 0x01, 0x02, 0x00, high, low], &data[..], le].concat(),
                };
                let Some(sealed) = host.seal(&plain) else {
                    assert!(length > 65_500, "{length}");
                    continue;
                };
                assert_eq!(protocol.sealed_length(&plain), Some(sealed.len()));
                let command = Command::parse(&sealed).unwrap();
                let (opened, seal) = channel.open(&command).unwrap();
                assert_eq!(opened, Command::parse(&plain).unwrap());
                let answer = Response { data: data.into(), status: Status(0x6282) };
                let opened = host.open(&seal.seal(&answer).encode());
                assert_eq!(opened, Ok(answer.encode()));
            }
        }
        for unsealable in [&[0x00, 0xA4, 0x04][..], &[0x0C, 0x20, 0, 0x81], &[0xFF, 0x20, 0, 0]] {
            assert_eq!(host.seal(unsealable), None);
        }
    }
}

#[test]
fn a_host_believes_nothing_that_the_card_has_not_sealed() {
    let sealed = hex!("99029000 8E08 64A16C4F1D48482E 9000");
    for protocol in Protocol::ALL {
        let answered = |response: &[u8]| {
            let mut host = host(protocol);
            host.seal(&hex!("00200081 06 363438323139")).unwrap();
            host.open(response)
        };
        let right = protocol == Protocol::Aes;
        assert_eq!(answered(&sealed).is_ok(), right, "the seal of AES");
        for place in 0..sealed.len() {
            let mut other = sealed;
            other[place] ^= 1;
            assert!(answered(&other).is_err(), "byte {place}");
            assert!(answered(sealed.get(..place).unwrap()).is_err(), "{place} bytes");
        }
        assert_eq!(answered(&hex!("9000")), Err(Breach::Plain(Status::OK)));
        assert_eq!(answered(&hex!("6988")), Err(Breach::Plain(Status(0x6988))));
        assert_eq!(answered(&hex!("0102 9000")), Err(Breach::Malformed));
    }
}

#[test]
fn a_card_without_the_device_key_is_no_partner() {
    let finish = |answer: &[u8]| {
        let key = EcKey::from_scalar(&Curve::of_device_keys(), &[0x11; 32]).unwrap();
        let device = EcKey::from_scalar(&Curve::of_device_keys(), &[0x23; 32]).unwrap();
        let opening = host::Opening::with(Protocol::Aes, key, device.public_point());
        opening.finish(answer).map(drop)
    };
    let other = hex!("7C14 8108 0102030405060708 8208 3B883D98F31A4CC2 9000");
    assert_eq!(finish(&other), Err(Breach::WrongToken));
    assert_eq!(finish(&hex!("6985")), Err(Breach::Refused(Status(0x6985))));
    assert_eq!(finish(&hex!("7C0A 8108 0102030405060708 9000")), Err(Breach::Malformed));
    assert_eq!(finish(&[]), Err(Breach::Malformed));
}
