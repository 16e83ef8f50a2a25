//! `vschsm_host` does what the vendor's card service for Java does, with cards in pcscd with vpcd,
//! and with cards in readers of the built-in server.
//!
//! Source of the list: the public methods of `SmartCardHSMCardService` in CardContact's fork of the
//! OpenCard Framework, package `de.cardcontact.opencard.service.smartcardhsm`, in the version that
//! implements `RemoteUpdateService`. Each stands with the test that has it; see [`NOT_A_CARD`] for
//! the others.
//!
//! libpcsclite reads the name of its socket once per process, so each test runs in a process of its
//! own, which is this program again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod device;
mod keys;
mod two_cards;

use clients::{PIN, Station, Way};
use std::env;
use std::process::Command;
use vschsm_host::SmartCardHsm;
use vschsm_host::reader::Reader;
use vschsm_host::secret::Secret;
use vschsm_host::smart_card_hsm::DeviceInitialisation;

/// The environment variable with the readers' names, a line each, of a test in its own process.
const READERS: &str = "VSCHSM_TEST_READERS";

/// The SO-PIN of [`initialised`] cards.
const SO_PIN: [u8; 8] = *b"57621880";

/// A test, the number of cards that it needs, and the methods of the card service that it has the
/// counterpart of.
macro_rules! functions {
    ($($name:ident, $module:ident, $cards:literal, $methods:literal;)*) => {
        /// Each test, and the methods of the card service that it is about.
        const FUNCTIONS: &[(&str, &str)] = &[$((stringify!($name), $methods)),*];

        $(
            mod $name {
                #[test]
                fn through_pcscd() {
                    let name = concat!(stringify!($name), "::through_pcscd");
                    super::in_a_process(name, Way::Pcscd, $cards, super::$module::$name);
                }

                #[test]
                fn through_the_built_in_server() {
                    let name = concat!(stringify!($name), "::through_the_built_in_server");
                    super::in_a_process(name, Way::BuiltIn, $cards, super::$module::$name);
                }

                use clients::Way;
            }
        )*
    };
}

functions! {
    selects_the_applet, device, 1, "getVersion getRoot closeApplication sendCommandAPDU";
    names_the_device, device, 1, "getId getDevAutPK";
    opens_a_secure_channel, device, 1,
        "initSecureMessaging deactivateSecureMessaging manageSE generalAuthenticate";
    initialises, device, 1, "initialize";
    verifies_pins, device, 1, "verifyPassword getPasswordStatus getSecurityStatus verifyBio";
    changes_pins, device, 1, "changeReferenceData";
    unblocks_the_pin, device, 1, "resetRetryCounter";
    reads_and_writes_files, device, 1,
        "read write create exists getFileInfo delete setFastDeleteThreshold enumerateObjects";
    reads_the_provisioning_url, device, 1, "getProvisioningURL";
    gives_random_bytes, device, 1, "generateRandom";
    generates_key_pairs, keys, 1, "generateKeyPair";
    generates_secret_keys, keys, 1, "generateKey deriveSymmetricKey";
    signs_messages, keys, 1, "signData";
    signs_hashes, keys, 1, "signHash";
    deciphers, keys, 1, "decipher";
    agrees_on_points, keys, 1, "performECCDH";
    names_keys, keys, 1,
        "getAliases addKey addKeyToMap containsLabel getSmartCardHSMEntry renameEntry removeEntry \
         determineFreeKeyId storePRKD";
    stores_certificates, keys, 1,
        "addCertToMap addDeviceCertificateToAliases determineFreeCAId";
    moves_a_key_to_another_card, two_cards, 2, "importDKEKShare wrapKey unwrapKey";
    verifies_certificates, two_cards, 2,
        "verifyCertificate verifyCertificateChain selectPubKeyForSignature";
    logs_in_by_a_public_key, two_cards, 2,
        "importPublicKey selectPubKeyForAuthentication externalAuthenticate";
    exchanges_key_encryption_keys, two_cards, 2, "deriveXKEK getKeyDomains deleteKeyDomain";
}

/// The card service's other public methods, which are about no card: dialogues and PIN pads, the
/// vendor's remote service, and what says "not implemented".
const NOT_A_CARD: &str = "useClassThreePinPad getChangeReferenceDataDialog \
    setChangeReferenceDataDialog update cancel getPasswordLength provideCredentials appendRecord \
    readRecord readRecords writeRecord invalidate rehabilitate readPublicKey verifySignedData \
    verifySignedHash";

#[test]
fn each_method_of_the_card_service_stands_once() {
    let listed = FUNCTIONS.iter().map(|(_, methods)| *methods).chain([NOT_A_CARD]);
    let mut methods: Vec<_> = listed.flat_map(str::split_whitespace).collect();
    assert_eq!(methods.len(), 74);
    methods.sort_unstable();
    methods.dedup();
    assert_eq!(methods.len(), 74);
}

/// Runs a test in a process of its own, which finds cards in a private pcscd, or in readers of the
/// server of `vschsm`.
fn in_a_process(name: &str, way: Way, cards: usize, test: fn()) {
    if env::var_os(READERS).is_some() {
        return test();
    }
    let mut station = Station::delivered(way, &["--serial", "ZZVS0000001"]);
    if cards > 1 {
        station.insert_second_card(&["--serial", "ZZVS0000002"]);
    }
    let readers: Vec<_> = (0..cards).map(|slot| station.reader(slot)).collect();
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("PCSCLITE_CSOCK_NAME", station.socket())
        .env(READERS, readers.join("\n"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stderr) + String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && told.contains("1 passed"), "{told}");
}

/// The card in the reader of that number, as delivered.
fn card(number: usize) -> SmartCardHsm<Reader> {
    let readers = env::var(READERS).unwrap();
    let name = readers.lines().nth(number).unwrap();
    SmartCardHsm::select(Reader::open(name).unwrap()).unwrap()
}

/// [`PIN`], [`SO_PIN`], and nothing else.
fn settings() -> DeviceInitialisation {
    DeviceInitialisation {
        pin: Some(Secret::new(PIN.into())),
        so_pin: Secret::new(SO_PIN),
        ..DeviceInitialisation::default()
    }
}

/// The card in the first reader, initialised; the user is logged in.
fn initialised() -> SmartCardHsm<Reader> {
    let mut card = card(0);
    card.initialise(&settings()).unwrap();
    card.verify_pin(PIN).unwrap();
    card
}
