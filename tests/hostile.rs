//! Bad input: there is always a response, and a command that fails changes PIN tries only (and use
//! counters, for which see `access/counters.rs`).

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use vschsm_card::state::{Pin, State};
use vschsm_protocol::apdu::Command;
use vschsm_protocol::instruction::{self, APPLET, Spends};
use vschsm_testing::mutation::mutated;
use vschsm_testing::secure_host::HostProtocol;
use vschsm_testing::test_card::{TestCard, domain, ec_template, extended, tlv};
use vschsm_testing::{firmwares, hex, is_from};

/// Instructions that came with a firmware, and one that no genuine firmware has.
const LATER: [(&str, &[u8]); 3] =
    [("2.0", &[0x2A, 0x5A, 0x54, 0x82]), ("3.0", &[0x48, 0x76, 0x78]), ("none", &[0x3E])];

/// Every instruction of the card, and two that it does not have.
fn instructions() -> Vec<u8> {
    APPLET.iter().map(|row| row.ins).chain([0xB0, 0x00]).collect()
}

/// Whether a firmware has an instruction.
fn knows(firmware: &str, ins: u8) -> bool {
    let later = LATER.iter().find(|(_, instructions)| instructions.contains(&ins));
    let is_there = later.is_none_or(|(since, _)| *since != "none" && is_from(firmware, since));
    is_there && APPLET.iter().any(|row| row.ins == ins)
}

/// A card with something to lose; the user is logged in.
fn full(firmware: &str) -> TestCard {
    let mut card = TestCard::new(firmware);
    card.initialise_with(&[tlv(0x92, &[1]), tlv(0x93, &[2, 1])].concat());
    card.import_share(0, &[0x44; 32]).expect_ok();
    card.generate_ec(1, "secp256r1", &[]);
    card.write(0xCF01, b"content").expect_ok();
    card.write(0xCD01, b"protected").expect_ok();
    card
}

/// What the card keeps but for PIN tries, as far as it can be seen and compared.
fn kept(state: &State) -> impl PartialEq + std::fmt::Debug + use<> {
    let keys: Vec<_> = state.keys().map(|(id, key)| (id, key.clone())).collect();
    let domains = state.domains().clone();
    (state.files().clone(), keys, domains, state.configuration().clone(), state.used())
}

fn tries(state: &State) -> [Option<u8>; 2] {
    [state.pins().user(), state.pins().so_pin()].map(|pin| pin.map(Pin::tries))
}

/// Sends `apdu` and checks what holds for every command.
fn send(card: &mut TestCard, apdu: &[u8]) -> u16 {
    let (before, tries_before) = (kept(card.card().state()), tries(card.card().state()));
    let image = card.card().image();
    let status = card.transmit(apdu).status;
    let state = card.card().state();
    if !matches!(status, 0x9000 | 0x6282) {
        assert_eq!(kept(state), before, "{status:04X} to {apdu:02X?} changed the card");
        for (now, before) in tries(state).into_iter().zip(tries_before) {
            assert!(now <= before, "{status:04X} to {apdu:02X?} gave tries back");
        }
    }
    let row = apdu.get(1).zip(apdu.get(3));
    if let Some(row) = row.and_then(|(ins, p2)| instruction::find(APPLET, *ins, *p2)) {
        let is_kept = kept(state) == before;
        assert!(is_kept || !row.only_reads(), "{} changed the card: {apdu:02X?}", row.name);
        let spends = tries(state) != tries_before;
        assert!(!spends || row.spends == Spends::Try, "{} cost a try: {apdu:02X?}", row.name);
    }
    if tries(card.card().state()) == tries_before && status != 0x9000 {
        assert_eq!(card.card().image(), image, "{status:04X} to {apdu:02X?} changed the image");
    }
    status
}

#[test]
fn a_pin_comparison_is_a_change_whatever_its_result() {
    let mut card = full("3.4");
    for apdu in [
        "00200081 06 363438323139",
        "00200081 06 363438323138",
        "00200088 08 3537363231383830",
        "00200088 08 3537363231383831",
        "00240081 0C 363438323139 313233343536",
        "00240081 0C 303030303030 313233343536",
        "002C0181 08 3537363231383830",
        "002C0181 08 3537363231383831",
        "80500000 19 80020001 8106363438323139 8208 0000000000000000 910103",
    ] {
        assert!(card.card().transmit(&hex(apdu)).changed, "{apdu}");
    }
    // These compare nothing: their length is wrong, whatever else is in them.
    for apdu in [
        "00200081",
        "00200081 05 3634383231",
        "00200081 08 3634383231393030",
        "00200088 07 35373632313838",
        "00240088 0F 3537363231383830 35373632313838",
        "002C0181 07 35373632313838",
    ] {
        assert!(!card.card().transmit(&hex(apdu)).changed, "{apdu}");
    }
}

/// These commands have changed the card when it turns out that they may not.
#[test]
fn a_command_without_memory_changes_nothing() {
    for firmware in firmwares() {
        let mut card = full(firmware);
        assert_eq!(send(&mut card, &hex("00D7CF02 07 5402FFFC 5301AA")), 0x9000);
        assert_eq!(send(&mut card, &hex("00D7CF03 07 540232C7 5301AA")), 0x9000);
        assert_eq!(send(&mut card, &hex("00D7CF04 07 54020030 5301AA")), 0x6A84);
        assert_eq!(send(&mut card, &hex("00D7CF03 07 54024000 5301AA")), 0x6A84);
        let generate =
            extended(0x00, 0x46, 2, 0x00, &ec_template(&domain("secp256r1"), &[]), false);
        assert_eq!(send(&mut card, &generate), 0x6A84);
    }
}

#[test]
fn every_header_is_answered() {
    for firmware in firmwares() {
        let mut card = full(firmware);
        for header in 0..=u16::MAX {
            let [cla, ins] = header.to_be_bytes();
            let status = card.transmit(&[cla, ins, 0x00, 0x00]).status;
            // The vendor's instructions are no ISO ones, and want their own class from 2.0 on.
            let is_proprietary = matches!(ins, 0x50..=0x78);
            let classes = match is_proprietary && is_from(firmware, "2.0") {
                true => &[0x80][..],
                false => &[0x00, 0x80],
            };
            let known = classes.contains(&cla) && knows(firmware, ins);
            let refused = matches!(status, 0x6E00 | 0x6D00 | 0x6882);
            assert_eq!(refused, !known, "{cla:02X} {ins:02X}: {status:04X}");
        }
    }
}

#[test]
fn every_instruction_is_answered_in_a_channel() {
    for firmware in firmwares() {
        let mut card = full(firmware).in_channel(HostProtocol::TripleDes);
        for cla in [0x00, 0x80] {
            for ins in 0..=u8::MAX {
                let status = send(&mut card, &[cla, ins, 0x00, 0x00]);
                assert_eq!(status == 0x6D00, !knows(firmware, ins), "{ins:02X}");
            }
        }
    }
}

#[test]
fn every_p1_and_p2_is_answered_without_data() {
    for ins in instructions() {
        let mut card = full("3.4");
        for parameters in 0..=u16::MAX {
            let [p1, p2] = parameters.to_be_bytes();
            let outcome = card.card().transmit(&[0x00, ins, p1, p2, 0x00]);
            assert!(outcome.response.len() >= 2);
        }
    }
}

#[test]
fn the_shortest_and_the_longest_apdus_are_answered() {
    let mut card = full("3.4");
    for length in 0..4 {
        assert_eq!(send(&mut card, &vec![0x00; length]), 0x6700);
    }
    for ins in instructions() {
        for length in [1232, 1233, 65_535, 65_544] {
            send(&mut card, &[&[0x00, ins, 0x01, 0x00][..], &vec![0x00; length - 4]].concat());
        }
        for data in [&[0x00; 1222][..], &[0xFF; 1222]] {
            send(&mut card, &extended(0x00, ins, 0x01, 0x00, data, true));
        }
    }
}

#[test]
fn every_truncation_of_a_good_command_is_answered_and_makes_nothing() {
    let commands = [
        extended(0x00, 0x46, 0x02, 0x00, &ec_template(&domain("secp256r1"), &[]), true),
        extended(0x00, 0x46, 0x02, 0x00, &ec_template(&domain("secp256r1"), &[]), false),
    ];
    for good in commands {
        let mut card = full("3.4");
        for length in 0..good.len() {
            send(&mut card, &good[..length]);
        }
        // The data cut short, with lengths that fit it.
        let template = ec_template(&domain("secp256r1"), &[]);
        for length in 1..template.len() {
            let apdu = extended(0x00, 0x46, 0x02, 0x00, &template[..length], true);
            assert_ne!(send(&mut card, &apdu), 0x9000, "cut at {length}");
        }
        assert_eq!(card.transmit(&good).status, 0x9000);
    }
}

/// Sequences of commands that are half right, from a seed.
#[test]
fn random_sequences_neither_panic_nor_break_the_rules() {
    for seed in 0..60_u8 {
        let firmware = firmwares().cycle().nth(usize::from(seed)).unwrap();
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let mut card = full(firmware);
        if is_from(firmware, "3.0") {
            card.generate_ec(2, "brainpoolP384r1", &tlv(0x91, &[0x73, 0x98]));
            card.generate_aes(4, 128, &tlv(0x90, &9_u32.to_be_bytes()));
        }
        for _ in 0..150 {
            match rng.next_u32() % 40 {
                0 => card.reset(),
                1 => card = card.restarted(),
                2 => drop(card.verify("648219")),
                3 => {
                    // Whatever was selected.
                    card.reset();
                    card.open_channel(HostProtocol::TripleDes);
                    card.verify("648219");
                }
                _ => step(&mut card, &mut rng),
            }
        }
    }
}

/// A command, protected where a channel is open, and then sometimes with something wrong.
fn step(card: &mut TestCard, rng: &mut ChaCha20Rng) {
    let apdu = command(rng);
    let can_be_sealed = Command::parse(&apdu).is_ok_and(|command| command.cla & !0x80 == 0);
    if can_be_sealed && !rng.next_u32().is_multiple_of(16) {
        send(card, &apdu);
    } else if let Some(mut host) = card.host().take().filter(|_| can_be_sealed) {
        send(card, &mutated(&host.protect(&apdu), rng));
    } else {
        send(card, &apdu);
    }
}

fn command(rng: &mut ChaCha20Rng) -> Vec<u8> {
    let pick = |rng: &mut ChaCha20Rng, values: &[u8]| {
        values[usize::try_from(rng.next_u32()).unwrap() % values.len()]
    };
    let cla = pick(rng, &[0x00, 0x00, 0x00, 0x80, 0x0C, 0x42]);
    let ins = pick(rng, &instructions());
    let p1 = pick(rng, &[0x00, 0x01, 0x02, 0x03, 0x04, 0x2F, 0xCC, 0xCD, 0xCF, 0xFF]);
    let p2 = pick(
        rng,
        &[
            0x00, 0x01, 0x02, 0x04, 0x10, 0x18, 0x21, 0x70, 0x73, 0x80, 0x81, 0x88, 0x92, 0x93,
            0x99, 0xB2,
        ],
    );
    let mut data = Vec::new();
    for _ in 0..rng.next_u32() % 5 {
        let tag =
            pick(rng, &[0x54, 0x53, 0x80, 0x81, 0x82, 0x91, 0x92, 0x97, 0x98, 0x42, 0xCF, 0xCC]);
        let length = pick(rng, &[0, 1, 2, 2, 2, 6, 8, 16, 0x81, 0x82, 0x7F]);
        data.extend([tag, length]);
        data.extend((0..length % 17).map(|_| pick(rng, &[0x00, 0x00, 0x01, 0x03, 0x30, 0xFF])));
    }
    match rng.next_u32() % 4 {
        0 => extended(cla, ins, p1, p2, &data, false),
        1 => extended(cla, ins, p1, p2, &data, true),
        2 => {
            let length = u8::try_from(data.len()).unwrap();
            [&[cla, ins, p1, p2, length][..], &data].concat()
        }
        // Lengths that do not fit.
        _ => [&[cla, ins, p1, p2, pick(rng, &[0x00, 0x01, 0xFF])][..], &data].concat(),
    }
}
