//! What tests share.
//!
//! | module                   | what                                                          |
//! |--------------------------|---------------------------------------------------------------|
//! | [`test_card`]            | a card that is easy to talk to                                |
//! | [`secure_host`]          | the host's end of secure messaging, independent of the card's |
//! | [`global_platform_host`] | the issuer's end of SCP02 and of an update, likewise          |
//! | [`custodian`], [`group`] | other cards, whose keys authenticate and sign                 |
//! | [`given_key`], [`curves`] | keys and curves that a test brings                           |
//! | [`off_card`]             | what is done with wrapped keys without a card                 |
//! | [`pcsc_client`]          | the client's side of pcsc-lite's protocol                     |
//! | [`fuzzing`], [`mutation`] | what fuzzing targets do, and inputs changed at random        |

use std::fmt::Write as _;
use vschsm_card::profile::BUILT_IN;

pub mod curves;
pub mod custodian;
pub mod fuzzing;
pub mod given_key;
pub mod global_platform_host;
pub mod group;
pub mod mutation;
pub mod off_card;
pub mod pcsc_client;
pub mod secure_host;
pub mod test_card;

/// The firmwares that are built in, oldest first.
pub fn firmwares() -> impl Iterator<Item = &'static str> + Clone {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// Whether `firmware` is `first` or a later one.
#[must_use]
pub fn is_from(firmware: &str, first: &str) -> bool {
    firmwares().skip_while(|name| *name != first).any(|name| name == firmware)
}

/// The bytes of hexadecimal digits; blanks are passed over.
///
/// # Panics
///
/// If `text` is anything else: it is the test that is wrong.
#[must_use]
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|digit| digit.to_digit(16).unwrap_or_else(|| panic!("{digit} is no digit: {text}")))
        .map(|digit| digit.to_le_bytes()[0])
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte at the end: {text}");
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

/// The hexadecimal digits of bytes.
#[must_use]
pub fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").expect("a String takes everything");
        text
    })
}
