//! `vschsm pka register`: registers custodians' keys on a card.

use super::custodian::{self, Custodian};
use super::status::PkaStatus;
use super::{text, unexpected};
use crate::host::connection::{Connection, Protection};
use crate::text::failure::Failure;
use crate::text::{input, names, output};
use clap::Args;
use std::path::{Path, PathBuf};
use vschsm_host::HostError;
use vschsm_host::public_key_authentication::CustodianKey;
use vschsm_protocol::apdu::Status;

/// Register the keys of custodians on a card
///
/// Each key comes from a custodian's card in a reader, or from a file of `vschsm pka export`,
/// sc-hsm-tool or the vendor's scripts. Its certificates are verified here, and then by the card,
/// which trusts the vendor's roots; virtual cards also trust the published test root. A registered
/// key stays until the card is initialised again. The card is reset. Virtual cards need no PIN for
/// this; whether real ones do is not known.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm pka register --reader 'HSM 1' --custodian 'HSM 2:1'
  vschsm pka register --reader 'HSM 1' alice.pka bob.pka")]
pub(super) struct Register {
    /// The card in this PC/SC reader: its name, or a part of it that only one has
    #[arg(long, value_name = "NAME")]
    reader: String,

    #[command(flatten)]
    protection: Protection,

    /// The number of a key on the card in another reader; repeat it for each custodian
    #[arg(long, value_name = "READER:KEY")]
    custodian: Vec<Custodian>,

    /// Files with keys
    #[arg(value_name = "FILE", required_unless_present = "custodian")]
    files: Vec<PathBuf>,
}

/// Registers them one after the other.
pub(super) fn run(options: &Register) -> Result<(), Failure> {
    let mut keys = Vec::new();
    for Custodian { reader, key } in &options.custodian {
        let mut card = Connection::open(reader, &options.protection)?;
        keys.push((card.name().to_owned(), custodian::public_key(&mut card, *key)?));
    }
    for path in &options.files {
        keys.push((path.display().to_string(), read(path)?));
    }
    // All are verified before the card is changed.
    let keys = keys.into_iter().map(|(whence, key)| {
        let description = custodian::verify(&key, &whence)?;
        Ok((key, description))
    });
    let keys = keys.collect::<Result<Vec<_>, Failure>>()?;

    let mut card = Connection::open(&options.reader, &options.protection)?;
    PkaStatus::of(&mut card)?;
    for (key, description) in &keys {
        output::print(format_args!("{description}\n"))?;
        let missing = register(&mut card, key)?;
        let missing = match missing {
            0 => "no key is missing".into(),
            missing => format!("{} missing", names::count(usize::from(missing), "key")),
        };
        output::print(format_args!("Registered {}; {missing}.\n", text(key.holder())))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<CustodianKey, Failure> {
    let shown = path.display();
    let content = input::bytes(path)?;
    CustodianKey::parse(&content).ok_or_else(|| {
        let sentence =
            format!("{shown} is not a custodian's key: create one with `vschsm pka export`");
        Failure::Failed(sentence)
    })
}

/// Registers a key, and returns the number of keys that are still missing.
fn register(card: &mut Connection, key: &CustodianKey) -> Result<u8, Failure> {
    let (name, holder) = (card.name().to_owned(), text(key.holder()));
    let refused = |why: &str| {
        Failure::Failed(format!("cannot register {holder} on the card in {name}: {why}"))
    };
    match card.card().register_key(key) {
        Ok(status) => Ok(status.missing),
        Err(HostError::Refused { status: Status::CONDITIONS_NOT_SATISFIED, .. }) => Err(refused(
            "this key, or another one with this name, is registered already: see `vschsm pka \
             status`",
        )),
        Err(HostError::Refused { status: Status::NOT_ENOUGH_MEMORY, .. }) => Err(refused(
            "all its keys are registered; only initialisation frees them, which deletes all keys",
        )),
        Err(HostError::UnknownRoot { authority }) => Err(Failure::Failed(format!(
            "the card in {name} does not know {}, the issuer of the custodian's certificates: real \
             cards do not trust virtual ones",
            text(&authority)
        ))),
        Err(error) => Err(unexpected(card, &format!("register {holder}"), error)),
    }
}
