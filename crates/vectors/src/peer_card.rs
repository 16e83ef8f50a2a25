//! The peer card of the vectors: another card, whose key signs memberships of a group for key
//! exchange, authenticates to a card for public key authentication, or refills its keys' quotas.

use crate::PIN;
use crate::play_error::{Location, PlayError, expect_ok};
use vschsm_card::Card;
use vschsm_card::state::KeyId;
pub use vschsm_host::smart_card_hsm::membership_message;
use vschsm_host::{Transport, command};
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::tlv;

/// Its image: key 1 signs memberships, refills and challenges, and key 2 is its exchange key.
const PEER_CARD: &[u8] = include_bytes!("../vectors/peer.card");

/// The peer card, whose applet is selected, and the authenticated request of its key 1.
fn peer_card() -> (Card, Vec<u8>) {
    let mut peer = Card::load(PEER_CARD, [0; 32]).expect("a test plays vectors with it");
    peer.begin().expect("a test plays vectors with it");
    let request = KeyId::try_from(1).ok().and_then(|id| peer.certificate_request(id));
    (peer, request.unwrap_or_default())
}

/// Makes a card a member of the peer card's group: a key domain of that number is created.
pub(crate) fn join(
    card: &mut dyn Transport,
    domain: u8,
    location: impl Fn() -> Location,
) -> Result<(), PlayError> {
    let (mut peer, signer) = peer_card();
    let member = expect_ok(card, &location, &command::read(0x2F02))?;
    let message = membership_message(&member).unwrap_or_default();
    let signature = sign(&mut peer, &message, &location)?;

    verify_certificates(card, &location)?;
    let command = command::join(domain, &signer, &signature);
    expect_ok(card, &location, &command).map(drop)
}

/// Lets a card verify the peer card's certificates.
pub(crate) fn verify_certificates(
    card: &mut dyn Transport,
    location: impl Fn() -> Location,
) -> Result<(), PlayError> {
    let (mut peer, _) = peer_card();
    let chain = expect_ok(&mut peer, &location, &command::read(0x2F02))?;
    verification_commands(&chain)
        .iter()
        .try_for_each(|command| expect_ok(card, &location, command).map(drop))
}

/// Tag B4 of a key whose quota the peer card's key 1 refills.
pub(crate) fn refill_key() -> Vec<u8> {
    tlv::encode(0xB4, command::content(&peer_card().1))
}

/// The peer card refills the quota of key `id` by so many uses.
pub(crate) fn refill(
    card: &mut dyn Transport,
    id: u8,
    uses: u32,
    location: impl Fn() -> Location,
) -> Result<(), PlayError> {
    let (mut peer, _) = peer_card();
    let certificates = expect_ok(card, &location, &command::read(0x2F02))?;
    let device = tlv::at(&certificates, &[0x7F21, 0x7F4E, 0x5F20]).unwrap_or_default();
    let key = expect_ok(card, &location, &command::select_key(id))?;
    let quota = |tag| tlv::at(&key, &[0x6F, 0xA5, 0xB4, tag]).unwrap_or_default();
    let refills = quota(0x81).try_into().map(u32::from_be_bytes).unwrap_or_default();

    let token = command::refill_token(device, id, quota(0x80), refills, uses);
    let signature = sign(&mut peer, &token, &location)?;
    let refill = command::refill(id, &token, &signature);
    expect_ok(card, &location, &refill).map(drop)
}

/// The signature, in DER, of the peer card's key 1.
fn sign(
    peer: &mut Card,
    message: &[u8],
    location: impl Fn() -> Location,
) -> Result<Vec<u8>, PlayError> {
    expect_ok(peer, &location, &command::verify(PIN))?;
    expect_ok(peer, &location, &command::with_le([0x80, 0x68, 1, 0x73], message))
}

/// Registers the peer card's key 1 for authentication.
pub(crate) fn register(
    card: &mut dyn Transport,
    location: impl Fn() -> Location,
) -> Result<(), PlayError> {
    let (_, request) = peer_card();

    verify_certificates(card, &location)?;
    let register = command::with_le([0x80, 0x54, 0x00, 0x00], command::content(&request));
    expect_ok(card, &location, &register).map(drop)
}

/// The peer card's key 1, which is registered, authenticates the user.
pub(crate) fn authenticate(
    card: &mut dyn Transport,
    location: impl Fn() -> Location,
) -> Result<(), PlayError> {
    let (mut peer, request) = peer_card();
    let name = tlv::at(&request, &[0x67, 0x7F21, 0x7F4E, 0x5F20]).unwrap_or_default();
    let certificates = expect_ok(card, &location, &command::read(0x2F02))?;
    let device = tlv::at(&certificates, &[0x7F21, 0x7F4E, 0x5F20]).unwrap_or_default();

    let choose = command::without_le([0x00, 0x22, 0x81, 0xA4], &tlv::encode(0x83, name));
    expect_ok(card, &location, &choose)?;
    let challenge = expect_ok(card, &location, &[0x00, 0x84, 0x00, 0x00, 0x08])?;
    let signature = sign(&mut peer, &[device, &challenge].concat(), &location)?;
    let signature = command::raw_signature(&signature);
    let authenticate = command::without_le([0x00, 0x82, 0x00, 0x00], &signature);
    expect_ok(card, &location, &authenticate).map(drop)
}

/// The commands that let a card verify the certificates in another one's EF 2F02: that of its
/// issuer, and its own.
#[must_use]
pub fn verification_commands(certificates: &[u8]) -> Vec<Vec<u8>> {
    let objects = tlv::parse(certificates).unwrap_or_default();
    let chain = objects.iter().rev().filter_map(|object| {
        let (certificate, _) = Certificate::take(object.encoded)?;
        let verify = command::without_le([0x00, 0x2A, 0x00, 0xBE], object.value);
        Some([command::choose_issuer(certificate.authority()), verify])
    });
    chain.flatten().collect()
}
