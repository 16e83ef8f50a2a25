//! What a card is made of: images, and firmwares.

use super::{Watched, cards};
use sha2::{Digest, Sha256};
use vschsm_card::Card;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::Profile;
use vschsm_card::state::KeyId;
use vschsm_host::command;
use vschsm_host::command::{ec_template, select_key, with_le};
use vschsm_protocol::tlv;
use vschsm_vectors::{PIN, initialize};

/// How many keys of a card are used.
const MOST_KEYS: usize = 3;

/// Algorithms of SIGN, DECIPHER and CIPHER, the instructions before them.
const USES: [(u8, u8); 9] = [
    (0x68, 0x20),
    (0x68, 0x33),
    (0x68, 0x70),
    (0x68, 0x73),
    (0x62, 0x21),
    (0x62, 0x80),
    (0x78, 0x10),
    (0x78, 0x18),
    (0x78, 0x99),
];

/// A version and the content of an image, whose checksum is made; or from `FF` on an image as it
/// is.
///
/// A card that loads has an image that is the same card, and does nothing but respond.
pub(super) fn image(data: &[u8]) {
    let image = match data {
        [0xFF, image @ ..] => image.to_vec(),
        [version, content @ ..] => with_checksum(*version, content),
        [] => return,
    };
    let Ok(card) = Card::load(&image, [0; 32]) else { return };
    let mut card = Watched::from(card).restarted();
    card.transmit(&cards::login());
    card.transmit(&command::ENUMERATE);
    use_keys(&mut card);
    card.transmit(&command::read(0x2F02));
    card.transmit(&initialize([0x00, 0x01], &tlv::encode(0x91, &[3])));
    drop(card.restarted());
}

/// An image of that version and content.
fn with_checksum(version: u8, content: &[u8]) -> Vec<u8> {
    let mut before = format!("{} {version} ", vschsm_card::image::MAGIC);
    if version >= 7 {
        before += &format!("{} ", content.len());
    }
    let covered = if version < 3 { "" } else { before.as_str() };
    let checksum = Sha256::new().chain_update(covered).chain_update(content).finalize();
    let digits = crate::digits(&checksum).to_lowercase();
    [before.as_bytes(), digits.as_bytes(), b"\n", content, b"\n"].concat()
}

/// Uses the first keys of a card for whatever keys are used for.
pub(super) fn use_keys(card: &mut Watched) {
    let keys: Vec<_> = card.card().state().keys().map(|(id, _)| id.number()).collect();
    for id in keys.into_iter().take(MOST_KEYS) {
        card.transmit(&select_key(id));
        for (ins, algorithm) in USES {
            card.transmit(&with_le([0x80, ins, id, algorithm], &[0x5A; 32]));
        }
        card.transmit(&with_le([0x80, 0x72, id, 0x92], &[]));
        let request = KeyId::try_from(id).ok().and_then(|id| card.card().certificate_request(id));
        assert!(request.is_none_or(|request| !request.is_empty()));
    }
}

/// The text of a firmware file. Others are refused; a card that has it does nothing but respond.
pub(super) fn profile(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let profile = match Profile::parse(text) {
        Ok(profile) => profile,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(Profile::parse(profile.source()).as_ref(), Ok(&profile));
    let order = PersonalisationData { serial: "ZZVS0000001".parse().ok(), chain: None };
    let card = Card::new(&order, profile, [0x5A; 32]).expect("the order is good");
    let mut card = Watched::from(card);
    card.transmit(&initialize([0x00, 0x01], &tlv::encode(0x92, &[1])));
    card.transmit(&command::verify(PIN));
    card.transmit(&command::import_share(0, &cards::DKEK));
    let template = ec_template(&crate::test_card::domain("secp256r1"), &tlv::encode(0x91, &[0x73]));
    card.transmit(&command::generate(1, &template));
    card.transmit(&crate::test_card::extended(0x00, 0x48, 2, 0xB0, &[], false));
    use_keys(&mut card);
    card.transmit(&command::ENUMERATE);
    drop(card.restarted());
}
