//! `vschsm pka`: public key authentication with the keys of n of m custodians.

mod authenticate;
mod custodian;
mod key_file;
mod register;
mod status;

use crate::host::connection::{Answer, Connection};
use crate::text::failure::Failure;
use crate::trace;
use authenticate::Authenticate;
use clap::{Args, Subcommand};
use custodian::Export;
use register::Register;
use status::ShowStatus;
use vschsm_host::{Transport, command};
use vschsm_protocol::tlv;

/// Log in to a card with the keys of custodians: public key authentication
///
/// A card that was initialised for it (`sc-hsm-tool --initialize --public-key-auth 3
/// --required-pub-keys 2`) has room for the public keys of EC keys on other SmartCard-HSMs. When
/// the required number of them have signed a challenge, the user is logged in, as with a PIN. This
/// needs all keys to be registered first. Real and virtual cards support it from firmware 2.0 on.
#[derive(Debug, Args)]
#[command(after_help = "\
A custodian is written as the reader, a colon and the number of the key: 'HSM 2:1'.

Examples:
  vschsm pka register --reader 'HSM 1' --custodian 'HSM 2:1' --custodian 'HSM 3:1' carol.pka
  vschsm pka status --reader 'HSM 1'
  vschsm pka authenticate --reader 'HSM 1' --custodian 'HSM 2:1' --custodian 'HSM 3:1'")]
pub(crate) struct Pka {
    #[command(subcommand)]
    command: PkaCommand,
}

#[derive(Debug, Subcommand)]
enum PkaCommand {
    Status(ShowStatus),
    Export(Export),
    Register(Register),
    Authenticate(Authenticate),
}

/// Runs the subcommand.
pub(crate) fn run(options: &Pka) -> Result<(), Failure> {
    match &options.command {
        PkaCommand::Status(options) => status::run(options),
        PkaCommand::Export(options) => custodian::export(options),
        PkaCommand::Register(options) => register::run(options),
        PkaCommand::Authenticate(options) => authenticate::run(options),
    }
}

/// MANAGE PUBLIC KEY AUTHENTICATION with extended lengths, as the data is long: P1, P2, data.
fn manage<M: Transport>(
    card: &mut Connection<M>,
    [p1, p2]: [u8; 2],
    data: &[u8],
) -> Result<Answer, Failure> {
    card.ask(&command::with_le([0x80, 0x54, p1, p2], data))
}

/// MANAGE SECURITY ENVIRONMENT: chooses a key by its holder, for P2 `A4` or `B6`.
fn choose<M: Transport>(
    card: &mut Connection<M>,
    template: u8,
    holder: &[u8],
) -> Result<u16, Failure> {
    let choose = command::without_le([0x00, 0x22, 0x81, template], &tlv::encode(0x83, holder));
    Ok(card.ask(&choose)?.0)
}

/// The message for an unexpected status word.
fn unexpected<M>(card: &Connection<M>, what: &str, status: u16) -> Failure
where
    M: Transport,
{
    let status = trace::describe_status(status);
    Failure::Failed(format!("the card in {} cannot {what}: {status}", card.name()))
}

/// A name from a certificate, safe to print on a terminal.
fn text(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}
