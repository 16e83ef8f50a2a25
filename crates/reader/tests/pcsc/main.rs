//! pcscd's protocol, message by message.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

mod device;
mod golden;
mod malformed;
mod power;
mod protocols;
mod sharing;
mod transactions;
mod versions;
mod waiting;
mod world;
