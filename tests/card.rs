//! What whoever has a card in hand can do with it, apart from sending commands.

use vschsm_card::Card;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::{BUILT_IN, Profile};
use vschsm_testing::test_card::TestCard;

#[test]
fn a_card_has_the_atr_of_its_firmware() {
    for (firmware, source) in BUILT_IN {
        let profile = Profile::built_in(firmware).unwrap();
        let card = Card::new(&PersonalisationData::default(), profile, [1; 32]).unwrap();
        let atr = vschsm_testing::digits(card.atr());
        assert!(source.contains(&format!("atr = \"{atr}\"")), "{firmware}: {atr}");
    }
}

#[test]
fn tries_can_be_set_up_to_what_a_fresh_pin_has() {
    let mut delivered = TestCard::new("3.4");
    let why = delivered.card().set_tries(Some(1), None).unwrap_err();
    assert_eq!(why.to_string(), "the card has no user PIN");
    let why = delivered.card().set_tries(None, Some(1)).unwrap_err();
    assert_eq!(why.to_string(), "the card has no SO-PIN yet");

    let mut card = TestCard::initialised("3.4");
    card.reset();
    let [user, code] = ["00200081", "00200088"];
    for tries in 0..=3 {
        card.card().set_tries(Some(tries), Some(15 - tries)).unwrap();
        let blocked = if tries == 0 { 0x6983 } else { 0x63C0 | u16::from(tries) };
        assert_eq!(card.hex(user).status, blocked);
        assert_eq!(card.hex(code).status, 0x63CF - u16::from(tries));
    }
    let why = card.card().set_tries(Some(4), Some(1)).unwrap_err();
    assert_eq!(why.to_string(), "that PIN never has more than 3 tries");
    let why = card.card().set_tries(Some(1), Some(16)).unwrap_err();
    assert_eq!(why.to_string(), "that PIN never has more than 15 tries");
    assert_eq!(format!("{:?}", card.card().state().pins().user()), "Some(Pin(3 of 3 tries left))");
    let mut card = card.restarted();
    assert_eq!([user, code].map(|query| card.hex(query).status), [0x63C3, 0x63CC]);
}
