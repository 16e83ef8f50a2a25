//! Cards that exchange keys: what the signer of a group and its members send each other.

use crate::test_card::{TestCard, TestResponse, tlv};
use vschsm_host::command::{self, content};
use vschsm_vectors::peer_card::{membership_message, verification_commands};

/// The curve of group signers and exchange keys.
pub const CURVE: &str = "brainpoolP256r1";

/// Makes a key for ECDSA that signs memberships: its authenticated request.
pub fn group_signer(card: &mut TestCard, id: u8) -> Vec<u8> {
    card.generate_ec(id, CURVE, &tlv(0x91, &[0x73]))
}

/// Makes a key that agrees on the key of a domain: its authenticated request.
pub fn exchange_key(card: &mut TestCard, id: u8, domain: u8) -> Vec<u8> {
    card.generate_ec(id, CURVE, &[tlv(0x91, &[0x84]), tlv(0x92, &[domain])].concat())
}

/// Makes a new card, logged in, with five slots for key domains.
#[must_use]
pub fn card(firmware: &str, number: u8) -> TestCard {
    let mut card = TestCard::with_serial(firmware, &format!("ZZVS000{number:04}"), [number; 32]);
    card.initialise_with(&tlv(0x97, &[5]));
    card
}

/// Makes two cards a group, in that domain: key 1 of the first one signs the memberships. The
/// signer's authenticated request.
pub fn create_group(first: &mut TestCard, second: &mut TestCard, domain: u8) -> Vec<u8> {
    let signer = group_signer(first, 1);
    let both = [certificates(first), certificates(second)];
    let memberships = both.each_ref().map(|certificates| membership(first, 1, certificates));
    for (member, membership) in [first, second].into_iter().zip(&memberships) {
        both.iter().for_each(|certificates| verify_peer(member, certificates));
        join(member, domain, &signer, membership).expect_ok();
    }
    signer
}

/// What EF 2F02 of a card holds: the certificates of device and issuer.
pub fn certificates(card: &mut TestCard) -> Vec<u8> {
    card.read(0x2F02).expect_ok()
}

/// Lets `card` verify the certificates of another one, as clients do: the issuer's and the
/// device's.
pub fn verify_peer(card: &mut TestCard, certificates: &[u8]) {
    for command in verification_commands(certificates) {
        card.transmit(&command).expect_ok();
    }
}

/// The signature, in DER, by which the signer with number `id` of `card` makes the card that has
/// `certificates` in EF 2F02 a member.
pub fn membership(card: &mut TestCard, id: u8, certificates: &[u8]) -> Vec<u8> {
    let message = membership_message(certificates).expect("the certificates of a card");
    card.sign(id, 0x73, &message).expect_ok()
}

/// Creates the domain of the group of a signer, given by its authenticated request.
pub fn join(card: &mut TestCard, domain: u8, signer: &[u8], membership: &[u8]) -> TestResponse {
    card.transmit(&command::join(domain, signer, membership))
}

/// Agrees on the key of the domain that key `id` is in with the card whose exchange key's
/// authenticated request this is.
pub fn agree(card: &mut TestCard, id: u8, peer: &[u8]) -> TestResponse {
    card.decipher(id, 0x84, content(peer))
}

/// What MANAGE KEY DOMAIN says of a domain: check value and UID.
pub fn state(card: &mut TestCard, domain: u8) -> (Vec<u8>, Vec<u8>) {
    let state = card.send(0x80, 0x52, 0x00, domain, &[]).expect_ok();
    assert_eq!(state[..2], [0xFF, 0x00], "a domain for key exchange");
    (state[2..10].to_vec(), state[10..].to_vec())
}
