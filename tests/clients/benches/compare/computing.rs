//! The card alone, in this process, beside OpenSSL.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use vschsm_tests::test_card::TestCard;

use crate::row;

/// How long a loop of short operations runs.
const WINDOW: Duration = Duration::from_secs(1);

/// SELECT and GET CHALLENGE, on a card without a file and on one without room for another.
pub(crate) fn transmit() {
    let mut empty = TestCard::initialised("3.4");
    let mut full = filled();
    let commands =
        [("SELECT", "00A404000BE82B0601040181C31F020100"), ("GET CHALLENGE", "0084000008")];
    for (name, command) in commands {
        let apdu = vschsm_tests::hex(command);
        let on_empty = each(|| drop(empty.transmit(&apdu)));
        let on_full = each(|| drop(full.transmit(&apdu)));
        row(&format!("{name}, full card"), on_full, ("empty card", on_empty));
    }
}

/// A card with 20 EC keys and as many files as fit.
fn filled() -> TestCard {
    let mut card = TestCard::initialised("3.4").logged_in();
    for id in 1..=20 {
        card.generate_ec(id, "secp256r1", &[]);
    }
    for id in 1..=0xFF {
        if card.write(0xCD00 + id, &[0xA5; 1000]).status != 0x9000 {
            break;
        }
    }
    card
}

/// RSA key pairs: the time has so wide a spread that only the mean of many says something.
pub(crate) fn key_generation() {
    let start = mean(20, |_| run_openssl(&["version"]));
    for (bits, count) in [(2048, 40), (4096, 15)] {
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

/// Signatures with one key, again and again.
pub(crate) fn signatures() {
    let mut card = TestCard::initialised("3.4").logged_in();
    card.generate_rsa(1, 2048, &[]);
    card.generate_ec(2, "secp256r1", &[]);
    card.generate_ec(3, "brainpoolP256r1", &[]);
    let mut block = vec![0xFF; 256];
    block.splice(..2, [0x00, 0x01]);
    block.splice(222.., [0x00; 34]);
    for (work, id, algorithm, input, peer) in [
        ("RSA-2048 signature", 1, 0x20, block.as_slice(), "rsa2048"),
        ("ECDSA signature, secp256r1", 2, 0x70, &[0x5A; 32], "ecdsap256"),
        ("ECDSA signature, brainpoolP256r1", 3, 0x70, &[0x5A; 32], "ecdsabrp256r1"),
    ] {
        let ours = each(|| drop(card.sign(id, algorithm, input).expect_ok()));
        row(work, ours, ("openssl speed", openssl_speed(peer)));
    }
}

/// The mean of `count` times.
fn mean(count: u32, mut once: impl FnMut(u32) -> Duration) -> Duration {
    (0..count).map(&mut once).sum::<Duration>() / count
}

/// How long one call takes, of as many as fit into [`WINDOW`].
fn each(mut operation: impl FnMut()) -> Duration {
    let begin = Instant::now();
    let mut count = 0;
    while begin.elapsed() < WINDOW {
        // The clock costs as much as a short command: it is asked after every 16.
        for _ in 0..16 {
            operation();
        }
        count += 16;
    }
    begin.elapsed() / count
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
