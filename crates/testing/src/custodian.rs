//! Custodians, whose keys open other cards.

use crate::test_card::{TestCard, domain};
use vschsm_host::command::{self, raw_signature};
use vschsm_protocol::tlv;

/// A custodian: a card whose key 1 opens others.
#[derive(Debug)]
pub struct CustodianCard {
    /// The card, logged in.
    pub card: TestCard,
    /// The authenticated request of the key.
    pub request: Vec<u8>,
}

impl CustodianCard {
    /// The custodian of that number; each key has the name of its card.
    #[must_use]
    pub fn new(number: u8) -> Self {
        let template = command::ec_template(&domain("secp256r1"), &[]);
        Self::with_template(number, &template)
    }

    /// The same with a key made from that template, but for its name.
    ///
    /// # Panics
    ///
    /// If the template names no holder.
    #[must_use]
    pub fn with_template(number: u8, template: &[u8]) -> Self {
        let serial = format!("ZZVS000010{number}");
        let mut card = TestCard::with_serial("3.4", &serial, [number; 32]);
        card.initialise_with(&[]);
        let template = renamed(template, format!("{serial}00001").as_bytes());
        let request = card.send(0x00, 0x46, 1, 0x00, &template).expect_ok();
        Self { card, request }
    }

    /// By which name the key is chosen.
    ///
    /// # Panics
    ///
    /// If the request has no name.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        tlv::at(&self.request, &[0x67, 0x7F21, 0x7F4E, 0x5F20]).expect("a name").to_vec()
    }

    /// Signs what opens a card: r ‖ s.
    pub fn sign(&mut self, device: &[u8], challenge: &[u8]) -> Vec<u8> {
        let message = [device, challenge].concat();
        raw_signature(&self.card.sign(1, 0x73, &message).expect_ok())
    }
}

/// A template with another holder of the same length.
///
/// # Panics
///
/// If it has none.
#[must_use]
pub fn renamed(template: &[u8], name: &[u8]) -> Vec<u8> {
    let tag = template.windows(2).rposition(|window| window == [0x5F, 0x20]).expect("tag 5F20");
    [&template[..tag + 3], name, &template[tag + 3 + name.len()..]].concat()
}
