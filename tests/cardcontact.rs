//! The APDUs of CardContact's PKCS#11 module (sc-hsm-embedded 2.12), beside the crates that compute
//! what the card does. The module itself passes its own test program (`sc-hsm-pkcs11-test
//! --invasive`) on a card with two key domains.

use aes::cipher::consts::U16;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use aes::{Aes128, Aes192, Aes256, Block};
use cmac::{Cmac, Mac};
use hmac::{Hmac, KeyInit};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{DerSignature, Signature, VerifyingKey};
use p256::elliptic_curve::bigint::U256;
use rsa::{BoxedUint, Pkcs1v15Sign, Pss, RsaPublicKey};
use sha2::{Digest, Sha256};
use vschsm_protocol::crypto::curve::CurveParameters;
use vschsm_testing::hex;
use vschsm_testing::test_card::{TestCard, domain, tlv};

const IV: [u8; 16] = *b"an IV of a host.";
const MESSAGE: [u8; 48] = *b"Three blocks of sixteen bytes, 48 in all of it..";

/// What the module sends for an AES key: its default list, and no Le.
const DEFAULT_LIST: [u8; 6] = [0x91, 0x04, 0x10, 0x11, 0x18, 0x99];

/// The secrets of the keys on a card, by id, out of its image.
fn secrets(card: &mut TestCard, name: &str) -> Vec<Vec<u8>> {
    let image = String::from_utf8(card.card().image()).unwrap();
    let name = format!("\"{name}\": \"");
    image.split(&name).skip(1).map(|rest| hex(rest.split('"').next().unwrap())).collect()
}

/// `data` with `iv` folded into its first block.
fn folded(data: &[u8], iv: &[u8]) -> Vec<u8> {
    let iv = iv.iter().copied().chain(std::iter::repeat(0));
    data.iter().zip(iv).map(|(byte, iv)| byte ^ iv).collect()
}

/// The CBC cryptogram of [`MESSAGE`] with [`IV`], and back.
fn check_cbc<E, D>(card: &mut TestCard, id: u8, key: &[u8])
where
    E: KeyIvInit + BlockModeEncrypt<BlockSize = U16>,
    D: KeyIvInit + BlockModeDecrypt<BlockSize = U16>,
{
    let mut bytes = MESSAGE;
    let (blocks, _) = Block::slice_as_chunks_mut(&mut bytes);
    E::new_from_slices(key, &IV).unwrap().encrypt_blocks(blocks);
    let cryptogram = blocks.concat();
    assert_eq!(card.cipher(id, 0x10, &folded(&MESSAGE, &IV)).expect_ok(), cryptogram);
    D::new_from_slices(key, &IV).unwrap().decrypt_blocks(blocks);
    assert_eq!(blocks.concat(), MESSAGE);
    assert_eq!(folded(&card.cipher(id, 0x11, &cryptogram).expect_ok(), &IV), MESSAGE);
}

/// The first APDUs of the module, and what makes it see a card; the user is logged in.
fn opened() -> TestCard {
    let mut card = TestCard::initialised("3.4");
    card.reset();
    // Not 9000: the module selects the applet, and reads all that is there.
    for (apdu, response) in [
        ("00200081", "63C3"),
        ("00A40404 0B E82B0601040181C31F0201 00", "620A 820178 8505 0001000304 9000"),
        ("00200081", "63C3"),
        ("00B12F03 000004 54020000 0000", "6A82"),
        ("80580000 000000", "2F02 CC00 9000"),
        ("00200081 06 363438323139", "9000"),
    ] {
        assert_eq!(card.card().transmit(&hex(apdu)).response, hex(response), "{apdu}");
    }
    card
}

/// GENERATE ASYMMETRIC KEY PAIR as the module sends it: short, without Le, without CAR. The request
/// is then read from CE`id`, with the longest Le there is.
fn generated(card: &mut TestCard, id: u8, public_key: &[u8], limits: &[u8]) -> Vec<u8> {
    let holder = tlv(0x5F20, b"UTDUMMY00000");
    let data = [tlv(0x5F29, &[0]), tlv(0x7F49, public_key), holder, limits.to_vec()].concat();
    let length = u8::try_from(data.len()).expect("the module sends a short command");
    let response = card.transmit(&[&[0x00, 0x46, id, 0x00, length], &data[..]].concat());
    assert!(response.expect_ok().is_empty());
    card.hex(&format!("00B1CE{id:02X} 000004 54020000 0000")).expect_ok()
}

/// The content of 7F49 in a template for secp256r1.
fn secp256r1() -> Vec<u8> {
    let CurveParameters { p, a, b, g, n } = domain("secp256r1");
    let objects = [(0x81, p), (0x82, a), (0x83, b), (0x84, g), (0x85, n), (0x87, vec![1])];
    let objects = objects.map(|(tag, value)| tlv(tag, &value)).concat();
    [tlv(0x06, &hex("04007F00070202020203")), objects].concat()
}

#[test]
fn an_ec_key_made_without_le_has_its_request_in_a_file_and_signs() {
    let mut card = opened();
    let request = generated(&mut card, 1, &secp256r1(), &[]);
    assert_eq!(request[..4], hex("678201D7"));
    let place = request.windows(3).position(|bytes| bytes == hex("864104")).unwrap() + 2;
    let key = VerifyingKey::from_sec1_bytes(&request[place..place + 65]).unwrap();

    // The module's description of the key, and a certificate in the place of the request.
    let description =
        hex("00D7C401 29 54020000 5323 A02130090C07546573744B657930080401010303062080A10A3008\
             3002040002020100");
    card.transmit(&description).expect_ok();
    card.hex("00D7CE01 0B 54020000 53053003020101").expect_ok();
    assert_eq!(card.hex("80580000 000000").expect_ok(), hex("2F02 CE01 C401 CC00 CC01"));

    let signature = card.hex("80680170 14 2D2D2D2D48656C6C6F20576F726C642D2D2D2D2D 00").expect_ok();
    let signature = Signature::try_from(DerSignature::from_bytes(&signature).unwrap()).unwrap();
    key.verify_prehash(b"----Hello World-----", &signature).unwrap();

    for file in ["CC01", "C401", "CE01"] {
        card.hex(&format!("00E40200 02 {file}")).expect_ok();
    }
    assert_eq!(card.hex("80580000 000000").expect_ok(), hex("2F02 CC00"));
}

#[test]
fn an_rsa_key_made_without_le_signs_in_every_way_of_the_module() {
    let mut card = opened();
    let public_key = [
        tlv(0x06, &hex("04007F00070202020102")),
        tlv(0x82, &hex("010001")),
        tlv(0x02, &hex("0400")),
    ];
    let request = generated(&mut card, 2, &public_key.concat(), &[]);
    let place = request.windows(3).position(|bytes| bytes == hex("818180")).unwrap() + 3;
    let modulus = BoxedUint::from_be_slice(&request[place..place + 128], 1024).unwrap();
    let key = RsaPublicKey::new(modulus, BoxedUint::from(65_537_u32)).unwrap();

    // Extended, with the longest Le: 80 68 02 algorithm.
    let mut sign = |algorithm, input: &[u8]| card.sign(2, algorithm, input).expect_ok();
    let hash = Sha256::digest(MESSAGE);
    key.verify(Pkcs1v15Sign::new::<Sha256>(), &hash, &sign(0x33, &MESSAGE)).unwrap();
    key.verify(Pss::<Sha256>::new(), &hash, &sign(0x40, &hash)).unwrap();
    key.verify(Pss::<Sha256>::new(), &hash, &sign(0x43, &MESSAGE)).unwrap();
    let digest_info = [&hex("3031300D060960864801650304020105000420")[..], &hash].concat();
    key.verify(Pkcs1v15Sign::new::<Sha256>(), &hash, &sign(0x30, &digest_info)).unwrap();
}

#[test]
fn a_key_does_only_what_its_list_says_and_shows_the_list() {
    let mut card = opened();
    generated(&mut card, 1, &secp256r1(), &[tlv(0x90, &[0, 0, 0, 3]), hex("91027392")].concat());
    assert_eq!(card.sign(1, 0x70, &[0x5A; 32]).status, 0x6A81);
    for left in (0..3).rev() {
        card.sign(1, 0x73, &MESSAGE).expect_ok();
        // 92, which allows WRAP KEY, is kept beside 73, and the refusal has cost no use.
        let metadata = format!("6217 80020000 820101 8302CC01 A50A 9004{left:08X} 91027392");
        assert_eq!(card.hex("00A40004 02 CC01 00").expect_ok(), hex(&metadata));
    }
    assert_eq!(card.sign(1, 0x73, &MESSAGE).status, 0x6984);
    assert_eq!(card.restarted().logged_in().sign(1, 0x73, &MESSAGE).status, 0x6984);
}

#[test]
fn a_host_with_an_iv_gets_the_cryptograms_of_aes_cbc() {
    let mut card = opened();
    for command in ["004801B0", "004802B1", "004803B2"] {
        assert!(card.hex(&format!("{command} 06 910410111899")).expect_ok().is_empty());
    }
    let keys = secrets(&mut card, "key");
    assert_eq!(keys.iter().map(Vec::len).collect::<Vec<_>>(), [16, 24, 32]);
    check_cbc::<cbc::Encryptor<Aes128>, cbc::Decryptor<Aes128>>(&mut card, 1, &keys[0]);
    check_cbc::<cbc::Encryptor<Aes192>, cbc::Decryptor<Aes192>>(&mut card, 2, &keys[1]);
    check_cbc::<cbc::Encryptor<Aes256>, cbc::Decryptor<Aes256>>(&mut card, 3, &keys[2]);
}

#[test]
fn a_mac_is_that_of_aes_cmac() {
    let mut card = TestCard::initialised("3.4");
    card.generate_aes(1, 256, &DEFAULT_LIST);
    let mut mac = Cmac::<Aes256>::new_from_slice(&secrets(&mut card, "key")[0]).unwrap();
    for length in [0, 1, 16, 17, 48] {
        mac.update(&MESSAGE[..length]);
        let mac = mac.finalize_reset().into_bytes();
        assert_eq!(card.cipher(1, 0x18, &MESSAGE[..length]).expect_ok(), mac[..], "{length}");
    }
}

/// That this is how a card derives is a guess: `crates/card/src/commands/cipher.rs`.
#[test]
fn a_derived_key_is_extracted_and_then_expanded() {
    let mut card = TestCard::initialised("3.4");
    card.generate_aes(1, 128, &tlv(0x91, &[0x99]));
    let hmac = |key: &[u8], message: &[u8]| {
        Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(message).finalize().into_bytes()
    };
    let extracted = hmac(&[0; 64], &secrets(&mut card, "key")[0]);
    let expanded = hmac(&extracted, b"\0\0\0\x01Disk1");
    let derived = card.cipher(1, 0x99, b"Disk1").expect_ok();
    assert_eq!(derived, expanded[..]);
    assert_eq!(derived, card.restarted().logged_in().cipher(1, 0x99, b"Disk1").expect_ok());
}

#[test]
fn an_aes_key_is_used_up() {
    let mut card = TestCard::initialised("3.4");
    card.generate_aes(1, 128, &[&DEFAULT_LIST[..], &tlv(0x90, &[0, 0, 0, 3])].concat());
    card.cipher(1, 0x10, &MESSAGE).expect_ok();
    assert_eq!(card.cipher(1, 0x10, &MESSAGE[1..]).status, 0x6A80);
    card.cipher(1, 0x18, &MESSAGE).expect_ok();
    let mut card = card.restarted().logged_in();
    card.cipher(1, 0x99, &MESSAGE).expect_ok();
    for algorithm in [0x10, 0x11, 0x18, 0x99] {
        assert_eq!(card.cipher(1, algorithm, &MESSAGE).status, 0x6984);
    }
}

#[test]
fn a_derived_ec_key_is_its_base_and_the_offset() {
    let mut card = TestCard::initialised("3.4");
    card.generate_ec(1, "secp256r1", &tlv(0x91, &[0xA0, 0x73, 0x80, 0x98]));
    let offset = hex("A9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5376");
    card.transmit(&[&hex("80760102 21 98")[..], &offset].concat()).expect_ok();

    let [base, derived] = &secrets(&mut card, "scalar")[..] else { panic!("two keys") };
    let secret = |bytes: &[u8]| p256::SecretKey::from_slice(bytes).unwrap();
    let sum = *secret(base).to_nonzero_scalar() + *secret(&offset).to_nonzero_scalar();
    assert_eq!(U256::from_be_slice(derived), U256::from(sum));
    // With the base point it agrees on its own public key.
    let point = card.decipher(2, 0x80, &domain("secp256r1").g).expect_ok();
    assert_eq!(point, secret(derived).public_key().to_sec1_bytes()[..]);
}

#[test]
fn an_offset_that_leaves_no_key_is_refused() {
    let mut card = TestCard::initialised("3.4");
    let limits = [tlv(0x90, &[0, 0, 0, 2]), tlv(0x91, &[0x98])].concat();
    card.generate_ec(1, "brainpoolP256r1", &limits);
    let scalar = U256::from_be_slice(&secrets(&mut card, "scalar")[0]);
    let negative = U256::from_be_slice(&domain("brainpoolP256r1").n).wrapping_sub(&scalar);
    let mut derive = |offset: U256| {
        let apdu = [&hex("80760102 21 98")[..], &offset.to_be_bytes()[..]].concat();
        card.transmit(&apdu).status
    };
    assert_eq!(derive(negative), 0x6A80);
    assert_eq!(derive(negative.wrapping_add(&U256::ONE)), 0x9000);
    assert_eq!(secrets(&mut card, "scalar")[1], U256::ONE.to_be_bytes()[..]);
}
