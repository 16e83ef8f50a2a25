//! AES keys and derived keys, as CardContact's PKCS#11 module uses them, beside the crates that
//! compute the same.

use aes::cipher::consts::U16;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use aes::{Aes128, Aes192, Aes256, Block};
use cmac::{Cmac, Mac};
use hmac::{Hmac, KeyInit};
use p256::elliptic_curve::bigint::U256;
use sha2::Sha256;
use vschsm_tests::hex;
use vschsm_tests::test_card::{TestCard, domain, tlv};

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

#[test]
fn a_host_with_an_iv_gets_the_cryptograms_of_aes_cbc() {
    let mut card = TestCard::initialised("3.4");
    for (id, bits) in [(1, 128), (2, 192), (3, 256)] {
        card.generate_aes(id, bits, &DEFAULT_LIST);
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
