//! The cards that inputs are about.

use super::Watched;
use crate::test_card::{TestCard, changed_image, tlv};
use std::sync::OnceLock;
use vschsm_card::profile::{BUILT_IN, EXTENSIONS};
use vschsm_host::command;
use vschsm_vectors::PIN;

/// The bit of a choice that asks for a card as delivered.
pub(super) const AS_DELIVERED: u8 = 0x80;

/// The share that is the DKEK of a provisioned card.
pub(super) const DKEK: [u8; 32] = [0x44; 32];

/// The firmware of a card with something to lose; any other has the same.
const OF_PROVISIONED: &str = "3.4";

/// The firmwares, those that are extensions last.
pub(super) fn firmwares() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().chain(EXTENSIONS).map(|(name, _)| *name)
}

/// The choice of a firmware, for a card with something to lose.
///
/// # Panics
///
/// If there is no such firmware.
pub(super) fn choice(firmware: &str) -> u8 {
    let place = firmwares().position(|name| name == firmware).expect("a firmware");
    u8::try_from(place).expect("they are few")
}

/// How many firmwares there are.
const FIRMWARES: usize = BUILT_IN.len() + EXTENSIONS.len();

/// An image for each firmware, made when it is first asked for.
type PreparedCards = [OnceLock<Vec<u8>>; FIRMWARES];

/// The card of a choice, the same at every call.
pub(super) fn card(choice: u8) -> Watched {
    static DELIVERED: PreparedCards = [const { OnceLock::new() }; FIRMWARES];
    static PROVISIONED: PreparedCards = [const { OnceLock::new() }; FIRMWARES];
    static FIRST: OnceLock<Vec<u8>> = OnceLock::new();
    if choice & AS_DELIVERED != 0 {
        let delivered = |firmware: &str| TestCard::new(firmware).card().image();
        return taken_from(&DELIVERED, choice & !AS_DELIVERED, delivered);
    }
    taken_from(&PROVISIONED, choice, |firmware| {
        let of = |name: &str| format!("\"firmware\": \"{name}\"");
        let first = Watched::load(FIRST.get_or_init(provisioned));
        changed_image(first.card(), |content| {
            content.replacen(&of(OF_PROVISIONED), &of(firmware), 1)
        })
    })
}

/// The card of a choice that has a DKEK and nothing else.
pub(super) fn empty(choice: u8) -> Watched {
    static EMPTY: PreparedCards = [const { OnceLock::new() }; FIRMWARES];
    taken_from(&EMPTY, choice, |firmware| TestCard::with_dkek(firmware, DKEK).card().image())
}

fn taken_from(shelf: &PreparedCards, number: u8, make: impl FnOnce(&str) -> Vec<u8>) -> Watched {
    let number = usize::from(number) % FIRMWARES;
    let firmware = firmwares().nth(number).expect("it is below their number");
    Watched::load(shelf[number].get_or_init(|| make(firmware)))
}

/// Keys of every kind, domains, files, and room for public keys that authenticate.
fn provisioned() -> Vec<u8> {
    let mut card = TestCard::new(OF_PROVISIONED);
    card.initialise_with(&[tlv(0x92, &[1]), tlv(0x93, &[2, 1])].concat());
    card.import_share(0, &DKEK).expect_ok();
    card.generate_ec(1, "secp256r1", &[]);
    card.generate_rsa(2, 1024, &[]);
    card.generate_ec(3, "brainpoolP320r1", &tlv(0x91, &[0x73, 0x80, 0x92]));
    card.generate_aes(
        4,
        128,
        &[tlv(0x90, &9_u32.to_be_bytes()), tlv(0x91, &[0x10, 0x18])].concat(),
    );
    for (fid, content) in [(0xCF01, "content"), (0xCD01, "protected"), (0xC401, "description")] {
        card.write(fid, content.as_bytes()).expect_ok();
    }
    card.card().image()
}

/// VERIFY of the user PIN.
pub(super) fn login() -> Vec<u8> {
    command::verify(PIN)
}
