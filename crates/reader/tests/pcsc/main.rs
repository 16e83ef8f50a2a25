//! pcscd's protocol, message by message.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod golden;
mod malformed;
mod sharing;
mod transactions;
mod versions;
mod waiting;
mod world;
