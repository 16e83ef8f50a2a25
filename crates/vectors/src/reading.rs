//! What commands may do to a card that somebody uses.

use crate::SO_PIN;
use vschsm_protocol::apdu::Command;
use vschsm_protocol::tlv;

/// Whether a command leaves every card as it is, whatever the card makes of the rest of it.
///
/// The class does not matter, but for FF, which readers keep for themselves; nor do P1, P2, lengths
/// and data. These are SELECT, READ BINARY, GET RESPONSE, ENUMERATE OBJECTS and GET CHALLENGE;
/// VERIFY without data, which asks for the tries; the instructions 00 and FF, which no card has;
/// and what is too short for a command.
#[must_use]
pub fn changes_nothing(command: &[u8]) -> bool {
    match command {
        [0xFF, ..] => false,
        [_, 0xA4 | 0xB0 | 0xB1 | 0xC0 | 0x58 | 0x84 | 0x00 | 0xFF, _, _, ..] => true,
        [_, 0x20, _, _] | [_, 0x20, _, _, _] => true,
        _ => command.len() < 4,
    }
}

/// Whether a command carries an SO-PIN, right or wrong.
#[must_use]
pub fn carries_so_pin(command: &[u8]) -> bool {
    Command::parse(command).is_ok_and(|Command { ins, p2, data, .. }| {
        !data.is_empty() && matches!((ins, p2), (0x20 | 0x24, 0x88) | (0x2C | 0x50, _))
    })
}

/// Whether a command may cost a try of the SO-PIN, or set another one than [`SO_PIN`]: a card whose
/// SO-PIN is blocked stays so for ever.
#[must_use]
pub fn carries_other_so_pin(command: &[u8]) -> bool {
    let Ok(Command { ins, p2, data, .. }) = Command::parse(command) else {
        return matches!(command, [_, 0x20 | 0x24 | 0x2C | 0x50, ..]) && !changes_nothing(command);
    };
    let begins_otherwise = || data.first_chunk() != Some(&SO_PIN);
    match (ins, p2) {
        (0x20 | 0x24, 0x81) => false,
        (0x24, _) => *data != [SO_PIN; 2].concat(),
        (0x20, _) => !data.is_empty() && *data != SO_PIN,
        (0x2C, _) => !data.is_empty() && begins_otherwise(),
        (0x50, _) => tlv::parse(&data).map_or(true, |objects| {
            tlv::find(&objects, 0x82).is_some_and(|so_pin| so_pin != SO_PIN)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BUILT_IN;
    use vschsm_protocol::instruction::{APPLET, CARD_MANAGER};

    fn bytes(digits: &str) -> Vec<u8> {
        base16ct::mixed::decode_vec(digits.replace(' ', "")).unwrap_or_default()
    }

    #[test]
    fn of_all_instructions_that_change_something_none_is_a_reading_one() {
        for ins in [0x22, 0x24, 0x2A, 0x2C, 0x46, 0x48, 0x50, 0x52, 0x54, 0x62, 0x64, 0x68, 0x72]
            .into_iter()
            .chain([0x74, 0x76, 0x78, 0x82, 0x86, 0x88, 0xD7, 0xE2, 0xE4])
        {
            for cla in 0..=0xFF {
                assert!(!changes_nothing(&[cla, ins, 0x00, 0x00, 0x00]), "{ins:02X}");
            }
        }
        for (command, reads) in [
            ("00200081", true),
            ("0020008100", true),
            ("00200081 06 363438323139", false),
            ("00A4", true),
            ("00B12F02 04 54020000 00", true),
            ("80500000", false),
        ] {
            assert_eq!(changes_nothing(&bytes(command)), reads, "{command}");
        }
    }

    /// The list here is independent of the table of instructions, so that a wrong row there cannot
    /// harm a real card; but every row is checked, those that are added later included.
    #[test]
    fn no_command_that_is_declared_to_change_a_card_is_a_reading_one() {
        let declared = APPLET.iter().chain(CARD_MANAGER);
        for row in declared.filter(|row| !row.only_reads()) {
            let command = [0x00, row.ins, 0x00, 0x81, 0x01, 0x00];
            assert!(!changes_nothing(&command), "{}", row.name);
        }
    }

    #[test]
    fn a_wrong_so_pin_is_seen_wherever_it_stands() {
        let (right, wrong) = ("3537363231383830", "3537363231383831");
        for (command, data) in [
            ("00200088 08", ""),
            ("00240088 10", right),
            ("002C0181 08", ""),
            ("002C0081 0E", "363438323139"),
            ("80500000 0A 8208", ""),
            ("80500000 1A 81063634383231398208", ""),
        ] {
            for (so_pin, is_other) in [(right, false), (wrong, true)] {
                let mut command = bytes(&format!("{command}{so_pin}{data}"));
                if let Some(length) = command.len().checked_sub(5)
                    && let Some(lc) = command.get_mut(4)
                {
                    *lc = u8::try_from(length).unwrap_or_default();
                }
                assert_eq!(carries_other_so_pin(&command), is_other, "{command:02X?}");
            }
        }
        assert!(carries_other_so_pin(&bytes(&format!("00240088 10 {right}{wrong}"))));
        assert!(carries_other_so_pin(&bytes("80500000 03 8208 35")));
        for harmless in ["00200088", "80500000", "00200081 06 303030303030"] {
            assert!(!carries_other_so_pin(&bytes(harmless)), "{harmless}");
        }
    }

    #[test]
    fn the_vector_that_blocks_the_so_pin_carries_wrong_ones() {
        for (name, text) in
            BUILT_IN.iter().filter(|(name, _)| name.ends_with("so_pin_blocked.apdu"))
        {
            let vector = crate::Vector::parse(text);
            let carries = |vector: &crate::Vector| vector.commands().any(carries_other_so_pin);
            assert!(vector.is_ok_and(|vector| carries(&vector)), "{name}");
        }
    }
}
