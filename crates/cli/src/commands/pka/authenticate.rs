//! `vschsm pka authenticate`: custodians log in to a card.

use super::custodian::{self, Custodian};
use super::status::PkaStatus;
use super::{text, unexpected};
use crate::host::connection::{self, Connection, Protection};
use crate::process::prompt;
use crate::text::failure::Failure;
use crate::text::output;
use crate::text::secret::Secret;
use clap::Args;
use std::io::{self, IsTerminal};
use vschsm_host::{HostError, Transport};
use vschsm_protocol::apdu::Status;

/// Log in to a card with the keys of custodians
///
/// Each custodian's card signs a challenge from the card, after login with its own PIN. A wrong PIN
/// is sent only once, and never as the last try; no PIN is sent if the card would not accept the
/// key anyway.
///
/// The card is neither reset nor selected again. It stays logged in for programs that are connected
/// to it already, or that connect before the reader powers it off, some seconds after the last one
/// has disconnected. Selecting the applet logs out, and OpenSC's tools do that when they start, so
/// such a program must be running already. Custodians may also authenticate one at a time, each
/// with a command of their own, under the same conditions. With --secure-messaging the login ends
/// with this command, as the channel does.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm pka authenticate --reader 'HSM 1' --custodian 'HSM 2:1' --custodian 'HSM 3:1'
  vschsm pka authenticate --reader 'HSM 1' --custodian 'HSM 2:1' --pin 648219")]
pub(super) struct Authenticate {
    /// The card in this PC/SC reader: its name, or a part of it that only one has
    #[arg(long, value_name = "NAME")]
    reader: String,

    #[command(flatten)]
    protection: Protection,

    /// The number of a key on the card in another reader; repeat it for each custodian
    #[arg(long, value_name = "READER:KEY", required = true)]
    custodian: Vec<Custodian>,

    /// The user PIN of a custodian's card, once for each custodian in the same order; other users
    /// of the machine may see it [default: asked for at the terminal]
    #[arg(long, value_name = "PIN")]
    pin: Vec<Secret>,
}

/// Authenticates with one custodian after the other, and prints the new status.
pub(super) fn run(options: &Authenticate) -> Result<(), Failure> {
    let name = connection::name_of(&options.reader)?;
    let mut custodians = Vec::new();
    for custodian in &options.custodian {
        let reader = connection::name_of(&custodian.reader)?;
        if reader == name {
            let sentence =
                format!("the card in {name} is the one to log in to: custodians need other cards");
            return Err(Failure::Usage(sentence));
        }
        custodians.push(Custodian { reader, ..custodian.clone() });
    }
    let pins = pins(&custodians, &options.pin)?;
    let status = connection::visit(&name, &options.protection, |card| {
        let missing = PkaStatus::of(card)?.missing;
        if missing > 0 {
            return Err(Failure::Failed(format!(
                "no key can log in to the card in {name} yet: register {missing} more with `vschsm \
                 pka register`"
            )));
        }
        for (custodian, pin) in custodians.iter().zip(&pins) {
            let with = Connection::open(&custodian.reader, &options.protection)?;
            authenticate(card, with, custodian.key, pin)?;
        }
        PkaStatus::of(card)
    })?;
    output::print(status)
}

/// A PIN for each custodian: from the options, or from the terminal.
fn pins(custodians: &[Custodian], given: &[Secret]) -> Result<Vec<Secret>, Failure> {
    if given.len() == custodians.len() {
        return Ok(given.to_vec());
    }
    if !given.is_empty() {
        let sentence = "give --pin once for each --custodian, in the same order, or not at all";
        return Err(Failure::Usage(sentence.into()));
    }
    if !io::stdin().is_terminal() {
        let sentence = "no terminal to ask for the custodians' PINs: give --pin for each of them";
        return Err(Failure::Usage(sentence.into()));
    }
    let ask = |custodian: &Custodian| {
        prompt::ask(&format!("PIN of the card in {}: ", custodian.reader))
            .map_err(|error| Failure::because("cannot read the PIN", error))
    };
    custodians.iter().map(ask).collect()
}

/// Has a custodian's card sign a challenge of the card.
fn authenticate<M: Transport>(
    card: &mut Connection<M>,
    mut custodian: Connection,
    key: u8,
    pin: &Secret,
) -> Result<(), Failure> {
    let file = custodian::public_key(&mut custodian, key)?;
    let holder = text(file.holder());
    let name = card.name().to_owned();
    match card.card().select_key_for_authentication(file.holder()) {
        Ok(true) => {}
        Ok(false) => {
            return Err(Failure::Failed(format!(
                "{holder} is not registered on the card in {name}, and no PIN was sent: see \
                 `vschsm pka status`"
            )));
        }
        Err(HostError::Refused { status: Status::CONDITIONS_NOT_SATISFIED, .. }) => {
            output::announce(format_args!("{holder} has authenticated already; no PIN was sent."));
            return Ok(());
        }
        Err(error) => return Err(unexpected(card, &format!("select the key {holder}"), error)),
    }
    let message = card.card().authentication_message();
    let message = message.map_err(|error| unexpected(card, "generate a challenge", error))?;
    let signature = custodian::sign(&mut custodian, key, (&file, pin), &message)?;
    match card.card().external_authenticate(&signature) {
        Ok(true) => {
            output::announce(format_args!("{holder} has authenticated."));
            Ok(())
        }
        Ok(false) => Err(Failure::Failed(format!(
            "the card in {name} rejects the signature of {holder}: another key is registered under \
             this name; register the one on the card in {} with `vschsm pka register`",
            custodian.name()
        ))),
        Err(error) => Err(unexpected(card, &format!("verify the signature of {holder}"), error)),
    }
}
