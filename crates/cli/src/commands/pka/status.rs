//! `vschsm pka status`: which keys are registered, and which have authenticated.

use super::{text, unexpected};
use crate::host::connection::{self, Connection, Protection};
use crate::text::failure::Failure;
use crate::text::{names, output};
use clap::Args;
use serde::Serialize;
use std::fmt;
use vschsm_host::{HostError, Transport};
use vschsm_protocol::apdu::Status;

/// Show which keys are registered, and which have authenticated
///
/// The card is not reset: other programs stay logged in to it, unless they use secure messaging,
/// which ends with any command that is not protected by its session keys.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm pka status --reader 'HSM 1'
  vschsm pka status --reader 'HSM 1' --json")]
pub(super) struct ShowStatus {
    /// The card in this PC/SC reader: its name, or a part of it that only one has
    #[arg(long, value_name = "NAME")]
    reader: String,

    #[command(flatten)]
    protection: Protection,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The state of a card's public key authentication.
#[derive(Debug, Serialize)]
pub(super) struct PkaStatus {
    /// How many keys there is room for.
    total: u8,
    /// How many are not registered yet.
    pub(super) missing: u8,
    /// How many have to authenticate.
    pub(super) required: u8,
    /// How many have.
    pub(super) authenticated: u8,
    /// Whether the user is logged in.
    pub(super) open: bool,
    keys: Vec<KeyStatus>,
}

/// A registered key.
#[derive(Debug, Serialize)]
struct KeyStatus {
    /// Its number on the card.
    number: u8,
    holder: String,
    authenticated: bool,
}

/// Prints the status.
pub(super) fn run(options: &ShowStatus) -> Result<(), Failure> {
    connection::visit(&options.reader, &options.protection, |card| {
        let status = PkaStatus::of(card)?;
        if options.json { output::print_json(&status) } else { output::print(status) }
    })
}

impl PkaStatus {
    /// Asks a card.
    pub(super) fn of<T: Transport>(card: &mut Connection<T>) -> Result<Self, Failure> {
        let counts = card.card().public_key_authentication().map_err(|error| match error {
            HostError::Refused { status: Status(0x6D00 | 0x6A86), .. } => Failure::Failed(format!(
                "the card in {} was not initialised for public key authentication, or its \
                 firmware is older than 2.0: initialise it with `sc-hsm-tool --initialize \
                 --public-key-auth N --required-pub-keys M`, which deletes its keys",
                card.name()
            )),
            error => unexpected(card, "report its public key authentication", error),
        })?;
        let keys = card.card().registered_keys().map_err(Failure::failed)?;
        let open = card.card().is_logged_in().map_err(Failure::failed)?;
        let keys = keys.iter().map(|key| KeyStatus {
            number: key.number,
            holder: text(&key.holder),
            authenticated: key.authenticated,
        });
        Ok(Self {
            total: counts.total,
            missing: counts.missing,
            required: counts.required,
            authenticated: counts.authenticated,
            open,
            keys: keys.collect(),
        })
    }
}

impl fmt::Display for PkaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, missing, required, authenticated, open, keys } = self;
        let keys_in_words = names::count(usize::from(*total), "key");
        writeln!(f, "{keys_in_words}, {required} required, {missing} missing")?;
        for KeyStatus { number, holder, authenticated } in keys {
            let authenticated = if *authenticated { ", has authenticated" } else { "" };
            writeln!(f, "  {number}: {holder}{authenticated}")?;
        }
        let is = if *open { "logged in" } else { "not logged in" };
        write!(f, "{authenticated} authenticated: {is}")?;
        f.write_str(match (open, missing) {
            (true, _) => ".\n",
            (false, 1..) => ", which needs all keys to be registered.\n",
            (false, 0) if authenticated >= required => ", which also needs the user PIN.\n",
            (false, 0) => ".\n",
        })
    }
}
