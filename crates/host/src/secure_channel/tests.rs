#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use super::exchanges::{Exchange, NONCE, POINT, WITH_3DES, WITH_AES};
use super::{ChipAuthentication, ProtectedSession, SecureMessagingError};
use hex_literal::hex;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::crypto::curve::Curve;
use vschsm_protocol::crypto::ec::EcKey;
use vschsm_protocol::secure_messaging::{Channel, Protocol, SessionKeys};
use vschsm_protocol::tlv;

/// What a card whose device key is 22 32 times has in common with the host.
fn keys(protocol: Protocol) -> SessionKeys {
    let device = EcKey::from_scalar(&Curve::of_device_keys(), &[0x22; 32]).unwrap();
    let shared = device.agree(&POINT).unwrap();
    SessionKeys::new(protocol, shared[1..].first_chunk().unwrap(), &NONCE)
}

/// The host whose ephemeral key is 11 32 times, after it has agreed with that card.
fn host(protocol: Protocol) -> ProtectedSession {
    let device = EcKey::from_scalar(&Curve::of_device_keys(), &[0x22; 32]).unwrap();
    let key = EcKey::from_scalar(&Curve::of_device_keys(), &[0x11; 32]).unwrap();
    let authentication = ChipAuthentication::with(protocol, key, device.public_point());
    let token = keys(protocol).token(protocol, &POINT);
    let proof = [tlv::encode(0x81, &NONCE), tlv::encode(0x82, &token)].concat();
    authentication.complete(&[tlv::encode(0x7C, &proof), hex!("9000").to_vec()].concat()).unwrap()
}

#[test]
fn a_host_sends_and_believes_what_other_implementations_do() {
    for (protocol, exchanges) in [(Protocol::Aes, WITH_AES), (Protocol::TripleDes, WITH_3DES)] {
        let mut host = host(protocol);
        for Exchange { protected, header, data, ne, plain_response, response } in &exchanges {
            let length = u8::try_from(data.len()).unwrap();
            let body = if data.is_empty() { vec![] } else { [&[length], *data].concat() };
            let le: &[u8] = if ne.is_some() { &[0x00] } else { &[] };
            let command = host.protect(&[header, body.as_slice(), le].concat()).unwrap();
            // A response of 256 bytes is longer once it is protected: then the lengths are extended
            // ones.
            assert_eq!(command.len(), protected.len() + 3 * usize::from(ne.is_some()));
            let [ours, theirs] = [&command, *protected].map(|bytes| Command::parse(bytes).unwrap());
            assert_eq!(ours.data, theirs.data);
            let opened = [plain_response.0, &plain_response.1.to_be_bytes()].concat();
            assert_eq!(host.unprotect(response), Ok(opened));
        }
    }
}

#[test]
fn what_a_host_protects_the_card_unprotects_and_the_other_way_round() {
    for protocol in Protocol::ALL {
        let (mut host, mut channel) = (host(protocol), Channel::new(keys(protocol)));
        for length in (0..40).chain([200, 215, 216, 255, 256, 1000, 65_503, 65_504, 65_535]) {
            for (ins, le) in [(0xD6, &[][..]), (0xD7, &[0, 0]), (0xD7, &[1, 2])] {
                let data = vec![0x5A; length];
                let [.., high, low] = length.to_be_bytes();
                let plain = match length {
                    0 if le.is_empty() => vec![0x80, ins, 0x01, 0x02],
                    0 => [&[0x80, ins, 0x01, 0x02, 0x00], le].concat(),
                    _ => [&[0x80, ins, 0x01, 0x02, 0x00, high, low], &data[..], le].concat(),
                };
                let Some(protected) = host.protect(&plain) else {
                    assert!(length > 65_500, "{length}");
                    continue;
                };
                assert_eq!(
                    ProtectedSession::protected_length(protocol, &plain),
                    Some(protected.len())
                );
                let command = Command::parse(&protected).unwrap();
                let (opened, protection) = channel.unprotect(&command).unwrap();
                assert_eq!(opened, Command::parse(&plain).unwrap());
                let response = Response { data: data.into(), status: Status(0x6282) };
                let opened = host.unprotect(&protection.protect(&response).encode());
                assert_eq!(opened, Ok(response.encode()));
            }
        }
        for unprotectable in [&[0x00, 0xA4, 0x04][..], &[0x0C, 0x20, 0, 0x81], &[0xFF, 0x20, 0, 0]]
        {
            assert_eq!(host.protect(unprotectable), None);
        }
    }
}

#[test]
fn a_host_trusts_nothing_that_the_card_has_not_protected() {
    let protected = hex!("99029000 8E08 64A16C4F1D48482E 9000");
    for protocol in Protocol::ALL {
        let unprotected = |response: &[u8]| {
            let mut host = host(protocol);
            host.protect(&hex!("00200081 06 363438323139")).unwrap();
            host.unprotect(response)
        };
        let right = protocol == Protocol::Aes;
        assert_eq!(unprotected(&protected).is_ok(), right, "the MAC of AES");
        for place in 0..protected.len() {
            let mut other = protected;
            other[place] ^= 1;
            assert!(unprotected(&other).is_err(), "byte {place}");
            assert!(unprotected(protected.get(..place).unwrap()).is_err(), "{place} bytes");
        }
        assert_eq!(unprotected(&hex!("9000")), Err(SecureMessagingError::Unprotected(Status::OK)));
        assert_eq!(
            unprotected(&hex!("6988")),
            Err(SecureMessagingError::Unprotected(Status(0x6988)))
        );
        assert_eq!(unprotected(&hex!("0102 9000")), Err(SecureMessagingError::Malformed));
    }
}

#[test]
fn a_card_without_the_device_key_is_no_partner() {
    let finish = |response: &[u8]| {
        let key = EcKey::from_scalar(&Curve::of_device_keys(), &[0x11; 32]).unwrap();
        let device = EcKey::from_scalar(&Curve::of_device_keys(), &[0x23; 32]).unwrap();
        let authentication = ChipAuthentication::with(Protocol::Aes, key, device.public_point());
        authentication.complete(response).map(drop)
    };
    let other = hex!("7C14 8108 0102030405060708 8208 3B883D98F31A4CC2 9000");
    assert_eq!(finish(&other), Err(SecureMessagingError::WrongToken));
    assert_eq!(finish(&hex!("6985")), Err(SecureMessagingError::Refused(Status(0x6985))));
    assert_eq!(
        finish(&hex!("7C0A 8108 0102030405060708 9000")),
        Err(SecureMessagingError::Malformed)
    );
    assert_eq!(finish(&[]), Err(SecureMessagingError::Malformed));
}
