//! Use counters: what is counted, and what cannot be had without.

use vschsm_protocol::tlv::encode;
use vschsm_testing::test_card::{TestCard, TestResponse, domain};
use vschsm_testing::{firmwares, is_from};

/// A key for ECDSA and derivation that may be used so often.
fn limited(uses: u32) -> Vec<u8> {
    [encode(0x90, &uses.to_be_bytes()), encode(0x91, &[0x73, 0x98])].concat()
}

fn derive(card: &mut TestCard, base: u8, new: u8, offset: &[u8]) -> TestResponse {
    let data = [&[0x98], offset].concat();
    let header = [0x80, 0x76, base, new];
    card.transmit(&vschsm_host::command::without_le(header, &data))
}

/// What is added to undo an addition of 1.
fn minus_one() -> Vec<u8> {
    let mut order = domain("secp256r1").n;
    *order.last_mut().unwrap() -= 1;
    order
}

/// Signs with a key until it does no more: how often.
fn signatures(card: &mut TestCard, id: u8) -> u32 {
    let mut count = 0;
    loop {
        match card.sign(id, 0x73, b"x").status {
            0x9000 => count += 1,
            0x6984 | 0x6A88 => return count,
            status => panic!("{status:04X}"),
        }
        assert!(count < 1000, "there is no end of signatures");
    }
}

#[test]
fn a_key_of_eight_uses_signs_no_more_often_however_often_it_is_derived_anew() {
    for firmware in firmwares().filter(|firmware| is_from(firmware, "3.0")) {
        let mut card = TestCard::initialised(firmware);
        card.generate_ec(1, "secp256r1", &limited(8));
        let (order, mut uses) = (domain("secp256r1").n, 0);
        for _ in 0..20 {
            // The same key in another place, with its uses for itself.
            for same in [&[0][..], &[0; 32], &order] {
                let status = derive(&mut card, 1, 2, same).status;
                assert_eq!(status, if uses < 8 { 0x6A80 } else { 0x6984 }, "{firmware}");
            }
            // Another key, and from that the same key again.
            uses += u32::from(derive(&mut card, 1, 3, &[1]).status == 0x9000);
            uses += u32::from(derive(&mut card, 3, 2, &minus_one()).status == 0x9000);
            uses += signatures(&mut card, 2);
        }
        assert_eq!(uses, 8, "{firmware}");
        assert_eq!([1, 3].map(|id| signatures(&mut card, id)), [0; 2], "{firmware}");
    }
}

#[test]
fn who_shares_a_counter_is_known_after_a_restart_and_after_the_first_key_is_gone() {
    let mut card = TestCard::initialised("3.4");
    card.generate_ec(1, "secp256r1", &limited(9));
    for (base, new) in [(1, 2), (2, 3)] {
        derive(&mut card, base, new, &[1]).expect_ok();
    }
    card.hex("00E4020002CC01").expect_ok();
    // Another key in its place does not share the counter.
    card.generate_ec(1, "secp256r1", &limited(5));
    derive(&mut card, 1, 4, &[1]).expect_ok();
    let image = card.card().image();
    let mut card = card.restarted().logged_in();
    assert_eq!(card.card().image(), image);
    assert_eq!(card.sign(3, 0x73, b"x").status, 0x9000);
    assert_eq!([2, 3].map(|id| signatures(&mut card, id)), [6, 0]);
    assert_eq!([4, 1].map(|id| signatures(&mut card, id)), [4, 0]);
}

#[test]
fn a_key_of_one_use_is_not_asked_about_thousands_of_paddings() {
    for algorithm in [0x22, 0x23] {
        let mut card = TestCard::initialised("3.4");
        card.generate_rsa(1, 1024, &encode(0x90, &1_u32.to_be_bytes()));
        // What never gets as far as the key costs nothing.
        for unfit in [&[1; 127][..], &[0xFF; 128], &[]] {
            assert_eq!(card.decipher(1, algorithm, unfit).status, 0x6A80);
        }
        assert_eq!(card.decipher(1, 0x80, &[1; 128]).status, 0x6A81);
        let paddings: Vec<_> = (1..=3000_u16)
            .map(|number| [vec![0; 126], number.to_be_bytes().to_vec()].concat())
            .map(|cryptogram| card.decipher(1, algorithm, &cryptogram).status)
            .collect();
        // The cryptogram 1 is its own block, in which there is no message.
        assert_eq!(paddings[0], 0x6A80, "{algorithm:02X}");
        assert!(paddings[1..].iter().all(|status| *status == 0x6984), "{algorithm:02X}");
        let mut card = card.restarted().logged_in();
        assert_eq!(card.decipher(1, algorithm, &[1; 128]).status, 0x6984, "after a restart");
    }
}

#[test]
fn a_use_that_fails_is_on_disk_before_it_is_told() {
    let mut card = TestCard::initialised("3.4");
    card.generate_rsa(1, 1024, &encode(0x90, &2_u32.to_be_bytes()));
    let cryptogram = [vec![0; 127], vec![1]].concat();
    let decipher = vschsm_host::command::with_le([0x80, 0x62, 1, 0x22], &cryptogram);
    let outcome = card.card().transmit(&decipher);
    assert_eq!((outcome.response.as_slice(), outcome.changed), (&[0x6A, 0x80][..], true));
}
