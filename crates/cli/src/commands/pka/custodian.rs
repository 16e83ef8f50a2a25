//! A custodian's card: its key, the certificates for that, and its signatures.

use super::{text, unexpected};
use crate::host::connection::{Connection, Protection, log_in};
use crate::host::known_roots;
use crate::text::failure::Failure;
use crate::text::output;
use clap::Args;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use vschsm_host::HostError;
use vschsm_host::certificates::Verifier;
use vschsm_host::public_key_authentication::{CustodianKey, raw_signature};
use vschsm_host::smart_card_hsm::SignAlgorithm;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::crypto::public_key::PublicKey;

/// Write the public key of a custodian to a file
///
/// Verifies EF 2F02 and EF CEnn of the card up to a root, and writes them to a file, from which
/// `vschsm pka register`, sc-hsm-tool and the vendor's scripts register the key on another card.
/// Needs no PIN.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  vschsm pka export --reader 'HSM 2' --key 1 alice.pka")]
pub(super) struct Export {
    /// The custodian's card is in this PC/SC reader: its name, or a part that only one has
    #[arg(long, value_name = "NAME")]
    reader: String,

    #[command(flatten)]
    protection: Protection,

    /// The number of the key, as `vschsm keys` lists it, such as 1 for CC01
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u8).range(1..))]
    key: u8,

    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A key on a card in a reader, as users write it: `READER:KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Custodian {
    pub(super) reader: String,
    pub(super) key: u8,
}

impl FromStr for Custodian {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':').filter(|(reader, _)| !reader.is_empty());
        let parts = parts.and_then(|(reader, key)| Some((reader, key.parse().ok()?)));
        match parts {
            Some((_, 0)) | None => {
                Err("not a reader and the number of a key, 1 to 255, such as 'HSM 2:1'".into())
            }
            Some((reader, key)) => Ok(Self { reader: reader.into(), key }),
        }
    }
}

/// Writes the file.
pub(super) fn export(options: &Export) -> Result<(), Failure> {
    let mut card = Connection::open(&options.reader, &options.protection)?;
    let file = public_key(&mut card, options.key)?;
    let verified = verify(&file, card.name())?;
    let path = options.file.display();
    let content = file.encode().ok_or_else(|| {
        Failure::Failed(format!("the card in {} does not have two certificates", card.name()))
    })?;
    fs::write(&options.file, content)
        .map_err(|error| Failure::because(format_args!("cannot write {path}"), error))?;
    output::print(format_args!("{verified}\n"))
}

/// The public key of that number, from the files of the card.
pub(super) fn public_key(card: &mut Connection, key: u8) -> Result<CustodianKey, Failure> {
    let missing = |card: &Connection, what: &str| {
        Failure::Failed(format!(
            "the card in {} has {what} EF CE{key:02X}: key {key} needs its certificate request, \
             which a certificate may have replaced",
            card.name()
        ))
    };
    CustodianKey::read(card.card(), key).map_err(|error| match error {
        HostError::Unsupported(_) => missing(card, "no request in"),
        HostError::Refused { status: Status::FILE_NOT_FOUND, .. } => missing(card, "no"),
        error => unexpected(card, &format!("read EF CE{key:02X}"), error),
    })
}

/// Verifies a custodian's key up to a root, and describes it. `whence` is the file or reader that
/// it comes from.
pub(super) fn verify(file: &CustodianKey, whence: &str) -> Result<String, Failure> {
    let mut verifier = Verifier::default();
    let holder = text(file.holder());
    let device = verifier.device(&file.certificates).map_err(|flaw| {
        let what = format_args!("the certificates in {whence} are not verified");
        Failure::because(what, flaw)
    })?;
    let request = verifier.request(&file.request).map_err(|flaw| {
        Failure::because(format_args!("the key {holder} in {whence} is not verified"), flaw)
    })?;
    let PublicKey::Ec { curve, .. } = &request.key else {
        return Err(Failure::Failed(format!(
            "the key {holder} in {whence} is an RSA key: only EC keys can log in"
        )));
    };
    let curve = curve.name().unwrap_or("on a curve without a name");
    let root = known_roots::root_in_words(device.root()).unwrap_or_default();
    Ok(format!("{holder}, key, EC {curve}, by {}. {root}", text(device.holder())))
}

/// Logs in and signs with ECDSA and SHA-256: r ‖ s.
pub(super) fn sign(
    card: &mut Connection,
    key: u8,
    (file, pin): (&CustodianKey, &str),
    message: &[u8],
) -> Result<Vec<u8>, Failure> {
    log_in(card, pin)?;
    let name = card.name().to_owned();
    let signature = card.card().sign(key, SignAlgorithm::EcdsaSha256, message);
    let signature = signature.map_err(|error| match error {
        HostError::Refused { status: Status(0x6A81 | 0x6985), .. } => Failure::Failed(format!(
            "key {key} on the card in {name} may not sign with ECDSA SHA-256: its algorithm list \
             needs 73"
        )),
        error => unexpected(card, &format!("sign with key {key}"), error),
    })?;
    let raw = file.order_length().and_then(|length| raw_signature(&signature, length));
    raw.ok_or_else(|| {
        Failure::Failed(format!(
            "the signature of key {key} on the card in {name} does not fit its curve"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custodian_is_a_reader_and_a_key_whatever_the_reader_is_called() {
        for (text, reader, key) in [
            ("HSM 2:1", "HSM 2", 1),
            (
                "Nitrokey HSM (ZZVS0000001     ) 00 00:255",
                "Nitrokey HSM (ZZVS0000001     ) 00 00",
                255,
            ),
            ("with:colon:7", "with:colon", 7),
        ] {
            assert_eq!(text.parse(), Ok(Custodian { reader: reader.into(), key }));
        }
        for bad in ["", "HSM", ":1", "HSM:", "HSM:0", "HSM:256", "HSM:x"] {
            assert!(bad.parse::<Custodian>().is_err(), "{bad}");
        }
    }
}
