//! RSA beside OpenSSL's library.

use std::time::{Duration, SystemTime};

use openssl::rsa::{Padding, Rsa};
use vschsm_testing::test_card::TestCard;

use crate::{compare, cpu_time, row};

/// RSA key pairs: the time has so wide a spread that only the mean of many says something.
pub(crate) fn key_pairs() {
    for (bits, count) in [(2048, 60), (3072, 30), (4096, 20)] {
        let mut card = TestCard::initialised("3.4").logged_in();
        card.card().start_stream(fresh_seed());
        let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..count {
            ours += cpu_time(|| drop(card.generate_rsa(1, bits, &[])));
            card.hex("00E4020002CC01").expect_ok();
            theirs += cpu_time(|| drop(Rsa::generate(bits.into()).unwrap()));
        }
        row(
            &format!("RSA-{bits} key pair, mean of {count}"),
            ours / count,
            ("OpenSSL", theirs / count),
        );
    }
}

/// The private operation, which signing and decrypting are, with one key again and again.
pub(crate) fn private_operations() {
    for bits in [2048, 3072, 4096] {
        let mut card = TestCard::initialised("3.4").logged_in();
        card.generate_rsa(1, bits, &[]);
        let mut block = vec![0xFF; usize::from(bits) / 8];
        block.splice(..2, [0x00, 0x01]);
        let key = Rsa::generate(bits.into()).unwrap();
        let mut output = vec![0; block.len()];
        compare(
            &format!("RSA-{bits} private operation"),
            || drop(card.sign(1, 0x20, &block).expect_ok()),
            "OpenSSL",
            || {
                key.private_encrypt(&block, &mut output, Padding::NONE).unwrap();
            },
        );
    }
}

/// Another seed in each run: with the same one the mean would be that of always the same keys.
fn fresh_seed() -> [u8; 32] {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut seed = [0; 32];
    seed.iter_mut().zip(now.as_nanos().to_le_bytes()).for_each(|(to, from)| *to = from);
    seed
}
