//! The card alone, in this process.

use vschsm_testing::test_card::TestCard;

use crate::compare;

/// SELECT and GET CHALLENGE, on a card without a file and on one without room for another.
pub(crate) fn shortest_commands() {
    let mut empty = TestCard::initialised("3.4");
    let mut full = filled();
    let commands =
        [("SELECT", "00A404000BE82B0601040181C31F020100"), ("GET CHALLENGE", "0084000008")];
    for (name, command) in commands {
        let apdu = vschsm_testing::hex(command);
        compare(
            &format!("{name}, full card"),
            || drop(full.transmit(&apdu)),
            "empty card",
            || drop(empty.transmit(&apdu)),
        );
    }
}

/// A card with 20 EC keys and as many files as fit.
fn filled() -> TestCard {
    let mut card = TestCard::initialised("3.4").logged_in();
    for id in 1..=20 {
        card.generate_ec(id, "secp256r1", &[]);
    }
    for id in 1..=0xFF {
        if card.write(0xCD00 + id, &[0xA5; 1000]).status != 0x9000 {
            break;
        }
    }
    card
}
