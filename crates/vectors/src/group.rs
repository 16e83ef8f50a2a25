//! What a card has to do with the founder of the vectors' group: it becomes a member, or lets the
//! founder's key open it, or refill its keys' quotas.

use crate::PIN;
use crate::deviation::{Place, Trouble};
use vschsm_card::cvc::Certificate;
use vschsm_card::state::KeyId;
use vschsm_card::{Card, tlv};
use vschsm_host::{Transport, command};

/// The founder of the group that vectors are played to members of: key 1 signs memberships, and
/// key 2 is its exchange key.
const FOUNDER: &[u8] = include_bytes!("../vectors/founder.card");

/// The founder, whose applet is selected, and the 67 object of its key 1.
fn founder() -> (Card, Vec<u8>) {
    let mut founder = Card::load(FOUNDER, [0; 32]).expect("a test plays vectors with it");
    founder.begin().expect("a test plays vectors with it");
    let request = KeyId::try_from(1).ok().and_then(|id| founder.certificate_request(id));
    (founder, request.unwrap_or_default())
}

/// Makes a card a member of the founder's group: a key domain of that number is created.
pub(crate) fn join(
    card: &mut dyn Transport,
    domain: u8,
    place: impl Fn() -> Place,
) -> Result<(), Trouble> {
    let (mut founder, signer) = founder();
    let member = Trouble::unless_ok(card, &place, &command::read(0x2F02))?;
    let signature = sign(&mut founder, &membership_message(&member), &place)?;

    introduce(card, &place)?;
    let command = command::join(domain, &signer, &signature);
    Trouble::unless_ok(card, &place, &command).map(drop)
}

/// Lets a card verify the founder's certificates.
pub(crate) fn introduce(
    card: &mut dyn Transport,
    place: impl Fn() -> Place,
) -> Result<(), Trouble> {
    let (mut founder, _) = founder();
    let chain = Trouble::unless_ok(&mut founder, &place, &command::read(0x2F02))?;
    introductions(&chain)
        .iter()
        .try_for_each(|command| Trouble::unless_ok(card, &place, command).map(drop))
}

/// Tag B4 of a key whose quota the founder's key 1 refills.
pub(crate) fn refill_key() -> Vec<u8> {
    tlv::encode(0xB4, command::content(&founder().1))
}

/// The founder gives key `id` so many uses.
pub(crate) fn refill(
    card: &mut dyn Transport,
    id: u8,
    uses: u32,
    place: impl Fn() -> Place,
) -> Result<(), Trouble> {
    let (mut founder, _) = founder();
    let certificates = Trouble::unless_ok(card, &place, &command::read(0x2F02))?;
    let device = tlv::at(&certificates, &[0x7F21, 0x7F4E, 0x5F20]).unwrap_or_default();
    let key = Trouble::unless_ok(card, &place, &command::select_key(id))?;
    let quota = |tag| tlv::at(&key, &[0x6F, 0xA5, 0xB4, tag]).unwrap_or_default();
    let refills = quota(0x81).try_into().map(u32::from_be_bytes).unwrap_or_default();

    let statement = command::refill_statement(device, id, quota(0x80), refills, uses);
    let signature = sign(&mut founder, &statement, &place)?;
    let refill = command::refill(id, &statement, &signature);
    Trouble::unless_ok(card, &place, &refill).map(drop)
}

/// The signature, in DER, of the founder's key 1.
fn sign(founder: &mut Card, message: &[u8], place: impl Fn() -> Place) -> Result<Vec<u8>, Trouble> {
    Trouble::unless_ok(founder, &place, &command::verify(PIN))?;
    Trouble::unless_ok(founder, &place, &command::with_le([0x80, 0x68, 1, 0x73], message))
}

/// Registers the founder's key 1 for authentication.
pub(crate) fn register(card: &mut dyn Transport, place: impl Fn() -> Place) -> Result<(), Trouble> {
    let (_, request) = founder();

    introduce(card, &place)?;
    let register = command::with_le([0x80, 0x54, 0x00, 0x00], command::content(&request));
    Trouble::unless_ok(card, &place, &register).map(drop)
}

/// The founder's key 1, which is registered, authenticates the user.
pub(crate) fn authenticate(
    card: &mut dyn Transport,
    place: impl Fn() -> Place,
) -> Result<(), Trouble> {
    let (mut founder, request) = founder();
    let name = tlv::at(&request, &[0x67, 0x7F21, 0x7F4E, 0x5F20]).unwrap_or_default();
    let certificates = Trouble::unless_ok(card, &place, &command::read(0x2F02))?;
    let device = tlv::at(&certificates, &[0x7F21, 0x7F4E, 0x5F20]).unwrap_or_default();

    let choose = command::without_le([0x00, 0x22, 0x81, 0xA4], &tlv::encode(0x83, name));
    Trouble::unless_ok(card, &place, &choose)?;
    let challenge = Trouble::unless_ok(card, &place, &[0x00, 0x84, 0x00, 0x00, 0x08])?;
    let signature = sign(&mut founder, &[device, &challenge].concat(), &place)?;
    let signature = command::raw_signature(&signature);
    let answer = command::without_le([0x00, 0x82, 0x00, 0x00], &signature);
    Trouble::unless_ok(card, &place, &answer).map(drop)
}

/// What the signer of a group signs to make a card a member: tag 54, and the x coordinate of the
/// device key that the certificates in its EF 2F02 are for.
#[must_use]
pub fn membership_message(certificates: &[u8]) -> Vec<u8> {
    let point = tlv::at(certificates, &[0x7F21, 0x7F4E, 0x7F49, 0x86]);
    let x = point.and_then(|point| point.get(1..33)).unwrap_or_default();
    [&[0x54], x].concat()
}

/// The commands that let a card verify the certificates in another one's EF 2F02: that of its
/// issuer, and its own.
#[must_use]
pub fn introductions(certificates: &[u8]) -> Vec<Vec<u8>> {
    let objects = tlv::parse(certificates).unwrap_or_default();
    let chain = objects.iter().rev().filter_map(|object| {
        let (certificate, _) = Certificate::take(object.encoded)?;
        let verify = command::without_le([0x00, 0x2A, 0x00, 0xBE], object.value);
        Some([command::choose_issuer(certificate.authority()), verify])
    });
    chain.flatten().collect()
}
