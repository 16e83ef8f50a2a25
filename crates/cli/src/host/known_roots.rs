//! The roots that the program knows, and what they say of a card.

use vschsm_host::certificates::{TEST_ROOT, VENDOR_ROOT, VENDOR_TEST_ROOT};

/// What it says of a card that its certificates lead to the root of that name.
pub(crate) fn root_in_words(root: &[u8]) -> Option<&'static str> {
    match root {
        VENDOR_ROOT => Some("A card that the vendor has made: its root is DESRCACC100001."),
        VENDOR_TEST_ROOT => Some("A test card of the vendor's: its root is UTSRCACC100001."),
        TEST_ROOT => {
            Some("A virtual card: its root is ZZSRCAVS100001, whose private key is published.")
        }
        _ => None,
    }
}
