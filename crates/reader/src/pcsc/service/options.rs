//! How a service behaves.

use crate::pcsc::message::MAX_READERS_CONTEXTS;
use std::time::Duration;

/// How a [`Service`](super::Service) behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceOptions {
    /// The number of reader states that a client of version 4:5 or older reads: see
    /// [`MAX_READERS_CONTEXTS`].
    pub max_readers_contexts: usize,
    /// The maximum of readers.
    pub max_readers: usize,
    /// How long a card keeps its session without a handle to it.
    pub power_off_grace_period: Duration,
    /// Whether readers announce extended APDUs. They accept them anyway.
    pub extended_apdus: bool,
}

/// As pcscd and libpcsclite before 2.5 are usually built: [`MAX_READERS_CONTEXTS`] readers, five
/// seconds until a card loses its power, extended APDUs.
impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            max_readers_contexts: MAX_READERS_CONTEXTS,
            max_readers: MAX_READERS_CONTEXTS,
            power_off_grace_period: Duration::from_secs(5),
            extended_apdus: true,
        }
    }
}
