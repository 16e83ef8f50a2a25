//! Blobs of real cards, blobs that were computed elsewhere, and everything that is none.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;
use crate::crypto::curve::{Curve, significant};
use crate::crypto::ec::EcKey;
use crate::crypto::key_material::KeyMaterial;
use crate::crypto::rsa::RsaKey;
use alloc::vec;
use chacha20::ChaCha20Rng;
use hex_literal::hex;
use rand_core::SeedableRng;

/// What the random bytes of all computed blobs are.
const RANDOM: [u8; 8] = hex!("0001020304050607");

/// An RSA key of 1024 bits as a SmartCard-HSM of firmware 2.0 wrapped it, with shares A5.. and E1..
/// for a DKEK; published with an article on the format.
const RSA_1024: [u8; 523] = hex!(
    "bb391415c05e39d706000a04007f00070202020102000000000000a86826f6c633c7bb0509fe55e2e8a2db79"
    "c08158b782587a07c3d3305130ac912d316d3d8c13cf1ba94cc1177103e7a2bb71ac28ec2cdfdeb93b61242b"
    "0ab3ff7ab7f7bb48d3984214a7a06b5d52477c17e70c7d5662706a468b54a9102db6886e33dd2b5b00291218"
    "65d422bb5f12f3a13bdb759a4cb54b8090ca6e5d728ea9579bc72a36c8a1696b9c26a01d80e7956b7d1d81a1"
    "ded5791b260f0c3b6e9adc88413624c9ef4e7f884c62a6d5776235fa6f08fd770ec602f0b2ee3060529b9cf0"
    "ba28f959ba577d6c51ef769ce24e4911a7c265b749c84494f05992da856ecc4f0486e57a3c8681d83ddbaf28"
    "abcb7ad99549625f457d2a3dda02867d4739dcbe3498e3e239c834a68ab2e376c8932d8413a159a9446b19e2"
    "9c7ce62e69b0fab4e2f2a0d1243d19dea899b91cd435b03231b8ef724e33fa2b733e4046a8508325bf4942d2"
    "71f601b7e197d6efa137c96047edbc92afa176821507a43736d6a54167246a12f3d02b0838593b22f064ab40"
    "bd2a50254825ba66b16989440c8379b27e354aee5f8f468f2807dd81a88565bf7894cba0a109bbadb50fec45"
    "7511fc034af84af50b1059aab51da21da553a27da088d47b2765492df4f4d6152046e15c8fb628a45638f371"
    "5e362a592005533f832f781ec866ac4e43107bca8932c44ffdecaecd8941865f7a07ea6cf27253"
);

/// The P-256 key of RFC 6979, A.2.5.
const P256_SCALAR: [u8; 32] =
    hex!("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");

/// The same key wrapped, computed with a decoder that reads the blobs of real cards.
const P256_CRYPTOGRAM: [u8; 320] = hex!(
    "f6fd8d5014055bf1ddc9cc6d7a65d40950313e21d461bccc0a4188ab9f0690660b3c0f7d4fc3f592995a9ac8"
    "367fa728117c7eef1e0b9d33003de61ed1f512da2155c3c5a84bf818e64900ddaf8bbbbd346621bbe6c6d311"
    "a8383d7028db5a4c5dea0a88c879b9c1df795acabf82e347ae0dc1e9bed231543d5b62c866262549b4e5d0c7"
    "866d083e1fce4a54269de9813c3e426df9454993b97661ba516b9c5eb8cd6f5f1de66a810aa0ca573f36a5a5"
    "424bfdd592829f7641279aa36e7b02bcbdddd61f3980c6d37cceeaba8ed8d8380d17716477c4cbcd9b4b91ed"
    "e729e7812b7cee9cff4683898953285d6ad66969d08108718733dee56cf7bddfeece49e7e25a5d286bca0e8a"
    "0e2d93836efc152a3fc578a8f7d560cb6068790658a266774ae9a70ca1714f33de57c3d2c4d45446374ecff5"
    "8d59fc927b0894f96c11feb5"
);
const P256_MAC: [u8; 16] = hex!("d20b941c0cb2322cc34c6c8311e829c9");
const P256_LISTED_MAC: [u8; 16] = hex!("5f5735c9c44a2ea0d58ff320658aaff6");

const AES_128: [u8; 77] = hex!(
    "bb391415c05e39d7 0f 0008 6086480165030401 0004 10111899 0000 0000"
    "0c4220e496a7185071faf26a2d3ab2cbbf3f6c6530b6829242617f636bcf8a22"
    "c80c5f757c9e0d46c29b894bcc5fa2a4"
);
const AES_256: [u8; 93] = hex!(
    "bb391415c05e39d7 0f 0008 6086480165030401 0004 10111899 0000 0000"
    "2941cc289f68528a50adf118fc2af5004563103e95e3a86f2c42fc54e8f496c1db8f4509420525f5cd543fd2"
    "ec74e7619feb9a6a8cde43ad5a8e773b9964e783"
);

fn kek() -> KeyEncryptionKey {
    KeyEncryptionKey::new([0; 32]).plus(&[0xA5; 32]).plus(&[0xE1; 32])
}

fn unwrap(blob: &[u8]) -> Result<KeyMaterial, KeyBlobError> {
    Blob::parse(blob)?.unwrap(&kek())
}

/// A wrapped record of any content; padding is the caller's business.
fn wrapped(kind: u8, content: &[u8]) -> Vec<u8> {
    let header = hex!("BB391415C05E39D7");
    let record = [RANDOM.as_slice(), content].concat();
    let mut blob =
        [&header[..], &[kind], &[0; 8], &kek().cipher().encrypt(&record).unwrap()].concat();
    let mac = kek().mac().mac(&blob);
    blob.extend(mac);
    blob
}

/// What `wrapped` needs for these components, and padding of its own.
fn content(size: u16, components: &[&[u8]]) -> Vec<u8> {
    let mut content = size.to_be_bytes().to_vec();
    for component in components {
        content.extend(length(component));
        content.extend(*component);
    }
    content.push(0x80);
    content.resize((content.len() + 8).next_multiple_of(16) - 8, 0);
    content
}

fn p256() -> EcKey {
    EcKey::from_scalar(&Curve::from_name("secp256r1").unwrap(), &P256_SCALAR).unwrap()
}

fn p256_blob(list: &[u8], mac: &[u8]) -> Vec<u8> {
    let header = hex!("BB391415C05E39D7 0C 000A 04007F00070202020203");
    [&header[..], &length(list), list, &[0; 4], &P256_CRYPTOGRAM, mac].concat()
}

/// The components of that key's record.
fn p256_components() -> [Vec<u8>; 7] {
    let key = p256();
    let domain = key.curve().parameters().clone();
    let (d, q) = (key.scalar().to_vec(), key.public_point());
    [domain.a, domain.b, domain.p, domain.n, domain.g, d, q]
}

fn real_rsa_key() -> RsaKey {
    let Ok(KeyMaterial::Rsa(key)) = unwrap(&RSA_1024) else { panic!("the blob of a real card") };
    key
}

#[test]
fn check_value_and_keys_are_those_of_a_real_card() {
    assert_eq!(kek().bytes(), &[0x44; 32]);
    assert_eq!(kek().check_value(), hex!("BB391415C05E39D7"));
    let cipher = hex!("34423C9AB36899BD772D73DA3E350709F009634946C288A7B5E8A248868AE9FF");
    let mac = hex!("1392790984A79DA93E797C0FD1919E16C9FE90D652A147DF16186E6840E9F2EB");
    assert_eq!((kek().cipher().bytes(), kek().mac().bytes()), (&cipher[..], &mac[..]));
    let zero = KeyEncryptionKey::new([0; 32]);
    assert_eq!(zero.check_value(), hex!("66687AADF862BD77"));
}

#[test]
fn the_order_of_shares_makes_no_difference() {
    let other = KeyEncryptionKey::new([0; 32]).plus(&[0xE1; 32]).plus(&[0xA5; 32]);
    assert_eq!(other, kek());
}

#[test]
fn the_blob_of_a_real_card_is_unwrapped_and_wrapped_again_byte_for_byte() {
    let key = real_rsa_key();
    assert_eq!((key.bits(), key.exponent()), (1024, 65_537));
    let random = hex!("81BD22DC7A599EAD");
    assert_eq!(wrap(&KeyMaterial::Rsa(key), &[], &kek(), random).unwrap(), RSA_1024);
}

#[test]
fn an_ec_key_is_wrapped_byte_for_byte_with_a_list_and_without() {
    let secret = KeyMaterial::Ec(p256());
    for (list, mac) in [(&[][..], P256_MAC), (&[0x73, 0x92], P256_LISTED_MAC)] {
        let blob = p256_blob(list, &mac);
        assert_eq!(wrap(&secret, list, &kek(), RANDOM).unwrap(), blob);
        assert_eq!(Blob::parse(&blob).unwrap().algorithms, list);
        assert_eq!(unwrap(&blob), Ok(secret.clone()));
    }
}

#[test]
fn aes_keys_are_wrapped_byte_for_byte() {
    let bytes: Vec<u8> = (0..32).collect();
    for (length, blob) in [(16, &AES_128[..]), (32, &AES_256[..])] {
        let secret = KeyMaterial::Aes(AesKey::from_bytes(bytes.get(..length).unwrap()).unwrap());
        let list = [0x10, 0x11, 0x18, 0x99];
        assert_eq!(wrap(&secret, &list, &kek(), RANDOM).unwrap(), blob);
        assert_eq!(unwrap(blob), Ok(secret));
    }
}

#[test]
fn keys_on_every_curve_come_back_and_their_blobs_have_the_sizes_of_real_ones() {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    for curve in Curve::named() {
        let secret = KeyMaterial::Ec(EcKey::generate(curve, &mut rng));
        let blob = wrap(&secret, &[], &kek(), RANDOM).unwrap();
        assert_eq!(unwrap(&blob), Ok(secret), "{curve}");
        let size = match curve.bits() {
            192 => 299,
            224 => 331,
            256 => 363,
            320 => 443,
            384 => 507,
            512 => 651,
            521 => 667,
            _ => continue,
        };
        assert_eq!(blob.len(), size, "{curve}");
    }
}

#[test]
fn rsa_keys_are_wrapped_with_their_primes_up_to_2048_bits_and_come_back_from_both_forms() {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    for (bits, kind, size) in [(1024, 6, 523), (1536, 6, 747), (2048, 6, 971), (3072, 5, 843)] {
        let key = RsaKey::generate(bits, 65_537, &mut rng).unwrap();
        let blob = wrap(&KeyMaterial::Rsa(key.clone()), &[], &kek(), RANDOM).unwrap();
        assert_eq!((blob.get(8), blob.len()), (Some(&kind), size), "{bits}");
        let Ok(KeyMaterial::Rsa(back)) = unwrap(&blob) else { panic!("{bits}") };
        assert_eq!(back.modulus(), key.modulus());
        let input = [&[0][..], &alloc::vec![0x5A; bits / 8 - 1]].concat();
        assert_eq!(back.private_operation(&input), key.private_operation(&input), "{bits}");
    }
}

#[test]
fn every_private_exponent_that_fits_is_taken() {
    for exponent in [3, 17, 65_537, 4_294_967_295] {
        let key = RsaKey::generate(1024, exponent, &mut ChaCha20Rng::from_seed([9; 32])).unwrap();
        let (d, n, e) = (key.private_exponent().unwrap(), key.modulus(), exponent.to_be_bytes());
        let short = significant(&d);
        let zeros = vec![0; n.len() - short.len()];
        for d in [&d[..], short, &[&zeros, short].concat()] {
            let Ok(KeyMaterial::Rsa(back)) =
                unwrap(&wrapped(5, &content(1024, &[d, n, significant(&e)])))
            else {
                panic!("exponent {exponent}")
            };
            let (p, q) = back.primes();
            assert!([(p, q), (q, p)].contains(&key.primes()), "exponent {exponent}");
        }
    }
}

/// Whether a card takes them is for it to say.
#[test]
fn numbers_that_cards_do_not_write_are_told_before_the_key_is_made() {
    let key = RsaKey::generate(3072, 65_537, &mut ChaCha20Rng::from_seed([9; 32])).unwrap();
    let (n, d) = (key.modulus(), key.private_exponent().unwrap());
    let ([dp, dq, q_inverse], (p, q)) = (key.crt().unwrap(), key.primes());
    let long = [&[0][..], &d].concat();
    let primes: [&[u8]; 7] = [&dp, &dq, p, &q_inverse, q, n, &[1, 0, 1]];
    for (kind, components, expected) in [
        (5, &[&d[..], n, &[1, 0, 1]][..], (false, false)),
        (5, &[&long, n, &[1, 0, 1]], (true, false)),
        (6, &primes, (false, true)),
    ] {
        let blob = wrapped(kind, &content(3072, components));
        let record = Blob::parse(&blob).unwrap().record(&kek()).unwrap();
        let WrappedKey::Rsa(numbers) = record.wrapped_key().unwrap() else { panic!("{kind}") };
        let told = (numbers.has_long_private_exponent(), numbers.has_primes_of_long_modulus());
        assert_eq!((told, numbers.bits()), (expected, 3072), "{kind}");
        assert!(unwrap(&blob).is_ok(), "{kind}");
    }
}

#[test]
fn a_short_private_number_is_taken_and_written_in_full() {
    let curve = Curve::from_name("secp256r1").unwrap();
    let key = EcKey::from_scalar(&curve, &[0x12, 0x34]).unwrap();
    let [a, b, p, n, g, _, _] = p256_components();
    let public = key.public_point();
    let short = content(256, &[&a, &b, &p, &n, &g, &[0x12, 0x34], &public]);
    let secret = unwrap(&wrapped(0x0C, &short)).unwrap();
    assert_eq!(secret, KeyMaterial::Ec(key));
    assert_eq!(wrap(&secret, &[], &kek(), RANDOM).unwrap().len(), 363);
}

#[test]
fn padding_may_be_missing_or_a_whole_block_and_nothing_else() {
    let [a, b, p, n, g, d, q] = p256_components();
    let padded = content(256, &[&a, &b, &p, &n, &g, &d, &q]);
    // The leading zeros of a number are free: 6 of them fill the last block.
    let wide = [&[0; 6][..], &d].concat();
    let whole = content(256, &[&a, &b, &p, &n, &g, &wide, &q]);
    assert_eq!(whole.len(), padded.len() + 16);
    let (bare, block) = whole.split_at(padded.len());
    assert_eq!(block, [&[0x80][..], &[0; 15]].concat());
    for good in [&padded[..], &whole, bare] {
        assert_eq!(unwrap(&wrapped(0x0C, good)), Ok(KeyMaterial::Ec(p256())));
    }
    let wide = [&[0; 5][..], &d].concat();
    let least = content(256, &[&a, &b, &p, &n, &g, &wide, &q]);
    assert_eq!(least.len(), padded.len());
    assert_eq!(unwrap(&wrapped(0x0C, &least)), Ok(KeyMaterial::Ec(p256())));
    for bad in [
        [&least[..], &[0; 16]].concat(),
        [&whole[..], &[0; 16]].concat(),
        [bare, &[0; 16]].concat(),
        [bare, &[0x80; 16]].concat(),
    ] {
        assert_eq!(unwrap(&wrapped(0x0C, &bad)), Err(KeyBlobError::NoKey));
    }
}

#[test]
fn every_truncation_of_a_blob_is_refused() {
    for blob in [&RSA_1024[..], &p256_blob(&[0x73, 0x92], &P256_LISTED_MAC), &AES_128] {
        assert!(unwrap(blob).is_ok());
        for length in 0..blob.len() {
            assert!(unwrap(blob.get(..length).unwrap()).is_err(), "{length}");
        }
        assert_eq!(unwrap(&[blob, &[0]].concat()), Err(KeyBlobError::WrongMac));
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let mut blob = p256_blob(&[0x73, 0x92], &P256_LISTED_MAC);
    for place in 8..blob.len() {
        *blob.get_mut(place).unwrap() ^= 0x10;
        assert!(unwrap(&blob).is_err(), "{place}");
        *blob.get_mut(place).unwrap() ^= 0x10;
    }
}

#[test]
fn a_component_less_or_more_is_refused() {
    let components = p256_components();
    let all: Vec<&[u8]> = components.iter().map(Vec::as_slice).collect();
    assert!(unwrap(&wrapped(0x0C, &content(256, &all))).is_ok());
    for place in 0..all.len() {
        let (before, rest) = all.split_at(place);
        let (here, after) = rest.split_first().unwrap();
        let missing = [before, after].concat();
        let twice = [before, &[here], rest].concat();
        for bad in [missing, twice] {
            assert_eq!(
                unwrap(&wrapped(0x0C, &content(256, &bad))),
                Err(KeyBlobError::NoKey),
                "{place}"
            );
        }
    }
    // Records that end in the middle of something.
    let good = content(256, &all);
    for blocks in 0..good.len() / 16 {
        let cut = good.get(..8 + 16 * blocks).unwrap();
        assert_eq!(unwrap(&wrapped(0x0C, cut)), Err(KeyBlobError::NoKey), "{blocks}");
    }
}

#[test]
fn numbers_that_are_no_ec_key_are_refused() {
    let change = |place: usize, byte: usize| {
        let mut components = p256_components();
        *components.get_mut(place).unwrap().get_mut(byte).unwrap() ^= 1;
        let components: Vec<&[u8]> = components.iter().map(Vec::as_slice).collect();
        unwrap(&wrapped(0x0C, &content(256, &components)))
    };
    // A prime that is none, another order, a base point off the curve, another d or point.
    for (place, byte) in [(0, 31), (1, 31), (2, 31), (3, 31), (4, 64), (5, 31), (6, 0), (6, 64)] {
        assert_eq!(change(place, byte), Err(KeyBlobError::NoKey), "{place} {byte}");
    }
    let components = p256_components();
    let [a, b, p, n, g, d, q] = components.each_ref().map(Vec::as_slice);
    for (size, d, q) in [
        (256, &[0; 32][..], q),
        (256, n, q),
        (256, d, q.get(1..).unwrap()),
        (256, d, g),
        (256, d, &[0x00]),
        (384, d, q),
        (0, d, q),
    ] {
        let content = content(size, &[a, b, p, n, g, d, q]);
        assert_eq!(unwrap(&wrapped(0x0C, &content)), Err(KeyBlobError::NoKey));
    }
}

#[test]
fn numbers_that_are_no_rsa_key_are_refused() {
    let key = real_rsa_key();
    let ([dp, dq, inverse], (p, q)) = (key.crt().unwrap(), key.primes());
    let (n, d) = (key.modulus(), key.private_exponent().unwrap());
    let e: &[u8] = &[1, 0, 1];
    let crt = [&dp[..], &dq, p, &inverse, q, n, e];
    assert!(unwrap(&wrapped(6, &content(1024, &crt))).is_ok());
    for place in 0..crt.len() {
        for byte in [0, crt.get(place).unwrap().len() - 1] {
            let mut components = crt.map(<[u8]>::to_vec);
            *components.get_mut(place).unwrap().get_mut(byte).unwrap() ^= 0x40;
            let components: Vec<&[u8]> = components.iter().map(Vec::as_slice).collect();
            let unwrapped = unwrap(&wrapped(6, &content(1024, &components)));
            assert_eq!(unwrapped, Err(KeyBlobError::NoKey), "{place} {byte}");
        }
    }
    for components in
        [[&d[..], n, &[3]], [n, n, e], [&[1], n, e], [&[], n, e], [&d, n, &[]], [&d, n, &[0; 9]]]
    {
        let unwrapped = unwrap(&wrapped(5, &content(1024, &components)));
        assert_eq!(unwrapped, Err(KeyBlobError::NoKey), "{components:02X?}");
    }
    for size in [1016, 1032, 0] {
        assert_eq!(unwrap(&wrapped(5, &content(size, &[&d, n, e]))), Err(KeyBlobError::NoKey));
    }
}

#[test]
fn a_modulus_of_primes_that_are_none_is_refused() {
    let key = real_rsa_key();
    let (p, q) = key.primes();
    for (p, q) in [(p, p), (&[0xFF; 64][..], q), (&[&[0; 63][..], &[2]].concat()[..], q)] {
        let numbers = [&[1; 64][..], &[1; 64], p, &[1; 64], q, key.modulus(), &[1, 0, 1]];
        assert_eq!(unwrap(&wrapped(6, &content(1024, &numbers))), Err(KeyBlobError::NoKey));
    }
    // A prime modulus, for which 65537 has an inverse as well: 2^1024 - 105.
    let mut prime = [0xFF; 128];
    *prime.last_mut().unwrap() = 0x97;
    let unwrapped = unwrap(&wrapped(5, &content(1024, &[&[3], &prime, &[3]])));
    assert_eq!(unwrapped, Err(KeyBlobError::NoKey));
}

#[test]
fn other_types_and_sizes_of_keys_are_refused() {
    for kind in (0..=u8::MAX).filter(|kind| ![5, 6, 0x0C, 0x0F].contains(kind)) {
        assert_eq!(unwrap(&wrapped(kind, &content(16, &[]))), Err(KeyBlobError::NoKey), "{kind}");
    }
    for size in (0..=40).filter(|size| ![16, 24, 32].contains(size)) {
        let mut content = [&[0, size][..], &alloc::vec![7; size.into()], &[0x80]].concat();
        content.resize((content.len() + 8).next_multiple_of(16) - 8, 0);
        assert_eq!(unwrap(&wrapped(0x0F, &content)), Err(KeyBlobError::NoKey), "{size}");
    }
}

#[test]
fn identifiers_are_passed_over_and_conditions_are_not() {
    let record =
        kek().cipher().encrypt(&[&RANDOM[..], &[0, 16], &[7; 16], &[0x80, 0, 0, 0, 0, 0]].concat());
    let blob = |fields: &[u8]| {
        let header = [&hex!("BB391415C05E39D7 0F")[..], fields].concat();
        let content = [header, record.clone().unwrap()].concat();
        [content.as_slice(), &kek().mac().mac(&content)].concat()
    };
    for (fields, good) in [
        (&hex!("0000 0000 0000 0000")[..], true),
        (&hex!("0003 123456 0000 0000 0000"), true),
        (&hex!("0000 0000 0000 0002 2A03"), true),
        (&hex!("0000 0000 0001 00 0000"), false),
        (&hex!("0000 0010 00000000000000000000000000000000 0000 0000"), true),
        (&hex!("0000 0011 0000000000000000000000000000000000 0000 0000"), false),
    ] {
        assert_eq!(unwrap(&blob(fields)).is_ok(), good, "{fields:02X?}");
    }
}

#[test]
fn what_a_record_holds_is_told_by_name() {
    let told = |blob: &[u8]| {
        let components = Blob::parse(blob).unwrap().components(&kek())?;
        Some(components.into_iter().map(|it| (it.name, it.bytes.to_vec())).collect::<Vec<_>>())
    };
    let names = ["a", "b", "p", "order", "base point", "d", "public point"];
    let of_curve = names.into_iter().zip(p256_components()).collect();
    assert_eq!(told(&p256_blob(&[], &P256_MAC)), Some(of_curve));
    assert_eq!(told(&AES_128), Some([("key", (0..16).collect())].into()));
    let names = ["d mod p-1", "d mod q-1", "p", "1/q mod p", "q", "n", "e"];
    let of_rsa = told(&RSA_1024).unwrap();
    assert_eq!(of_rsa.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    assert_eq!(
        of_rsa.iter().map(|(_, it)| it.len()).collect::<Vec<_>>(),
        [64, 64, 64, 64, 64, 128, 3]
    );
    let of_rsa = told(&wrapped(0x05, &content(2304, &[&[1][..], &[2], &[3]])));
    assert_eq!(of_rsa, Some(vec![("d", vec![1]), ("n", vec![2]), ("e", vec![3])]));

    let mut tampered = RSA_1024;
    tampered[100] ^= 1;
    assert_eq!(told(&tampered), None);
    assert_eq!(told(&wrapped(0x0C, &content(256, &[&[1][..]; 3]))), None, "cut short");
    assert_eq!(told(&wrapped(0x07, &content(256, &[&[1][..]; 7]))), None, "an unknown type");
}

#[test]
fn only_an_aes_key_of_the_same_bytes_is_weak() {
    let is_weak =
        |name, bytes: &[u8]| Component { name, bytes: bytes.to_vec().into() }.is_weak_aes_key();
    assert!(is_weak("key", &[0x5A; 16]));
    assert!(!is_weak("key", &[&[0x5A; 15][..], &[0x5B]].concat()));
    assert!(!is_weak("d", &[0x5A; 16]));
}

#[test]
fn a_secret_is_not_printed() {
    let debug = alloc::format!("{:?}", kek());
    assert_eq!(debug, "KeyEncryptionKey([BB, 39, 14, 15, C0, 5E, 39, D7])");
}
