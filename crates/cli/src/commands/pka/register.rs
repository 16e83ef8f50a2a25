//! `vschsm pka register`: registers custodians' keys on a card.

use super::custodian::{self, Custodian};
use super::key_file::KeyFile;
use super::status::PkaStatus;
use super::{choose, manage, text, unexpected};
use crate::host::connection::{Connection, Protection};
use crate::text::failure::Failure;
use crate::text::{input, names, output};
use clap::Args;
use std::path::{Path, PathBuf};
use vschsm_host::command;
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::tlv;

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

fn read(path: &Path) -> Result<KeyFile, Failure> {
    let shown = path.display();
    let content = input::bytes(path)?;
    KeyFile::parse(&content).ok_or_else(|| {
        let sentence =
            format!("{shown} is not a custodian's key: create one with `vschsm pka export`");
        Failure::Failed(sentence)
    })
}

/// Registers a key, and says how many are still missing.
fn register(card: &mut Connection, key: &KeyFile) -> Result<u8, Failure> {
    verify_certificates(card, &key.certificates)?;
    let device = tlv::at(&key.request, &[0x67, 0x42]).unwrap_or_default();
    match choose(card, 0xB6, device)? {
        0x9000 => {}
        status => return Err(unexpected(card, "select the key of the custodian's device", status)),
    }
    let (name, holder) = (card.name().to_owned(), text(key.holder()));
    let refused = |why: &str| {
        Err(Failure::Failed(format!("cannot register {holder} on the card in {name}: {why}")))
    };
    match manage(card, [0, 0], command::content(&key.request))? {
        (0x9000, numbers) => Ok(numbers.get(1).copied().unwrap_or_default()),
        (0x6985, _) => refused(
            "this key, or another one with this name, is registered already: see `vschsm pka \
             status`",
        ),
        (0x6A84, _) => refused(
            "all its keys are registered; only initialisation frees them, which deletes all keys",
        ),
        (status, _) => Err(unexpected(card, &format!("register {holder}"), status)),
    }
}

/// Has the card verify the certificates that it does not know yet, issuers first.
fn verify_certificates(card: &mut Connection, certificates: &[u8]) -> Result<(), Failure> {
    for object in tlv::parse(certificates).unwrap_or_default().iter().rev() {
        let Some((certificate, _)) = Certificate::take(object.encoded) else { continue };
        if choose(card, 0xB6, certificate.holder())? == 0x9000 {
            continue;
        }
        let authority = text(certificate.authority());
        match choose(card, 0xB6, certificate.authority())? {
            0x9000 => {}
            0x6A88 => {
                return Err(Failure::Failed(format!(
                    "the card in {} does not know {authority}, the issuer of the custodian's \
                     certificates: real cards do not trust virtual ones",
                    card.name()
                )));
            }
            status => {
                return Err(unexpected(card, &format!("select the key of {authority}"), status));
            }
        }
        let verify = command::without_le([0x00, 0x2A, 0x00, 0xBE], object.value);
        match card.ask(&verify)? {
            (0x9000, _) => {}
            (status, _) => {
                let holder = text(certificate.holder());
                return Err(unexpected(
                    card,
                    &format!("verify the certificate of {holder}"),
                    status,
                ));
            }
        }
    }
    Ok(())
}
