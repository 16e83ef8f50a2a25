//! `vschsm pka`: public key authentication with the keys of n of m custodians.

mod authenticate;
mod custodian;
mod register;
mod status;

use crate::host::connection::Connection;
use crate::text::failure::Failure;
use crate::trace;
use authenticate::Authenticate;
use clap::{Args, Subcommand};
use custodian::Export;
use register::Register;
use status::ShowStatus;
use vschsm_host::{HostError, Transport};

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

/// The message for an unexpected error.
fn unexpected<T: Transport>(card: &Connection<T>, what: &str, error: HostError) -> Failure {
    match error {
        HostError::Refused { status, .. } => {
            let status = trace::describe_status(status.0);
            Failure::Failed(format!("the card in {} cannot {what}: {status}", card.name()))
        }
        error => card.failure(error),
    }
}

/// A name from a certificate, safe to print on a terminal.
fn text(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}
