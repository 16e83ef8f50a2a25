//! Secure messaging: a host that shares no code with the card talks to it, and others cannot.

mod session_pin;
mod tampering;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{DerSignature, Signature, VerifyingKey};
use vschsm_host::{Transport, TransportError};
use vschsm_testing::secure_host::{HostOpening, HostProtocol, SecureHost};
use vschsm_testing::test_card::{PIN, TestCard, TestResponse, domain, extended, tlv};
use vschsm_testing::{digits, firmwares, hex, is_from};
use vschsm_vectors::{CardState, PlayError, Vector};

/// The firmwares, each with the protocols that it has.
fn channels() -> impl Iterator<Item = (&'static str, HostProtocol)> {
    firmwares().flat_map(|firmware| {
        let aes = is_from(firmware, "2.0").then_some((firmware, HostProtocol::Aes));
        [(firmware, HostProtocol::TripleDes)].into_iter().chain(aes)
    })
}

/// The state of the user PIN, asked for in plain.
fn user_state(card: &mut TestCard) -> u16 {
    card.transmit_plain(&hex("00200081")).status
}

/// A card with a channel in which the user is logged in.
fn logged_in(firmware: &str, protocol: HostProtocol) -> TestCard {
    let mut card = TestCard::initialised(firmware);
    again(&mut card, protocol);
    card
}

/// A new session of the card, likewise.
fn again(card: &mut TestCard, protocol: HostProtocol) {
    card.reset();
    *card.host() = None;
    card.open_channel(protocol);
    card.verify(PIN).expect_ok();
}

/// The next command of the card's host, protected.
fn protected(card: &mut TestCard, apdu: &str) -> Vec<u8> {
    card.host().as_mut().unwrap().protect(&hex(apdu))
}

#[test]
fn every_byte_of_the_host_is_that_of_other_implementations() {
    let shared = hex("18C0A8A43BFE303EC725AB8DCB319C89165CC5A6B522AFA4BF7C44AE56C47536");
    for (protocol, token, exchanges) in [
        (
            HostProtocol::Aes,
            "3B883D98F31A4CC2",
            [
                (
                    "0C2000811D 8711 01 21B5DB3C2559135837C9FEDBD0567966 8E08 5080628451F3F4FC 00",
                    "99029000 8E08 64A16C4F1D48482E 9000",
                ),
                (
                    "0CB12F021F 8510 253EAAB8A36339389A33F44E36BA511C 970100
                     8E08 7292688166FA6010 00",
                    "8711 01 0F849509D10F67E2BB9A9E335A610BA2 99029000 8E08 10A8124707614EF4 9000",
                ),
                ("0C2000810A 8E08 BB9E9C966D715B99 00", "990263C3 8E08 DB73F27000F7FFE2 9000"),
            ],
        ),
        (
            HostProtocol::TripleDes,
            "663698A4441206F9",
            [
                (
                    "0C20008115 8709 01 D2C2527685D1A914 8E08 F5FE0F055E396D5B 00",
                    "99029000 8E08 048C484A0D373797 9000",
                ),
                (
                    "0CB12F0217 8508 CA94D972075BEA5F 970100 8E08 6A4E0D8EE58B544C 00",
                    "8709 01 5582BB617F1D1D0B 99029000 8E08 4444C58FD4474485 9000",
                ),
                ("0C2000810A 8E08 25C7FB3D11280D82 00", "990263C3 8E08 83DC49016C33C2E7 9000"),
            ],
        ),
    ] {
        let nonce = [1, 2, 3, 4, 5, 6, 7, 8];
        let mut host = SecureHost::new(protocol, shared[..].try_into().unwrap(), nonce);
        let keys = host.keys().map(|key| digits(&key));
        assert_eq!(keys, ["D3B825F2D83B126F4791A5D57540E598", "F0518F7C4F6CA1700783E46E1303532A"]);
        assert_eq!(digits(&host.token()), token);
        let plain = [
            ("00200081 06 363438323139", "9000"),
            ("00B12F02 04 54020000 00", "0102030405 9000"),
            ("00200081", "63C3"),
        ];
        for ((command, response), (protected_command, protected_response)) in
            plain.iter().zip(exchanges)
        {
            assert_eq!(digits(&host.protect(&hex(command))), digits(&hex(protected_command)));
            assert_eq!(host.unprotect(&hex(protected_response)), Ok(hex(response)));
        }
    }
    assert_eq!(
        digits(&HostOpening::point()),
        "040117A18051447117D2D529054EF0136E8FF6BD2602F2F8ABA5AB3D74E72AAA70\
         60BC4EFA21F12BF007EE36DAE9720975E2F54CDA9CEB403A241FA977124B1AA2"
    );
}

#[test]
fn a_card_is_set_up_and_works_in_a_channel() {
    for (firmware, protocol) in channels() {
        let mut card = TestCard::new(firmware).in_channel(protocol);
        card.initialise_with(&tlv(0x92, &[1]));
        assert_eq!(card.hex("00200081").status, 0x9000, "{firmware}");
        card.verify(PIN).expect_ok();
        card.import_share(0, &[0x44; 32]).expect_ok();

        for length in [0, 1, 7, 8, 15, 16, 100, 240, 255, 256, 1000] {
            let content = vec![0x5A; length];
            card.write(0xCD01, &content).expect_ok();
            assert_eq!(card.read(0xCD01).data, content, "{length} bytes on {firmware}");
        }
        assert_eq!(
            card.hex("00B1CD01 04 540203E7 02"),
            TestResponse { data: vec![0x5A], status: 0x6282 }
        );
        card.hex("00E40200 02 CD01").expect_ok();
        assert_eq!(card.read(0xCD01).status, 0x6A82);

        let request = card.generate_ec(1, "secp256r1", &[]);
        let point = request.windows(2).position(|window| window == [0x86, 0x41]).unwrap() + 2;
        let key = VerifyingKey::from_sec1_bytes(&request[point..point + 65]).unwrap();
        let check = |card: &mut TestCard, id| {
            let signature = card.sign(id, 0x70, &[0x5A; 32]).expect_ok();
            let signature = DerSignature::from_bytes(&signature).unwrap();
            key.verify_prehash(&[0x5A; 32], &Signature::try_from(signature).unwrap()).unwrap();
        };
        check(&mut card, 1);
        let blob = card.wrap_key(1).expect_ok();
        card.unwrap_key(7, &blob).expect_ok();
        check(&mut card, 7);
        let peer = domain("secp256r1").g;
        assert_eq!(card.decipher(1, 0x80, &peer).expect_ok(), request[point..point + 65]);

        card.generate_rsa(2, 1024, &[]);
        let signature = card.sign(2, 0x33, b"abc").expect_ok();
        let blob = card.wrap_key(2).expect_ok();
        card.unwrap_key(8, &blob).expect_ok();
        assert_eq!(card.sign(8, 0x33, b"abc").expect_ok(), signature, "{firmware}");
        if is_from(firmware, "3.0") {
            card.generate_aes(3, 128, &[]);
            assert_eq!(card.cipher(3, 0x10, &[0; 16]).expect_ok().len(), 16);
        }
        assert_eq!(card.hex("8058000000").expect_ok()[..2], hex("2F02"));
        assert_eq!(card.hex("00840000 000400").expect_ok().len(), 1024);
    }
}

/// A card behind a host that opens a channel whenever the applet has been selected.
struct Protected {
    card: TestCard,
    protocol: HostProtocol,
}

impl Transport for Protected {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let TestResponse { mut data, status } = self.card.transmit(command);
        if command.starts_with(&hex("00A404")) && status == 0x9000 {
            *self.card.host() = None;
            self.card.open_channel(self.protocol);
        }
        data.extend(status.to_be_bytes());
        Ok(data)
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.card.card().reset();
        *self.card.host() = None;
        Ok(())
    }
}

/// Whether a channel changes nothing about a command, but that it is protected.
fn can_be_sealed(command: &[u8], longest: usize) -> bool {
    let parsed = vschsm_protocol::apdu::Command::parse(command);
    let plain = parsed.is_ok_and(|command| matches!(command.cla, 0x00 | 0x80));
    // Whatever the keys are, the length is the same.
    let mut host = SecureHost::new(HostProtocol::Aes, &[0; 32], [0; 8]);
    plain && command[1] != 0x86 && host.protect(command).len() <= longest
}

#[test]
fn whatever_a_vector_says_holds_in_a_channel() {
    // It is about a card without a channel.
    const PLAIN: &str = "generate_session_pin/without_secure_messaging.apdu";
    for (firmware, protocol) in [
        ("1.2", HostProtocol::TripleDes),
        ("2.6", HostProtocol::TripleDes),
        ("3.4", HostProtocol::Aes),
    ] {
        let mut played = 0;
        for (name, text) in vschsm_vectors::BUILT_IN {
            let vector = Vector::parse(text).unwrap();
            let longest = TestCard::new(firmware).card().profile().max_command();
            let fits = vector.commands().all(|command| can_be_sealed(command, longest));
            if !fits || !vector.firmwares.contains(&firmware) || *name == PLAIN {
                continue;
            }
            let card = TestCard::new(firmware).in_channel(protocol);
            let mut card = Protected { card, protocol };
            if let CardState::Prepared(_) = vector.card {
                vector.card.prepare(&mut card).unwrap_or_else(|trouble| panic!("{trouble:?}"));
            }
            match vector.run(firmware, &mut card) {
                Ok(()) => played += 1,
                Err(PlayError::Failed(what)) => panic!("{name} on {firmware}: {what}"),
                Err(PlayError::Mismatch(found)) => panic!("{name} on {firmware}: {found:?}"),
            }
        }
        assert!(played > 110, "{played} vectors on {firmware}");
    }
}

#[test]
fn failures_are_sealed_and_end_nothing() {
    for (firmware, protocol) in channels() {
        let mut card = logged_in(firmware, protocol);
        for (apdu, status) in [
            ("00EE0000", 0x6D00),
            ("00A40000 02 CE01 00", 0x6A82),
            ("00840000 000401", 0x6700),
            ("00200081 06 363438323138", 0x63C2),
            ("00200081 06 363438323138", 0x63C1),
            ("00D7CF01 06 54020000 5300", 0x6982),
            ("00200081 06 363438323139", 0x9000),
            ("00D7CF01 07 5402FFFF 5301AA", 0x6A84),
            ("00200081", 0x9000),
        ] {
            assert_eq!(card.hex(apdu).status, status, "{apdu} on {firmware}");
        }
    }
}

#[test]
fn a_plain_command_ends_the_channel_and_the_login() {
    for (firmware, protocol) in channels() {
        for plain in ["00200081", "0084000008", "00EE0000", "00A4000002CE0100"] {
            let mut card = logged_in(firmware, protocol);
            card.transmit_plain(&hex(plain));
            let next = protected(&mut card, "00200081");
            assert_eq!(card.transmit_plain(&next).status, 0x6882, "{plain} on {firmware}");
            let login = if is_from(firmware, "2.0") { 0x63C3 } else { 0x9000 };
            assert_eq!(user_state(&mut card), login, "{plain} on {firmware}");
            // Whoever logs in now is in no channel.
            *card.host() = None;
            let mut card = card.logged_in();
            assert_eq!(user_state(&mut card), 0x9000);
            assert_eq!(user_state(&mut card), 0x9000);
        }
    }
}

#[test]
fn a_login_is_kept_once_if_verify_says_so() {
    for (firmware, protocol) in channels() {
        let mut card = TestCard::initialised(firmware);
        card.reset();
        let mut card = card.in_channel(protocol);
        card.hex("00200181 06 363438323139").expect_ok();
        let kept = if firmware == "2.0" { 0x63C3 } else { 0x9000 };
        assert_eq!(user_state(&mut card), kept, "{firmware}");

        // A new channel needs a new word.
        *card.host() = None;
        let mut card = card.in_channel(protocol);
        let ends = is_from(firmware, "2.0");
        assert_eq!(user_state(&mut card), if ends { 0x63C3 } else { 0x9000 }, "{firmware}");

        // A wrong PIN is no login that could be kept.
        *card.host() = None;
        let mut card = card.in_channel(protocol).logged_in();
        card.hex("00200181").expect_ok();
        assert_eq!(card.hex("00200181 06 363438323138").status, 0x63C2);
        assert_eq!(card.hex("00200181").status, 0x63C2);
        card.verify(PIN).expect_ok();
        assert_eq!(user_state(&mut card), if ends { 0x63C3 } else { 0x9000 }, "{firmware}");
    }
}

#[test]
fn a_channel_is_opened_in_another_one_and_replaces_it() {
    for (firmware, protocol) in channels() {
        let mut card = logged_in(firmware, protocol);
        let mut old = card.host().clone().unwrap();
        card.open_channel(HostProtocol::TripleDes);
        // The login was not interrupted.
        assert_eq!(card.hex("00200081").status, 0x9000, "{firmware}");
        card.open_channel(protocol);
        card.hex("0084000008").expect_ok();
        let stale = old.protect(&hex("00200081"));
        assert_eq!(card.transmit_plain(&stale).status, 0x6988, "{firmware}");
    }
}

#[test]
fn the_selection_of_the_applet_is_answered_in_the_channel_that_it_ends() {
    for (firmware, protocol) in channels() {
        let mut card = logged_in(firmware, protocol);
        let fci = card.hex("00A40400 0B E82B0601040181C31F0201 00").expect_ok();
        assert_eq!(fci[..1], [0x6F]);
        let next = protected(&mut card, "00200081");
        assert_eq!(card.transmit_plain(&next).status, 0x6882);
        assert_eq!(user_state(&mut card), 0x63C3, "{firmware}");
    }
}

#[test]
fn initialisation_in_a_channel_leaves_it_open() {
    let mut card = TestCard::new("3.4").in_channel(HostProtocol::Aes);
    card.initialise(&[0x00, 0x01], PIN.as_bytes(), 3);
    card.write(0x2F03, b"label").expect_ok();
    assert_eq!(user_state(&mut card), 0x63C3);
}

#[test]
fn the_longest_command_is_the_sealed_one() {
    for (firmware, protocol) in channels() {
        let longest = TestCard::new(firmware).card().profile().max_command();
        let write = |length: usize| {
            let data = [hex("54020000"), tlv(0x53, &vec![0x5A; length])].concat();
            extended(0x00, 0xD7, 0xCF, 0x01, &data, false)
        };
        let mut fitting = Vec::new();
        for length in longest - 80..longest {
            let mut card = logged_in(firmware, protocol);
            let apdu = card.host().as_mut().unwrap().protect(&write(length));
            let fits = apdu.len() <= longest;
            let response = card.card().transmit(&apdu).response;
            assert_eq!(response == hex("6700"), !fits, "{length} bytes on {firmware}");
            assert_eq!(
                card.card().state().files().content(vschsm_card::state::Fid(0xCF01)).is_some(),
                fits
            );
            fitting.push(fits);
        }
        assert!(fitting.contains(&true) && fitting.contains(&false));
    }
}

#[test]
fn a_file_that_is_too_long_for_a_sealed_response_is_read_in_parts() {
    let mut card = logged_in("3.4", HostProtocol::Aes);
    assert_eq!(card.hex("00D7CF01 07 5402FFFC 5301AA").status, 0x9000);
    assert_eq!(card.read(0xCF01).status, 0x6700);
    assert_eq!(card.hex("00B1CF01 000004 54020000 FFD0").expect_ok().len(), 0xFFD0);
    assert_eq!(card.hex("00B1CF01 000004 5402FFD0 0000").expect_ok().len(), 0x2D);
}

#[test]
fn a_proof_shows_which_card_it_is() {
    let mut card = TestCard::new("3.4");
    let mut other = TestCard::with_serial("3.4", "ZZVS0000002", [9; 32]);
    let opening = HostOpening::new(HostProtocol::Aes);
    card.transmit(&opening.choice()).expect_ok();
    let proof = card.transmit(&opening.request()).expect_ok();
    let again = card.transmit(&opening.request()).expect_ok();
    assert_ne!(proof, again, "nonces are fresh");
    assert!(opening.finish(&proof, &card.read(0x2F02).data).is_ok());
    assert!(opening.finish(&proof, &other.read(0x2F02).data).is_err());
}
