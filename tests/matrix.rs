//! Every kind of key from every firmware to every other one: where it arrives, and what those say
//! that do not have such keys.

use vschsm_testing::test_card::{TestCard, domain, tlv};
use vschsm_testing::{firmwares, is_from};

const SHARE: [u8; 32] = [0x44; 32];

/// A kind of key: what it is called, how a card makes it as key 1, and what it does afterwards.
struct Kind {
    name: &'static str,
    /// The first firmware that has such keys.
    since: &'static str,
    /// Whether it comes with the algorithm list 73 92.
    listed: bool,
    make: fn(&mut TestCard),
    /// The same response from the key wherever it is, where the algorithm has only one.
    response: fn(&mut TestCard) -> Vec<u8>,
}

/// ECDH with the base point: the public key.
fn agree(card: &mut TestCard, curve: &str) -> Vec<u8> {
    card.decipher(1, 0x80, &domain(curve).g).expect_ok()
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "secp256r1",
        since: "1.2",
        listed: false,
        make: |card| drop(card.generate_ec(1, "secp256r1", &[])),
        response: |card| agree(card, "secp256r1"),
    },
    Kind {
        name: "secp256r1 with a list",
        since: "2.0",
        listed: true,
        make: |card| drop(card.generate_ec(1, "secp256r1", &tlv(0x91, &[0x73, 0x92]))),
        // A signature is another one each time; that there is one, and no ECDH, is the same.
        response: |card| {
            card.sign(1, 0x73, b"abc").expect_ok();
            card.decipher(1, 0x80, &[0x04]).status.to_be_bytes().to_vec()
        },
    },
    Kind {
        name: "brainpoolP320r1",
        since: "1.2",
        listed: false,
        make: |card| drop(card.generate_ec(1, "brainpoolP320r1", &[])),
        response: |card| agree(card, "brainpoolP320r1"),
    },
    Kind {
        name: "secp521r1",
        since: "3.0",
        listed: false,
        make: |card| drop(card.generate_ec(1, "secp521r1", &[])),
        response: |card| agree(card, "secp521r1"),
    },
    Kind {
        name: "RSA 1024",
        since: "1.2",
        listed: false,
        make: |card| drop(card.generate_rsa(1, 1024, &[])),
        response: |card| card.sign(1, 0x33, b"abc").expect_ok(),
    },
    Kind {
        name: "RSA 3072",
        since: "3.0",
        listed: false,
        make: |card| drop(card.generate_rsa(1, 3072, &[])),
        response: |card| card.sign(1, 0x33, b"abc").expect_ok(),
    },
    Kind {
        name: "AES 256",
        since: "3.0",
        listed: false,
        make: |card| card.generate_aes(1, 256, &[]),
        response: |card| card.cipher(1, 0x18, b"abc").expect_ok(),
    },
];

/// What UNWRAP KEY says on `firmware`.
fn expected(kind: &Kind, firmware: &str) -> u16 {
    match firmware {
        "3.1" if kind.listed => 0x6F00,
        // 1.2 knows no lists when it makes a key; what it does with one in a blob is not known, and
        // it is kept here as by the others.
        _ if kind.listed || is_from(firmware, kind.since) => 0x9000,
        _ => 0x6A81,
    }
}

#[test]
fn every_kind_of_key_goes_from_every_firmware_to_every_other_that_has_it() {
    let mut cards: Vec<_> =
        firmwares().map(|firmware| (firmware, TestCard::with_dkek(firmware, SHARE))).collect();
    let mut moves = 0;
    for kind in &KINDS {
        // Making the key once is enough: that each firmware wraps it is seen on its way.
        let mut maker = TestCard::with_dkek("4.1", SHARE);
        (kind.make)(&mut maker);
        let (mut original, response) = (maker.wrap_key(1).expect_ok(), (kind.response)(&mut maker));
        let mut blobs = Vec::new();
        for (firmware, card) in &mut cards {
            if is_from(firmware, kind.since) && expected(kind, firmware) == 0x9000 {
                card.unwrap_key(1, &original).expect_ok();
                original = card.wrap_key(1).expect_ok();
                blobs.push((*firmware, original.clone()));
                card.hex("00E4020002CC01").expect_ok();
            }
        }
        if kind.listed {
            // 3.1 imports no such key, and exports one that it has made itself.
            let mut home = TestCard::with_dkek("3.1", SHARE);
            (kind.make)(&mut home);
            blobs.push(("3.1", home.wrap_key(1).expect_ok()));
        }
        for (from, blob) in &blobs {
            for (to, card) in &mut cards {
                let way = format!("{} from {from} to {to}", kind.name);
                assert_eq!(card.unwrap_key(1, blob).status, expected(kind, to), "{way}");
                if expected(kind, to) == 0x9000 {
                    assert_eq!((kind.response)(card), response, "{way}");
                    card.hex("00E4020002CC01").expect_ok();
                } else {
                    assert_eq!(card.sign(1, 0x73, b"abc").status, 0x6A88, "{way}");
                }
                moves += 1;
            }
        }
    }
    // Three kinds of keys are on all firmwares, one on all but 1.2 and three from 3.0 on.
    let all = firmwares().count();
    let from_3_0 = firmwares().filter(|firmware| is_from(firmware, "3.0")).count();
    assert!(all >= 15 && from_3_0 >= 9);
    assert_eq!(moves, all * (3 * all + (all - 1) + 3 * from_3_0));
}
