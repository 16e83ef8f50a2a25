//! AES-CBC through whole commands, beside OpenSSL's library.

use openssl::symm::{Cipher, Crypter, Mode};
use vschsm_testing::test_card::TestCard;

use crate::compare;

/// The command carries its own frame and checks a key's limits; OpenSSL's cipher is ready as well.
pub(crate) fn cbc() {
    let mut card = TestCard::initialised("3.4").logged_in();
    card.generate_aes(1, 256, &[]);
    for (name, length) in [("16 bytes", 16), ("1 kB", 1024)] {
        for (mode, algorithm) in [(Mode::Encrypt, 0x10), (Mode::Decrypt, 0x11)] {
            let input = vec![0x5A; length];
            let mut output = vec![0; length + 16];
            let verb = if algorithm == 0x10 { "encrypt" } else { "decrypt" };
            compare(
                &format!("AES-256-CBC {verb}, {name}"),
                || drop(card.cipher(1, algorithm, &input).expect_ok()),
                "OpenSSL",
                || {
                    let cipher = Cipher::aes_256_cbc();
                    let mut crypter = Crypter::new(cipher, mode, &[7; 32], Some(&[0; 16])).unwrap();
                    crypter.pad(false);
                    crypter.update(&input, &mut output).unwrap();
                },
            );
        }
    }
}
