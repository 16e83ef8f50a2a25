//! INITIALIZE UPDATE, EXTERNAL AUTHENTICATE, and what the channel lets through.

use crate::{delete, open, open_with};
use vschsm_protocol::instruction::{self, Instruction};
use vschsm_testing::global_platform_host::command::{self, get_data, get_status, select};
use vschsm_testing::global_platform_host::{
    CARD_MANAGER, CHALLENGE, Chaining, ChannelLevel, GlobalPlatformError, HostChannel, HostKeys,
    MASTER_KEY, Proposal, initialize_update,
};
use vschsm_testing::test_card::{TestCard, TestResponse};
use vschsm_testing::{digits, firmwares, is_from};

/// A card whose card manager is selected.
fn selected(firmware: &str) -> TestCard {
    let mut card = TestCard::new(firmware);
    card.transmit(&select(&CARD_MANAGER)).expect_ok();
    card
}

fn propose(card: &mut TestCard) -> Proposal {
    initialize_update(card.card(), 0x00).expect("a proposal")
}

/// EXTERNAL AUTHENTICATE for the card's challenge.
fn authenticate(proposal: &Proposal, level: ChannelLevel) -> Vec<u8> {
    let keys = HostKeys::of_card(&proposal.diversification).session(proposal.counter);
    HostChannel::new(keys, Chaining::Encrypted).authenticate(level, &CHALLENGE, proposal)
}

/// The sequence counter, by GET DATA.
fn counter(card: &mut TestCard) -> Vec<u8> {
    card.transmit(&get_data(0x00C1)).expect_ok()[2..].to_vec()
}

/// Whether a command is taken that needs a channel.
fn is_authenticated(card: &mut TestCard) -> bool {
    match card.transmit(&get_status(0x80)).status {
        0x9000 => true,
        0x6982 => false,
        other => panic!("GET STATUS: {other:04X}"),
    }
}

#[test]
fn a_channel_of_every_level_opens_on_every_firmware_and_opens_again() {
    for firmware in firmwares() {
        let mut card = TestCard::new(firmware);
        for level in ChannelLevel::ALL.into_iter().chain(ChannelLevel::ALL) {
            let mut host = open(&mut card, level);
            for _ in 0..3 {
                host.send(&get_status(0x40)).expect_ok();
                host.send(&get_status(0x10)).expect_ok();
            }
        }
    }
}

#[test]
fn keys_that_a_card_does_not_have_open_nothing() {
    let mut card = TestCard::new("3.4");
    for keys in [HostKeys::all(MASTER_KEY), HostKeys::of_card(&[0; 10])] {
        let failure = open_with(&mut card, ChannelLevel::Mac, &keys).err();
        assert_eq!(failure, Some(GlobalPlatformError::WrongCryptogram));
    }
}

#[test]
fn initialize_update_answers_28_bytes_to_a_challenge_of_eight_for_keys_that_there_are() {
    let mut card = selected("3.4");
    for version in ["00", "01"] {
        let response = card.hex(&format!("8050{version}00 08 0102030405060708 00")).expect_ok();
        assert_eq!((response.len(), &response[10..12]), (28, &[0x01, 0x02][..]));
        let without_le = card.hex(&format!("8050{version}00 08 0102030405060708"));
        assert_eq!(without_le.expect_ok().len(), 28);
    }
    for version in (0x02..=0xFF_u8).step_by(11) {
        let apdu = format!("8050{version:02X}00 08 0102030405060708 00");
        assert_eq!(card.hex(&apdu).status, 0x6A88, "{version:02X}");
    }
    for data in ["", "07 01020304050607", "09 010203040506070809"] {
        assert_eq!(card.hex(&format!("80500100 {data} 00")).status, 0x6700, "{data}");
    }
}

/// The challenge is random until 2.6, and follows from the counter after it.
#[test]
fn the_challenge_is_random_on_older_cards_and_follows_from_the_keys_on_newer_ones() {
    for firmware in firmwares() {
        let mut card = selected(firmware);
        let (first, second) = (propose(&mut card), propose(&mut card));
        assert_eq!(first.counter, second.counter, "{firmware}");
        let is_the_same = first.challenge == second.challenge;
        assert_eq!(is_the_same, is_from(firmware, "3.0"), "{firmware}");
        assert_eq!(first.cryptogram == second.cryptogram, is_the_same, "{firmware}");
    }
}

#[test]
fn the_counter_grows_with_each_channel_and_is_kept() {
    for firmware in ["2.6", "3.4"] {
        let mut card = selected(firmware);
        let before = counter(&mut card);
        assert_eq!(propose(&mut card).counter, before[..]);
        assert_eq!(counter(&mut card), before, "a request for a channel does not count");
        let number = u16::from_be_bytes(before.try_into().unwrap());
        for opened in 1..4 {
            open(&mut card, ChannelLevel::Mac);
            card = card.restarted();
            card.transmit(&select(&CARD_MANAGER)).expect_ok();
            assert_eq!(counter(&mut card), (number + opened).to_be_bytes(), "{firmware}");
        }
    }
}

#[test]
fn what_opens_a_channel_changes_the_card_where_it_is_declared_to() {
    let row = |ins| instruction::find(instruction::CARD_MANAGER, ins, 0x00);
    let only_reads = |ins| row(ins).is_some_and(Instruction::only_reads);
    for firmware in ["2.6", "3.4"] {
        let mut card = selected(firmware);
        let before = card.card().image();
        let proposal = propose(&mut card);
        assert_eq!(card.card().image() == before, only_reads(0x50), "INITIALIZE UPDATE");
        card.transmit(&authenticate(&proposal, ChannelLevel::Mac)).expect_ok();
        assert_eq!(card.card().image() == before, only_reads(0x82), "EXTERNAL AUTHENTICATE");
    }
}

#[test]
fn an_answer_to_no_challenge_is_6985() {
    let mut card = selected("3.4");
    let proposal = propose(&mut card);
    let response = authenticate(&proposal, ChannelLevel::Mac);
    card.card().reset();
    card.transmit(&select(&CARD_MANAGER)).expect_ok();
    assert_eq!(card.transmit(&response).status, 0x6985);
    propose(&mut card);
    card.transmit(&response).expect_ok();
    // The challenge is used up, and so is the channel that there was.
    assert_eq!(card.transmit(&response).status, 0x6985);
    assert!(!is_authenticated(&mut card));
}

/// Sends a wrong cryptogram: it is refused, the right one after it comes too late, and the next
/// challenge can be authenticated.
#[track_caller]
fn refuses(card: &mut TestCard, wrong: impl FnOnce(&mut Vec<u8>), status: u16) {
    let before = counter(card);
    let proposal = propose(card);
    let right = authenticate(&proposal, ChannelLevel::Mac);
    let mut apdu = right.clone();
    wrong(&mut apdu);
    assert_eq!(format!("{:04X}", card.transmit(&apdu).status), format!("{status:04X}"));
    assert!(!is_authenticated(card));
    assert_eq!(card.transmit(&right).status, 0x6985, "the attempt is over");
    assert_eq!(counter(card), before);
    let next = propose(card);
    card.transmit(&authenticate(&next, ChannelLevel::Open)).expect_ok();
    assert!(is_authenticated(card));
}

#[test]
fn a_wrong_mac_is_6988_and_a_wrong_level_6a86() {
    for firmware in ["2.6", "3.4"] {
        let mut card = selected(firmware);
        for place in 13..21 {
            refuses(&mut card, |apdu| apdu[place] ^= 0x01, 0x6988);
        }
        // The MAC is over the level, too.
        refuses(&mut card, |apdu| apdu[2] = 0x03, 0x6988);
    }
    let mut card = selected("3.4");
    for level in (0x00..=0xFF).filter(|level| ![0x00, 0x01, 0x03].contains(level)) {
        refuses(&mut card, |apdu| apdu[2] = level, 0x6A86);
    }
}

#[test]
fn a_wrong_cryptogram_with_the_right_mac_is_6300() {
    for firmware in ["2.6", "3.4"] {
        let mut card = selected(firmware);
        let before = counter(&mut card);
        let proposal = propose(&mut card);
        let keys = HostKeys::of_card(&proposal.diversification).session(proposal.counter);
        let header = [0x84, 0x82, 0x01, 0x00, 0x10];
        let mut data = [&header[..], &[0x5A; 8]].concat();
        data.extend(keys.mac([0; 8], &data));
        assert_eq!(card.transmit(&data).status, 0x6300);
        assert!(!is_authenticated(&mut card));
        assert_eq!(card.transmit(&authenticate(&proposal, ChannelLevel::Mac)).status, 0x6985);
        assert_eq!(counter(&mut card), before);
    }
}

#[test]
fn an_answer_of_another_form_opens_nothing() {
    let mut card = selected("3.4");
    for apdu in ["84820100", "8482010000", "84820100 08 0102030405060708", "84820100 01 00"] {
        propose(&mut card);
        assert_ne!(card.hex(apdu).status, 0x9000, "{apdu}");
        assert!(!is_authenticated(&mut card), "{apdu}");
    }
    // Class 80 has no MAC.
    let mut response = authenticate(&propose(&mut card), ChannelLevel::Mac);
    response[0] = 0x80;
    assert_ne!(card.transmit(&response).status, 0x9000);
    assert!(!is_authenticated(&mut card));
}

/// Opens a channel, sends that, and checks that the channel is closed.
#[track_caller]
fn closes(level: ChannelLevel, status: u16, send: impl Fn(&mut HostChannel) -> Vec<u8>) {
    for firmware in ["2.6", "3.4"] {
        let mut card = TestCard::new(firmware);
        let mut host = open(&mut card, level);
        host.send(&get_status(0x80)).expect_ok();
        let apdu = send(host.channel());
        assert_eq!(format!("{:04X}", host.send_plain(&apdu).status), format!("{status:04X}"));
        assert_eq!(host.send(&get_status(0x80)).status, 0x6982, "{firmware}");
        assert_eq!(host.send_plain(&get_status(0x80)).status, 0x6982, "{firmware}");
        // And another one opens.
        open(&mut card, level).send(&get_status(0x80)).expect_ok();
    }
}

const PROTECTING: [ChannelLevel; 2] = [ChannelLevel::Mac, ChannelLevel::Encrypted];

#[test]
fn a_command_without_its_mac_ends_the_channel() {
    for level in PROTECTING {
        closes(level, 0x6982, |_| get_status(0x80));
        closes(level, 0x6982, |_| command::delete(&[0; 5]));
        closes(level, 0x6982, |_| command::install());
    }
}

#[test]
fn a_command_with_another_mac_ends_the_channel() {
    for level in PROTECTING {
        for bit in 0..64 {
            closes(level, 0x6988, |channel| {
                let mut apdu = channel.protect(&get_status(0x80));
                let place = apdu.len() - 2 - bit / 8;
                apdu[place] ^= 1 << (bit % 8);
                apdu
            });
        }
    }
}

#[test]
fn a_changed_header_or_changed_data_ends_the_channel() {
    for level in PROTECTING {
        for place in [2, 3, 5, 6] {
            closes(level, 0x6988, |channel| {
                let mut apdu = channel.protect(&get_status(0x80));
                apdu[place] ^= 0x01;
                apdu
            });
        }
    }
}

#[test]
fn a_command_sent_again_or_out_of_order_ends_the_channel() {
    for level in PROTECTING {
        let mut card = TestCard::new("3.4");
        let mut host = open(&mut card, level);
        let first = host.channel().protect(&get_status(0x80));
        let second = host.channel().protect(&get_status(0x80));
        assert_ne!(first, second);
        host.send_plain(&first).expect_ok();
        host.send_plain(&second).expect_ok();
        assert_eq!(host.send_plain(&second).status, 0x6988);
        closes(level, 0x6988, |channel| {
            channel.protect(&get_status(0x80));
            channel.protect(&get_status(0x80))
        });
    }
}

#[test]
fn a_command_of_another_channel_ends_this_one() {
    let mut card = TestCard::new("3.4");
    let old = open(&mut card, ChannelLevel::Mac).channel().protect(&get_status(0x80));
    let mut host = open(&mut card, ChannelLevel::Mac);
    assert_eq!(host.send_plain(&old).status, 0x6988);
    assert_eq!(host.send(&get_status(0x80)).status, 0x6982);
}

#[test]
fn data_that_is_no_whole_blocks_or_has_no_padding_ends_the_channel() {
    closes(ChannelLevel::Encrypted, 0x6988, |channel| {
        let mut apdu = channel.protect(&get_status(0x80));
        apdu.splice(5..6, []);
        apdu[4] -= 1;
        apdu
    });
    closes(ChannelLevel::Mac, 0x6988, |_| vec![0x84, 0xF2, 0x80, 0x02, 0x02, 0x4F, 0x00, 0x00]);
}

#[test]
fn an_open_channel_takes_commands_without_a_mac() {
    let mut card = TestCard::new("3.4");
    let mut host = open(&mut card, ChannelLevel::Open);
    host.send(&get_status(0x80)).expect_ok();
    delete(&mut host).expect_ok();
    host.send(&get_data(0x0066)).expect_ok();
    host.send(&get_status(0x80)).expect_ok();
    closes(ChannelLevel::Open, 0x6982, |_| [&[0x84][..], &get_status(0x80)[1..]].concat());
}

#[test]
fn get_data_goes_through_a_channel_as_well() {
    for level in ChannelLevel::ALL {
        let mut card = TestCard::new("3.4");
        let mut host = open(&mut card, level);
        host.send(&get_data(0x9F7F)).expect_ok();
        assert_eq!(host.send(&get_data(0x1234)).status, 0x6A88);
        host.send(&get_status(0x80)).expect_ok();
    }
}

#[test]
fn an_error_leaves_the_channel_open() {
    for level in ChannelLevel::ALL {
        let mut card = TestCard::new("3.4");
        let mut host = open(&mut card, level);
        let refused: [TestResponse; 3] = [
            host.send(&get_status(0x08)),
            host.send(&command::delete(&[0x01; 8])),
            host.send(&command::install()),
        ];
        assert_eq!(refused.map(|response| response.status), [0x6A86, 0x6A88, 0x6985]);
        host.send(&get_status(0x80)).expect_ok();
    }
}

/// Sessions of the keys 40..4F, by their counters: computed with Py-GP 1.0.0.
#[test]
fn a_card_of_known_keys_answers_what_another_implementation_has_computed() {
    let computed = [
        ("0002", "D9857D532F04", "9586FF993E453DDF"),
        ("0003", "03D2C0BAFBF0", "7DD6611A86B3A617"),
    ];
    let mut card = TestCard::new("3.4");
    open(&mut card, ChannelLevel::Mac).put_keys(0x01, 0x01, &HostKeys::all(MASTER_KEY)).expect_ok();
    let mut found = 0;
    while found < computed.len() {
        card.transmit(&select(&CARD_MANAGER)).expect_ok();
        let proposal = propose(&mut card);
        assert!(proposal.counter < [0x00, 0x04]);
        for (_, challenge, cryptogram) in
            computed.iter().filter(|(counter, ..)| *counter == digits(&proposal.counter))
        {
            let told = (digits(&proposal.challenge), digits(&proposal.cryptogram));
            assert_eq!(told, ((*challenge).into(), (*cryptogram).into()));
            found += 1;
        }
        open_with(&mut card, ChannelLevel::Mac, &HostKeys::all(MASTER_KEY)).unwrap();
    }
}
