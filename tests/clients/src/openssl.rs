//! OpenSSL, which judges what the card computes.

use crate::{Finished, Station};

/// Runs `openssl` in the home folder of `station`.
///
/// # Panics
/// If it fails.
pub fn openssl(station: &Station, arguments: &[&str]) -> Finished {
    station.run("openssl", arguments).succeeded()
}
