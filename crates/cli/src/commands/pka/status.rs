//! `vschsm pka status`: which keys open a card, and which have.

use super::{manage, text, unexpected};
use crate::host::connection::{self, Connection, Protection};
use crate::text::failure::Failure;
use crate::text::{output, words};
use clap::Args;
use serde::Serialize;
use std::fmt;
use vschsm_host::Transport;

/// VERIFY without data: is the user logged in?
const LOGGED_IN: [u8; 4] = [0x00, 0x20, 0x00, 0x81];

/// Say which keys open a card, and whether they have
///
/// The card is not reset: whoever is connected to it stays logged in, unless they are in a channel
/// of secure messaging, which ends with any command that is not sealed by themselves.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm pka status --reader 'HSM 1'
  vschsm pka status --reader 'HSM 1' --json")]
pub(super) struct Show {
    /// The card in this PC/SC reader: its name, or a part of it that no other has
    #[arg(long, value_name = "NAME")]
    reader: String,

    #[command(flatten)]
    protection: Protection,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How it stands with a card's public key authentication.
#[derive(Debug, Serialize)]
pub(super) struct Status {
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
    keys: Vec<Key>,
}

/// A registered key.
#[derive(Debug, Serialize)]
struct Key {
    /// As the card counts.
    number: u8,
    holder: String,
    authenticated: bool,
}

/// Tells.
pub(super) fn run(options: &Show) -> Result<(), Failure> {
    connection::visit(&options.reader, &options.protection, |card| {
        let status = Status::of(card)?;
        if options.json { output::print_json(&status) } else { output::print(status) }
    })
}

impl Status {
    /// Asks a card.
    pub(super) fn of<M: Transport>(card: &mut Connection<M>) -> Result<Self, Failure> {
        let (total, missing, required, authenticated) = match manage(card, [0, 0], &[])? {
            (0x9000, numbers) => match *numbers.as_slice() {
                [total, missing, required, authenticated] => {
                    (total, missing, required, authenticated)
                }
                _ => return Err(unexpected(card, "count its keys in four bytes", 0x9000)),
            },
            (0x6D00 | 0x6A86, _) => {
                return Err(Failure::Failed(format!(
                    "the card in {} was not initialised for public key authentication, or is older \
                     than 2.0: initialise it with sc-hsm-tool --initialize --public-key-auth N \
                     --required-pub-keys M, which deletes its keys",
                    card.name()
                )));
            }
            (status, _) => {
                return Err(unexpected(card, "tell of its public key authentication", status));
            }
        };
        let mut keys = Vec::new();
        // That the first key is number 0 is a guess, so that one more is asked for.
        for number in 0..=total {
            let (status, holder) = manage(card, [2, number], &[])?;
            if matches!(status, 0x9000 | 0x9001) {
                let authenticated = status == 0x9001;
                keys.push(Key { number, holder: text(&holder), authenticated });
            }
        }
        let open = card.ask(&LOGGED_IN)?.0 == 0x9000;
        Ok(Self { total, missing, required, authenticated, open, keys })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, missing, required, authenticated, open, keys } = self;
        let keys_in_words = words::count(usize::from(*total), "key");
        writeln!(f, "{keys_in_words}, {required} required, {missing} missing")?;
        for Key { number, holder, authenticated } in keys {
            let authenticated = if *authenticated { ", has authenticated" } else { "" };
            writeln!(f, "  {number}: {holder}{authenticated}")?;
        }
        let is = if *open { "open" } else { "closed" };
        write!(f, "{authenticated} authenticated: the card is {is}")?;
        f.write_str(match (open, missing) {
            (true, _) => ".\n",
            (false, 1..) => ", and stays so until all keys are registered.\n",
            (false, 0) if authenticated >= required => ", and wants the user PIN as well.\n",
            (false, 0) => ".\n",
        })
    }
}
