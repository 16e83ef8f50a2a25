//! Flows: checks that need computation, which a vector cannot express.

mod aes;
mod backup;
mod dialogue;
mod ec;
mod pin;
mod random;
mod rsa;

pub(crate) use backup::{DOES, ImportOutcome, LIST, carry_over, delete, export, import};
pub(crate) use dialogue::Dialogue;

use vschsm_host::Transport;
use vschsm_vectors::PlayError;

/// A flow: the same as a vector, with a function in place of commands and responses.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) name: &'static str,
    /// What it checks, as a sentence.
    pub(crate) title: &'static str,
    /// Where the fact comes from.
    pub(crate) source: &'static str,
    /// The firmwares it is for, as in a vector.
    pub(crate) firmwares: &'static str,
    /// The state of the card before, as in a vector.
    pub(crate) card: &'static str,
    /// Its further changes to the card, if any.
    pub(crate) does: Option<&'static str>,
    steps: fn(&mut Dialogue<'_>) -> Result<(), PlayError>,
}

/// The flows, beginning with those that change nothing.
pub(crate) const FLOWS: &[Flow] = &[
    Flow {
        name: "random_numbers_differ",
        title: "Two random numbers from a card differ.",
        source: "derived (the purpose of a random number)",
        firmwares: "-",
        card: "any",
        does: None,
        steps: random::two_numbers_differ,
    },
    Flow {
        name: "ec_key_signs",
        title: "A new EC key signs its own request, and then other data.",
        source: "observed (requests of a Nitrokey HSM 2, firmware 4.1, verify); TR-03110 C.2",
        firmwares: "-",
        card: "initialised, logged in",
        does: Some("makes key 1 secp256r1"),
        steps: ec::key_signs,
    },
    Flow {
        name: "ecdh_agrees",
        title: "Both sides of ECDH come to the same point.",
        source: "observed (openKex's tests on cards of 1.2 and 2.0); SP 800-56A 5.7.1.2",
        firmwares: "-",
        card: "initialised, logged in",
        does: Some("makes key 1 secp256r1"),
        steps: ec::both_sides_agree,
    },
    Flow {
        name: "rsa_key_signs_and_decrypts",
        title: "A new RSA key signs, and decrypts what was encrypted for it.",
        source: "published (OpenSC card-sc-hsm.c, sc_hsm_compute_signature and sc_hsm_decipher)",
        firmwares: "-",
        card: "initialised, logged in",
        does: Some("makes key 1 RSA 2048"),
        steps: rsa::key_signs_and_decrypts,
    },
    Flow {
        name: "aes_key_is_one_key",
        title: "AES-CBC decrypts what it encrypted, and AES-CMAC is made with the same key.",
        source: "published (sc-hsm-embedded token-sc-hsm.c; RFC 4493)",
        firmwares: "3.0-",
        card: "initialised, key 1 AES 128, key 2 AES 256, logged in",
        does: None,
        steps: aes::modes_agree,
    },
    Flow {
        name: "key_survives_export",
        title: "A key survives export, deletion and import, and signs.",
        source: "published (OpenSC card-sc-hsm.c, sc_hsm_wrap_key and sc_hsm_unwrap_key)",
        firmwares: "-",
        card: "shares 1, share A5, logged in",
        does: Some(backup::DOES),
        steps: backup::key_survives,
    },
    Flow {
        name: "key_with_list_survives_export",
        title: "A key with an algorithm list survives export, deletion and import, and signs.",
        source: "observed (Nitrokey support thread 1783: 6F00 on 3.1, not on 2.6 and 3.2); of \
                 others it is a guess",
        firmwares: "2.0-3.0 3.2-",
        card: "shares 1, share A5, logged in",
        does: Some(backup::DOES),
        steps: backup::key_with_list_survives,
    },
    Flow {
        name: "pin_is_changed_and_back",
        title: "After a change the new PIN is right and the old one wrong, until changed back.",
        source: "observed (openKex's tests on cards of 1.2 and 2.0)",
        firmwares: "-",
        card: "initialised",
        does: Some("changes the user PIN, tries the old one, and changes it back"),
        steps: pin::there_and_back,
    },
];

impl Flow {
    /// Runs the flow on a card that is in its state.
    pub(crate) fn run(&self, card: &mut dyn Transport) -> Result<(), PlayError> {
        (self.steps)(&mut Dialogue::with(card))
    }
}
