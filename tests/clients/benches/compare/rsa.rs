//! RSA beside OpenSSL's own programs.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use vschsm_testing::test_card::TestCard;

use crate::{each, row};

/// RSA key pairs: the time has so wide a spread that only the mean of many says something.
pub(crate) fn key_pairs() {
    let start = mean(20, |_| run_openssl(&["version"]));
    for (bits, count) in [(2048, 60), (3072, 30), (4096, 20)] {
        let mut card = TestCard::initialised("3.4").logged_in();
        card.card().start_stream(fresh_seed());
        let mut theirs = Duration::ZERO;
        let ours = mean(count, |_| {
            let begin = Instant::now();
            card.generate_rsa(1, bits, &[]);
            let taken = begin.elapsed();
            card.hex("00E4020002CC01").expect_ok();
            theirs += run_openssl(&["genrsa", &bits.to_string()]).saturating_sub(start);
            taken
        });
        let work = format!("RSA-{bits} key pair, mean of {count}");
        row(&work, ours, ("openssl genrsa", theirs / count));
    }
}

/// The private operation, which signing and decrypting are, with one key again and again.
pub(crate) fn private_operations() {
    for (bits, peer) in [(2048, "rsa2048"), (4096, "rsa4096")] {
        let mut card = TestCard::initialised("3.4").logged_in();
        card.generate_rsa(1, bits, &[]);
        let mut block = vec![0xFF; usize::from(bits) / 8];
        block.splice(..2, [0x00, 0x01]);
        let ours = each(|| drop(card.sign(1, 0x20, &block).expect_ok()));
        let work = format!("RSA-{bits} private operation");
        row(&work, ours, ("openssl speed", openssl_speed(peer)));
    }
}

/// The mean of `count` times.
fn mean(count: u32, mut once: impl FnMut(u32) -> Duration) -> Duration {
    (0..count).map(&mut once).sum::<Duration>() / count
}

/// How long a run of `openssl` takes.
fn run_openssl(arguments: &[&str]) -> Duration {
    let begin = Instant::now();
    let status = Command::new("openssl").args(arguments).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "openssl {arguments:?}");
    begin.elapsed()
}

/// The time of one signature, from the column `sign/s`.
fn openssl_speed(algorithm: &str) -> Duration {
    let output = Command::new("openssl")
        .args(["speed", "-seconds", "1", algorithm])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let words: Vec<_> = table.lines().last().unwrap().split_whitespace().collect();
    let per_second = words.iter().nth_back(1).unwrap();
    Duration::from_secs_f64(1.0 / per_second.parse::<f64>().unwrap())
}

/// Another seed in each run: with the same one the mean would be that of always the same keys.
fn fresh_seed() -> [u8; 32] {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut seed = [0; 32];
    seed.iter_mut().zip(now.as_nanos().to_le_bytes()).for_each(|(to, from)| *to = from);
    seed
}
