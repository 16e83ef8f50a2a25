//! The host's side of secure messaging.

#[cfg(test)]
#[path = "../../protocol/src/secure_messaging/exchanges.rs"]
mod exchanges;
mod host;
#[cfg(test)]
mod tests;

pub use host::{Breach, Host, Opening};
