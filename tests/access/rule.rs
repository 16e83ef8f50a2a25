//! The rule: whatever changes who may use a key needs the user's authentication, and whatever is
//! derived from a counted or limited key inherits the limit itself, not a copy.

use std::collections::BTreeSet;
use vschsm_card::Card;
use vschsm_card::state::{Key, State};
use vschsm_host::command::{
    self, choose_issuer, content, ec_template, refill_token, with_le, without_le,
};
use vschsm_protocol::instruction::{self, APPLET};
use vschsm_protocol::tlv::encode;
use vschsm_testing::custodian::CustodianCard;
use vschsm_testing::group::{certificates, verify_peer};
use vschsm_testing::hex;
use vschsm_testing::test_card::{PIN, SO_PIN, TestCard, domain};
use vschsm_vectors::initialize;

/// The newest firmware with all commands there are, ours included.
const FIRMWARE: &str = "3.4+quota";

/// What decides about who may use keys, and how often.
#[derive(Debug, PartialEq)]
struct Access {
    keys: Vec<(u8, String)>,
    custodians: Vec<Option<Vec<u8>>>,
    options: u16,
    domains: Vec<Option<String>>,
    pins: vschsm_card::state::Pins,
}

fn access(state: &State) -> Access {
    let key = |key: &Key| {
        let limits = (key.algorithms(), state.uses_left(key), key.effective_domain(), key.quota());
        format!("{} bits, {:02X?}, {limits:02X?}", key.bits(), key.public_key())
    };
    let custodians = state.configuration().authentication_keys.iter();
    let slots = custodians.flat_map(|keys| keys.slots());
    Access {
        keys: state.keys().map(|(id, it)| (id.number(), key(it))).collect(),
        custodians: slots.map(|slot| slot.as_ref().map(|it| it.holder().to_vec())).collect(),
        options: state.configuration().options.0,
        domains: state.domains().iter().map(|(_, it)| it.map(|it| format!("{it:?}"))).collect(),
        pins: state.pins().clone(),
    }
}

/// Commands that a user may give, each after what has to come first.
struct Example {
    name: &'static str,
    commands: Vec<Vec<u8>>,
}

/// A card with keys, domains and a custodian, of its user, who has gone; and the custodian's card.
fn card() -> (TestCard, CustodianCard) {
    let (mut card, mut custodian) = (TestCard::new(FIRMWARE), CustodianCard::new(1));
    let objects = [encode(0x97, &[3]), encode(0x93, &[3, 1])].concat();
    card.transmit(&initialize([0x00, 0x0D], &objects)).expect_ok();
    verify_peer(&mut card, &certificates(&mut custodian.card));
    card.send(0x80, 0x54, 0, 0, content(&custodian.request)).expect_ok();
    for (domain, shares) in [(0, 1), (1, 2)] {
        card.send(0x80, 0x52, 0x01, domain, &[shares]).expect_ok();
        card.import_share(domain, &[0x44; 32]).expect_ok();
    }
    card.generate_ec(1, "secp256r1", &encode(0x91, &[0x73, 0x80, 0x92, 0x94, 0x98]));
    card.generate_aes(2, 128, &[]);
    let quota = [encode(0x90, &[0, 0, 0, 5]), encode(0xB4, content(&custodian.request))];
    card.generate_ec(3, "secp256r1", &quota.concat());
    card.reset();
    (card, custodian)
}

fn example(name: &'static str, command: &[u8]) -> Example {
    Example { name, commands: vec![command.to_vec()] }
}

/// All commands that the card has, with what changes something if the user gives them.
fn examples(card: &mut TestCard, custodian: &mut CustodianCard) -> Vec<Example> {
    let mut examples = examples_of_access(card, custodian);
    examples.extend(examples_of_keys(card, custodian));
    for (name, command) in [
        ("ENUMERATE OBJECTS", &command::ENUMERATE[..]),
        ("GET CHALLENGE", &hex("0084000008")),
        ("GENERAL AUTHENTICATE", &hex("0086000000")),
        ("SELECT", &hex("00A4000002CC0100")),
        ("READ BINARY", &command::read(0x2F02)),
        ("UPDATE BINARY", &command::write(0xCF01, b"x")),
        ("DELETE FILE", &hex("00E4020002CC01")),
    ] {
        examples.push(example(name, command));
    }
    examples
}

/// Those about PINs, custodians and trusted certificates.
fn examples_of_access(card: &mut TestCard, custodian: &mut CustodianCard) -> Vec<Example> {
    let introductions =
        vschsm_vectors::peer_card::verification_commands(&certificates(&mut custodian.card));
    let mut other = CustodianCard::new(2);
    let others = vschsm_vectors::peer_card::verification_commands(&certificates(&mut other.card));
    let manage = |p1, number| {
        let request = with_le([0x80, 0x54, p1, number], content(&other.request));
        let commands = [others.clone(), vec![request]].concat();
        Example { name: "MANAGE PUBLIC KEY AUTHENTICATION", commands }
    };
    let change = without_le([0x00, 0x24, 0, 0x81], &[PIN.as_bytes(), b"123456"].concat());
    let reset = without_le([0x00, 0x2C, 0, 0x81], &[&SO_PIN[..], b"123456"].concat());
    vec![
        example("VERIFY", &command::verify(PIN)),
        example("MANAGE SECURITY ENVIRONMENT", &choose_issuer(b"ZZSRCAVS100001")),
        example("CHANGE REFERENCE DATA", &change),
        Example { name: "VERIFY CERTIFICATE", commands: introductions },
        example("RESET RETRY COUNTER", &reset),
        example("REFILL QUOTA", &refill(card, custodian)),
        example("INITIALIZE DEVICE", &initialize([0x00, 0x01], &[])),
        manage(0x00, 0x00),
        manage(0x01, 0x00),
        example("GENERATE SESSION PIN", &hex("805A018100")),
        example("EXTERNAL AUTHENTICATE", &without_le([0x00, 0x82, 0, 0], &[1; 64])),
    ]
}

/// Those about keys and domains.
fn examples_of_keys(card: &mut TestCard, custodian: &mut CustodianCard) -> Vec<Example> {
    let template = ec_template(&domain("secp256r1"), &[]);
    let copy = TestCard::from(Card::load(&card.card().image(), [1; 32]).unwrap());
    let blob = copy.logged_in().wrap_key(1).expect_ok();
    let exchange = content(&custodian.request);
    [
        ("GENERATE ASYMMETRIC KEY PAIR", command::generate(1, &template)),
        ("GENERATE SYMMETRIC KEY", hex("004802B2")),
        ("MANAGE KEY DOMAIN", with_le([0x80, 0x52, 0x00, 0x01], &[0xE1; 32])),
        ("MANAGE KEY DOMAIN", with_le([0x80, 0x52, 0x01, 0x02], &[1])),
        ("MANAGE KEY DOMAIN", hex("8052030100")),
        ("MANAGE KEY DOMAIN", hex("8052040000")),
        ("DERIVE XKEK", with_le([0x80, 0x62, 1, 0x84], exchange)),
        ("DECIPHER", with_le([0x80, 0x62, 1, 0x80], &domain("secp256r1").g)),
        ("SIGN", with_le([0x80, 0x68, 3, 0x73], b"x")),
        ("WRAP KEY", hex("8072019200")),
        ("UNWRAP KEY", without_le([0x80, 0x74, 0x04, 0x93], &blob)),
        ("UNWRAP KEY", without_le([0x80, 0x74, 0x02, 0x93], &blob)),
        ("DERIVE EC KEY", hex("80760104029801")),
        ("CIPHER", with_le([0x80, 0x78, 2, 0x10], &[0; 16])),
    ]
    .map(|(name, command)| example(name, &command))
    .into()
}

/// REFILL QUOTA of key 3, signed by the custodian.
fn refill(card: &mut TestCard, custodian: &mut CustodianCard) -> Vec<u8> {
    let own = certificates(card);
    let device = vschsm_protocol::tlv::at(&own, &[0x7F21, 0x7F4E, 0x5F20]).unwrap();
    let key = card.transmit(&command::select_key(3)).expect_ok();
    let identifier = vschsm_protocol::tlv::at(&key, &[0x6F, 0xA5, 0xB4, 0x80]).unwrap();
    let token = refill_token(device, 3, identifier, 0, 9);
    let signature = custodian.card.sign(1, 0x73, &token).expect_ok();
    command::refill(3, &token, &signature)
}

/// What authenticates by itself, or was published to need no login; whatever else changes who may
/// use a key, changes nothing without.
fn needs_no_login(name: &str, command: &[u8]) -> bool {
    match name {
        // The PIN or the SO-PIN is in the command.
        "CHANGE REFERENCE DATA" | "RESET RETRY COUNTER" | "INITIALIZE DEVICE" => true,
        // The signature of the refill key is.
        "REFILL QUOTA" => true,
        // A share, for which OpenSC's and the vendor's tools do not log in: keys are wrapped with
        // what becomes of it after login only.
        "MANAGE KEY DOMAIN" => command.get(2) == Some(&0x00),
        _ => false,
    }
}

#[test]
fn whatever_changes_who_may_use_a_key_needs_the_users_authentication() {
    let (mut original, mut custodian) = card();
    let examples = examples(&mut original, &mut custodian);
    let known: BTreeSet<_> = (0..=u16::MAX)
        .map(u16::to_be_bytes)
        .filter_map(|[ins, p2]| instruction::name(APPLET, ins, p2))
        .collect();
    let shown: BTreeSet<_> = examples.iter().map(|example| example.name).collect();
    assert_eq!(known, shown, "every command has an example");

    let image = original.card().image();
    let before = access(original.card().state());
    let run = |commands: &[Vec<u8>], logged_in: bool| {
        let mut card = TestCard::from(Card::load(&image, [2; 32]).unwrap());
        card.reset();
        let mut card = if logged_in { card.logged_in() } else { card };
        let statuses = commands.iter().map(|command| card.transmit(command).status);
        let last = statuses.last().unwrap();
        (last, access(card.card().state()) != before)
    };
    let mut changing = BTreeSet::new();
    for Example { name, commands } in &examples {
        let last = commands.last().unwrap();
        if run(commands, true).1 {
            changing.insert(*name);
            let (status, changed) = run(commands, false);
            assert_eq!(changed, needs_no_login(name, last), "{name} without login: {status:04X}");
        } else {
            assert!(!run(commands, false).1, "{name} without login");
        }
    }
    let expected = BTreeSet::from([
        "CHANGE REFERENCE DATA",
        "DELETE FILE",
        "DERIVE EC KEY",
        "GENERATE ASYMMETRIC KEY PAIR",
        "GENERATE SYMMETRIC KEY",
        "INITIALIZE DEVICE",
        "MANAGE KEY DOMAIN",
        "MANAGE PUBLIC KEY AUTHENTICATION",
        "REFILL QUOTA",
        "RESET RETRY COUNTER",
        "SIGN",
        "UNWRAP KEY",
    ]);
    assert_eq!(changing, expected, "the examples do what they are examples of");
}

#[test]
fn what_is_derived_or_imported_inherits_every_limit() {
    let list = encode(0x91, &[0x73, 0x92, 0x98]);
    let in_domain = encode(0x92, &[1]);
    for (uses, may_be_wrapped) in [(None, true), (Some(7_u32), false)] {
        let mut card = TestCard::new("3.4");
        card.initialise_with(&encode(0x97, &[2]));
        card.send(0x80, 0x52, 0x01, 0x01, &[1]).expect_ok();
        card.import_share(1, &[0x44; 32]).expect_ok();
        let counter = uses.map(|uses| encode(0x90, &uses.to_be_bytes())).unwrap_or_default();
        let limits = [&counter[..], &list, &in_domain].concat();
        card.generate_ec(1, "secp256r1", &limits);
        card.hex("80760102029801").expect_ok();
        let wrapped = card.wrap_key(1);
        assert_eq!(wrapped.status == 0x9000, may_be_wrapped, "a copy would be uncounted");
        if may_be_wrapped {
            card.unwrap_key(3, &wrapped.data).expect_ok();
        }
        let state = card.card().state();
        let limits = state.keys().map(|(_, key)| {
            (key.algorithms().to_vec(), key.effective_domain(), state.uses_left(key))
        });
        let limits: Vec<_> = limits.collect();
        let expected = (vec![0x73, 0x92, 0x98], 1, uses.map(|uses| uses - 1));
        assert_eq!(limits, vec![expected; 2 + usize::from(may_be_wrapped)]);
    }
}
