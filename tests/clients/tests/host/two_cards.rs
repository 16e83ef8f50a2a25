//! What two cards do with one another.

use crate::keys::key_pair;
use crate::{card, settings};
use clients::PIN;
use vschsm_host::HostError;
use vschsm_host::public_key_authentication::CustodianKey;
use vschsm_host::reader::Reader;
use vschsm_host::smart_card_hsm::{
    DeviceInitialisation, KeyTemplate, SignAlgorithm, SmartCardHsm, membership_message,
};
use vschsm_protocol::cvc::Certificate;

/// Both cards, initialised likewise; the user is logged in to both.
fn both(settings: &DeviceInitialisation) -> [SmartCardHsm<Reader>; 2] {
    [0, 1].map(|number| {
        let mut card = card(number);
        card.initialise(settings).unwrap();
        card.verify_pin(PIN).unwrap();
        card
    })
}

pub(crate) fn moves_a_key_to_another_card() {
    let settings = DeviceInitialisation { dkek_shares: Some(1), ..settings() };
    let [mut first, mut second] = both(&settings);
    for card in [&mut first, &mut second] {
        let status = card.import_key_share(0, &[0x5A; 32]).unwrap();
        assert_eq!(status.missing, 0);
        assert_eq!(status.check_value, vschsm_host::dkek::check_value(&[0x5A; 32]));
    }
    key_pair(&mut first, 1, "rsa:1024", &KeyTemplate::default());
    let blob = first.wrap_key(1).unwrap();
    second.unwrap_key(9, &blob).unwrap();
    let signature = |card: &mut SmartCardHsm<Reader>, key| {
        card.sign(key, SignAlgorithm::RsaPkcs1Sha256, b"a message").unwrap()
    };
    assert_eq!(signature(&mut first, 1), signature(&mut second, 9));
}

pub(crate) fn verifies_certificates() {
    let [mut first, mut second] = both(&settings());
    let certificates = second.device_certificates().unwrap();
    let (device, issuer) = Certificate::take(&certificates).unwrap();
    assert!(!first.select_key_for_verification(device.holder()).unwrap());
    let (issuer, _) = Certificate::take(issuer).unwrap();
    assert!(first.select_key_for_verification(issuer.authority()).unwrap(), "the root");
    first.verify_certificates(&certificates).unwrap();
    assert!(first.select_key_for_verification(device.holder()).unwrap());
    let wrong = first.verify_certificate(&certificates);
    assert!(matches!(wrong, Err(HostError::Refused { .. })), "chosen is not its issuer's key");
}

pub(crate) fn logs_in_by_a_public_key() {
    let (mut first, mut custodian) = (card(0), card(1));
    let public_keys = DeviceInitialisation { pin: None, public_keys: Some((1, 1)), ..settings() };
    custodian.initialise(&settings()).unwrap();
    custodian.verify_pin(PIN).unwrap();
    let template = KeyTemplate { algorithms: vec![0x73], ..KeyTemplate::default() };
    key_pair(&mut custodian, 1, "ec:secp256r1", &template);
    first.initialise(&public_keys).unwrap();
    let key = CustodianKey::read(&mut custodian, 1).unwrap();
    let file = key.encode().unwrap();
    let status = first.register_key(&CustodianKey::parse(&file).unwrap()).unwrap();
    assert_eq!((status.missing, status.required), (0, 1));
    let registered = first.registered_keys().unwrap();
    assert!(registered.iter().map(|registered| &registered.holder).eq([key.holder()]));
    first.reselect().unwrap();
    assert!(!first.is_logged_in().unwrap());
    assert!(first.select_key_for_authentication(key.holder()).unwrap());
    first.authentication_message().unwrap();
    assert!(!first.external_authenticate(&[0x5A; 64]).unwrap(), "a wrong signature");
    assert!(first.authenticate_with(&mut custodian, 1).unwrap());
    assert!(first.is_logged_in().unwrap());
}

pub(crate) fn exchanges_key_encryption_keys() {
    let settings = DeviceInitialisation { key_domains: Some(2), ..settings() };
    let [mut first, mut second] = both(&settings);
    let chains = [first.device_certificates().unwrap(), second.device_certificates().unwrap()];
    // The group's signer is a key of the first card.
    let template = KeyTemplate { algorithms: vec![0x73], ..KeyTemplate::default() };
    key_pair(&mut first, 1, "ec:brainpoolP256r1", &template);
    let signer = first.key_certificate(1).unwrap().unwrap();
    let memberships = chains.each_ref().map(|chain| {
        let message = membership_message(chain).unwrap();
        first.sign(1, SignAlgorithm::EcdsaSha256, &message).unwrap()
    });
    for (card, membership) in [&mut first, &mut second].into_iter().zip(&memberships) {
        chains.iter().for_each(|chain| card.verify_certificates(chain).unwrap());
        let status = card.create_exchange_key_domain(1, &signer, membership).unwrap();
        assert_eq!((status.shares, status.uid.len()), (0xFF, 64));
    }
    let template =
        KeyTemplate { algorithms: vec![0x84], domain: Some(1), ..KeyTemplate::default() };
    let requests = [&mut first, &mut second].map(|card| {
        let spec = "ec:brainpoolP256r1".parse().unwrap();
        card.generate_key(2, &spec, &template).unwrap().unwrap()
    });
    first.derive_exchange_key(2, &requests[1]).unwrap();
    second.derive_exchange_key(2, &requests[0]).unwrap();
    let domains = [first.key_domains().unwrap(), second.key_domains().unwrap()];
    let [of_first, of_second] = &domains;
    assert_eq!(of_first, of_second);
    assert!(of_first.first().is_some_and(|domain| domain.check_value != [0; 8]));
    second.delete_key_domain(1).unwrap_err();
    second.delete_key(2).unwrap();
    second.delete_key_domain(1).unwrap();
    assert_eq!(second.key_domain(1).unwrap(), None);
}
