//! Bad input for the card manager: there is always a response, and the card stays as it is.

use crate::{is_as_delivered, open};
use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use vschsm_protocol::instruction;
use vschsm_testing::global_platform_host::command::{
    self, LARGEST_BLOCK, get_data, get_status, initialize_update, select, with_le,
};
use vschsm_testing::global_platform_host::{
    CARD_MANAGER, CHALLENGE, ChannelLevel, HostKeys, HostPackage,
};
use vschsm_testing::mutation::{below, mutated};
use vschsm_testing::test_card::TestCard;

/// Commands of every kind that the card manager has.
fn commands() -> Vec<Vec<u8>> {
    let mut commands = command::update(&HostPackage::of("3.4"), 60);
    // The end would come with another card.
    commands.pop();
    commands.truncate(8);
    commands.extend([
        get_data(0x0066),
        get_status(0x10),
        initialize_update(0x01, &CHALLENGE),
        with_le([0x84, 0x82, 0x01, 0x00], &[0x5A; 16]),
        with_le([0x80, 0xD8, 0x01, 0x81], &[0x5A; 67]),
        command::install(),
    ]);
    commands
}

#[test]
fn every_truncation_of_every_command_is_answered() {
    for level in ChannelLevel::ALL {
        let mut card = TestCard::new("3.4");
        for command in commands() {
            for length in 0..command.len() {
                let mut host = open(&mut card, level);
                let protected = host.channel().protect(&command);
                host.send_plain(&protected[..length]);
                host.send_plain(&command[..length]);
            }
        }
        assert!(is_as_delivered(&mut card, "3.4"));
    }
}

#[test]
fn mutated_commands_through_a_channel_change_nothing() {
    let mut rng = ChaCha20Rng::from_seed([0x47; 32]);
    let commands = commands();
    for firmware in ["2.6", "3.4"] {
        let mut card = TestCard::new(firmware);
        for _ in 0..300 {
            let level = ChannelLevel::ALL[below(&mut rng, 3)];
            let mut host = open(&mut card, level);
            for _ in 0..20 {
                let mut apdu = mutated(&commands[below(&mut rng, commands.len())], &mut rng);
                // Most are protected, with a length that is right; the others go as they are.
                let fits = (6..200).contains(&apdu.len());
                if fits && below(&mut rng, 4) > 0 {
                    apdu[4] = u8::try_from(apdu.len() - 6).unwrap();
                    host.send(&apdu);
                } else {
                    host.send_plain(&apdu);
                }
            }
        }
        assert!(is_as_delivered(&mut card, firmware));
    }
}

#[test]
fn mutated_packages_with_the_right_hash_are_refused_or_installed_whole() {
    let mut rng = ChaCha20Rng::from_seed([0x48; 32]);
    for _ in 0..300 {
        let mut load_file = HostPackage::of("3.4").load_file().to_vec();
        for _ in 0..=below(&mut rng, 3) {
            // Most errors are in the first bytes.
            let place =
                if below(&mut rng, 4) == 0 { load_file.len() } else { 90.min(load_file.len()) };
            let (head, tail) = load_file.split_at(place);
            load_file = [&mutated(head, &mut rng)[..], tail].concat();
        }
        let commands = command::update(&HostPackage::from(load_file), LARGEST_BLOCK);
        let mut card = TestCard::new("3.1");
        let installed = open(&mut card, ChannelLevel::Mac).send_all(&commands).is_ok();
        let mut card = card.restarted();
        if installed {
            open(&mut card, ChannelLevel::Mac).send(&get_status(0x40)).expect_ok();
        } else {
            assert!(is_as_delivered(&mut card, "3.1"));
        }
    }
}

/// The status words in the table of a command's documentation.
fn documented(command: &str) -> Vec<u16> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/card/src/card_manager/");
    let text = std::fs::read_to_string(format!("{folder}{command}.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | `")?.get(..4));
    rows.filter_map(|word| u16::from_str_radix(word, 16).ok()).collect()
}

/// What comes before any command, or from its channel: `dispatch` documents it.
const OF_DISPATCH: [u16; 5] = [0x6700, 0x6982, 0x6988, 0x6D00, 0x6E00];

#[test]
fn no_command_answers_a_status_word_that_its_table_does_not_have() {
    let mut rng = ChaCha20Rng::from_seed([0x4A; 32]);
    let commands = commands();
    let mut card = TestCard::new("3.4");
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..600 {
        let mut host = open(&mut card, ChannelLevel::Mac);
        for _ in 0..20 {
            let mut apdu = commands[below(&mut rng, commands.len())].clone();
            let place = below(&mut rng, apdu.len().min(12));
            if below(&mut rng, 2) == 0 && place != 4 {
                apdu[place] ^= 1 << below(&mut rng, 8);
            }
            let name = instruction::name(instruction::CARD_MANAGER, apdu[1], 0);
            let status = host.send(&apdu).status;
            if let Some(name) = name {
                seen.insert((name.to_lowercase().replace(' ', "_"), status));
            }
        }
    }
    assert!(seen.len() > 25, "{seen:04X?}");
    for (command, status) in seen {
        let allowed = [&documented(&command)[..], &OF_DISPATCH].concat();
        assert!(allowed.contains(&status), "{command}: {status:04X}");
    }
}

#[test]
fn random_bytes_are_answered() {
    let mut rng = ChaCha20Rng::from_seed([0x49; 32]);
    let instructions = [0x50, 0x82, 0xA4, 0xCA, 0xD8, 0xE4, 0xE6, 0xE8, 0xF2];
    for firmware in ["2.6", "3.4"] {
        let mut card = TestCard::new(firmware);
        card.transmit(&select(&CARD_MANAGER)).expect_ok();
        for _ in 0..20_000 {
            let mut apdu = vec![0; below(&mut rng, 40)];
            rng.fill_bytes(&mut apdu);
            if let [class, instruction, ..] = &mut apdu[..] {
                *class = [0x00, 0x80, 0x84, *class][below(&mut rng, 4)];
                *instruction = instructions[below(&mut rng, instructions.len())];
            }
            card.transmit(&apdu);
        }
        assert!(is_as_delivered(&mut card, firmware));
    }
}

/// What cannot be a channel's: data in extended form, and more than a block.
#[test]
fn long_commands_are_answered() {
    let mut card = TestCard::new("3.4");
    for length in [0, 7, 8, 9, 255, 256, 1000, 70_000] {
        let mut apdu = vec![0x84, 0xE8, 0x00, 0x00, 0x00];
        apdu.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        apdu.extend(vec![0x5A; length]);
        let response = open(&mut card, ChannelLevel::Encrypted).send_plain(&apdu);
        assert_ne!(response.status, 0x9000, "{length} bytes");
    }
    assert!(is_as_delivered(&mut card, "3.4"));
}

/// Not even a host that has the keys gets anything of them out of the card.
#[test]
fn no_answer_holds_a_key_of_the_card() {
    let mut card = TestCard::new("3.4");
    let mut host = open(&mut card, ChannelLevel::Mac);
    let keys = HostKeys::of_card(&host.proposal().diversification);
    let session = keys.session(host.proposal().counter);
    let mut told: Vec<u8> = Vec::new();
    for tag in (0x0000..=0x00FF).chain([0x9F7F]) {
        told.extend(host.send(&get_data(tag)).data);
    }
    for scope in [0x80, 0x40, 0x20, 0x10] {
        told.extend(host.send(&get_status(scope)).data);
    }
    assert!(!told.is_empty());
    for keys in [keys, session] {
        for key in [keys.encryption, keys.mac, keys.data] {
            assert!(!told.windows(8).any(|window| window == &key[..8] || window == &key[8..]));
        }
    }
}
