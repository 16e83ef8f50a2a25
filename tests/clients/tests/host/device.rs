//! The device, its PINs and its files.

use crate::{SO_PIN, card, initialised, settings};
use clients::PIN;
use vschsm_host::smart_card_hsm::{DeviceInitialisation, PinReference, PinStatus};
use vschsm_host::{HostError, Transport};
use vschsm_protocol::apdu::Status;
use vschsm_protocol::secure_messaging::Protocol;
use vschsm_protocol::tlv::encode;

pub(crate) fn selects_the_applet() {
    let mut card = initialised();
    assert_eq!(card.version().unwrap().to_string(), "3.4");
    assert!(card.is_logged_in().unwrap());
    card.reselect().unwrap();
    assert!(!card.is_logged_in().unwrap());
    assert_eq!(card.transmit(&[0x00, 0x20, 0x00, 0x81]).unwrap(), [0x63, 0xC3]);
    let (status, _) = card.send(&[0x80, 0xFF, 0x00, 0x00]).unwrap();
    assert_eq!(status, Status(0x6D00));
}

pub(crate) fn names_the_device() {
    let mut card = card(0);
    assert_eq!(card.device_path().unwrap(), "/ZZSRCAVS1/ZZDIVS01/ZZVS0000001");
    assert_eq!(card.device().unwrap().holder(), b"ZZVS000000100000");
    assert_eq!(card.device_reference().unwrap(), b"ZZVS000000100000");
}

pub(crate) fn opens_a_secure_channel() {
    let mut card = initialised();
    card.open_secure_channel().unwrap();
    assert_eq!(card.secure_channel().unwrap().protocol(), Protocol::Aes);
    card.verify_pin(PIN).unwrap();
    card.write_file(0xCD01, &[0x5A; 2000]).unwrap();
    assert_eq!(card.read_file(0xCD01).unwrap(), [0x5A; 2000]);
    card.close_secure_channel();
    assert!(!card.is_logged_in().unwrap(), "the login ends with the channel");
}

pub(crate) fn initialises() {
    let mut card = card(0);
    let shares = DeviceInitialisation { dkek_shares: Some(2), ..settings() };
    card.initialise(&shares).unwrap();
    assert_eq!(card.key_domain(0).unwrap().unwrap().missing, 2);
    let domains = DeviceInitialisation { key_domains: Some(3), ..settings() };
    card.initialise(&domains).unwrap();
    card.create_key_domain(1, 0).unwrap();
    assert_eq!(card.key_domains().unwrap().len(), 1);
    let keys = DeviceInitialisation { public_keys: Some((3, 2)), ..settings() };
    card.initialise(&keys).unwrap();
    assert_eq!(card.public_key_authentication().unwrap().required, 2);
    card.initialise(&settings()).unwrap();
    assert!(card.device_status().unwrap().free_memory > 0);
}

pub(crate) fn verifies_pins() {
    let mut card = initialised();
    assert_eq!(card.pin_status(PinReference::User).unwrap(), PinStatus::Verified);
    let wrong = card.verify_pin("123456");
    assert!(matches!(wrong, Err(HostError::WrongPin { tries: 2 })), "{wrong:?}");
    assert!(!card.is_logged_in().unwrap());
    assert_eq!(card.pin_status(PinReference::User).unwrap(), PinStatus::TriesLeft(2));
    card.verify_pin("123456").unwrap_err();
    let careful = card.verify_pin_carefully(PIN);
    assert!(matches!(careful, Err(HostError::LastTry)), "{careful:?}");
    card.verify_pin("123456").unwrap_err();
    assert_eq!(card.pin_status(PinReference::User).unwrap(), PinStatus::Blocked);
    assert!(matches!(card.verify_pin(PIN), Err(HostError::PinBlocked)));
    card.verify_so_pin(&SO_PIN).unwrap();
    // A SmartCard-HSM has no templates.
    assert!(matches!(card.verify_template(0x85, &[0; 16]), Err(HostError::Refused { .. })));
}

pub(crate) fn changes_pins() {
    let mut card = initialised();
    card.change_pin(PIN, "876543").unwrap();
    card.reselect().unwrap();
    card.verify_pin("876543").unwrap();
    card.change_so_pin(&SO_PIN, b"87654321").unwrap();
    assert!(matches!(card.verify_so_pin(&SO_PIN), Err(HostError::WrongPin { .. })));
    card.verify_so_pin(b"87654321").unwrap();
}

pub(crate) fn unblocks_the_pin() {
    let mut card = initialised();
    for _ in 0..3 {
        card.verify_pin("123456").unwrap_err();
    }
    card.unblock_pin(&SO_PIN, None).unwrap();
    card.verify_pin(PIN).unwrap();
    card.unblock_pin(&SO_PIN, Some("876543")).unwrap();
    card.verify_pin("876543").unwrap();
}

pub(crate) fn reads_and_writes_files() {
    let mut card = initialised();
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(3000).collect();
    assert!(!card.file_exists(0xCD01).unwrap());
    card.write_file(0xCD01, &content).unwrap();
    assert_eq!(card.read_file(0xCD01).unwrap(), content);
    assert_eq!(card.select_file(0xCD01).unwrap().unwrap().length, 3000);
    card.update_file(0xCD01, 2999, &[1, 2]).unwrap();
    assert_eq!(card.read_file(0xCD01).unwrap().len(), 3001);
    card.write_file(0xCD01, b"shorter").unwrap();
    assert_eq!(card.read_file(0xCD01).unwrap(), b"shorter");
    card.write_file(0xCD02, &[]).unwrap();
    assert!(card.enumerate().unwrap().contains(&0xCD02));
    card.delete_file(0xCD01).unwrap();
    card.delete_file_fast(0xCD02).unwrap();
    card.delete_file(0xCD02).unwrap();
    let read = card.read_file(0xCD01);
    assert!(matches!(read, Err(HostError::Refused { status: Status::FILE_NOT_FOUND, .. })));
}

pub(crate) fn reads_the_provisioning_url() {
    let mut card = initialised();
    assert!(card.provisioning_url().is_err());
    let url = encode(0x0C, b"https://example.com");
    card.write_file(0xCB00, &encode(0x30, &url)).unwrap();
    assert_eq!(card.provisioning_url().unwrap(), "https://example.com");
}

pub(crate) fn gives_random_bytes() {
    let mut card = card(0);
    let both = [card.random(32).unwrap(), card.random(32).unwrap()];
    assert!(both[0].len() == 32 && both[0] != both[1]);
    assert_eq!(card.random(1024).unwrap().len(), 1024);
}
