//! `vschsm keys`: the keys on a card, and their public parts.

use crate::card::image;
use crate::card::summary::KeySummary;
use crate::store::disk;
use crate::store::passphrase::PassphraseSource;
use crate::text::failure::Failure;
use crate::text::{hex, output};
use clap::{ArgGroup, Args};
use std::fs;
use std::path::PathBuf;
use vschsm_card::Card;
use vschsm_card::state::KeyId;
use vschsm_host::provisioning::KeyIdentifier;
use vschsm_host::public_key;

/// List the keys on a card, or write the public key or the certificate request of one
///
/// The PKCS#15 id and label are shown for keys that a client has described. No PIN is needed, and
/// the use counters of keys stay as they are.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").args(["csr", "public"]).requires("key"),
    group = ArgGroup::new("key").args(["number", "id"]),
    after_help = "\
Examples:
  vschsm keys alice
  vschsm keys alice --id 10 --public > 10.pem
  vschsm keys alice --json | jq -r '.[] | select(.curve) | .id'
  vschsm keys alice 1 --public | openssl pkey -pubin -noout -text
  vschsm keys ./ci.card 1 --csr --output 1.cvreq")]
pub(crate) struct KeysOptions {
    /// The card: a path, or the name of a card in the data folder
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: PathBuf,

    /// The number of the key on the card, such as 1 for CC01; PKCS#11 clients use another id
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..))]
    number: Option<u8>,

    /// The id that PKCS#11 clients show for the key, in hexadecimal, instead of its number
    #[arg(long, value_name = "HEX")]
    id: Option<KeyIdentifier>,

    /// Write the CV certificate request of the key, signed by the card
    ///
    /// The request in the card's file CEnn if it is for this key; otherwise a new one, whose holder
    /// reference is the card's serial number and the key's number. In hexadecimal, or in binary
    /// with --output.
    #[arg(long)]
    csr: bool,

    /// Write the public key as SubjectPublicKeyInfo in PEM
    #[arg(long)]
    public: bool,

    /// Write to this file
    #[arg(long, value_name = "FILE", requires = "what")]
    output: Option<PathBuf>,

    /// Print JSON: an array of the keys, as in `vschsm show --json`
    #[arg(long, conflicts_with = "what")]
    json: bool,

    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// Lists keys, or prints or writes the public part of one.
pub(crate) fn run(options: &KeysOptions) -> Result<(), Failure> {
    let card = image::open_read_only(&options.card, &options.passphrase)?;
    let Some((id, key)) = chosen(options, &card)? else {
        let keys = card.state().keys().map(|(id, key)| KeySummary::of(card.state(), id, key));
        return options.print(&keys.collect::<Vec<_>>());
    };
    if options.csr {
        let request = request(&card, id)?;
        return match &options.output {
            None => output::print(format_args!("{}\n", hex::upper(&request))),
            Some(path) => write(path, &request),
        };
    }
    if options.public {
        let public = key.public_key().ok_or_else(|| no_pair(id.number()))?;
        let pem = public_key::pem(&public)
            .map_err(|error| Failure::because("cannot encode the public key", error))?;
        return match &options.output {
            None => output::print(pem),
            Some(path) => write(path, pem.as_bytes()),
        };
    }
    options.print(&[KeySummary::of(card.state(), id, key)])
}

/// The key that the user names; `None` means all keys.
fn chosen<'a>(
    options: &KeysOptions,
    card: &'a Card,
) -> Result<Option<(KeyId, &'a vschsm_card::state::Key)>, Failure> {
    let path = options.card.display();
    let mut keys = card.state().keys();
    if let Some(number) = options.number {
        let found = keys.find(|(id, _)| id.number() == number);
        return found.map(Some).ok_or_else(|| {
            Failure::Failed(format!("{path} has no key {number}: see `vschsm keys {path}`"))
        });
    }
    let Some(wanted) = &options.id else { return Ok(None) };
    let wanted = wanted.to_string();
    let mut found =
        keys.filter(|(id, key)| KeySummary::of(card.state(), *id, key).has_pkcs11_id(&wanted));
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(Some(key)),
        (Some((first, _)), Some((second, _))) => Err(Failure::Failed(format!(
            "keys {} and {} of {path} both have the id {wanted}: name one by its number",
            first.number(),
            second.number()
        ))),
        (None, _) => Err(Failure::Failed(format!(
            "{path} has no key with the id {wanted}: see `vschsm keys {path}`"
        ))),
    }
}

impl KeysOptions {
    fn print(&self, keys: &[KeySummary]) -> Result<(), Failure> {
        if self.json {
            return output::print_json(&keys);
        }
        output::print(keys.iter().map(|key| format!("{key}\n")).collect::<String>())
    }
}

fn request(card: &Card, id: KeyId) -> Result<Vec<u8>, Failure> {
    card.certificate_request(id).ok_or_else(|| no_pair(id.number()))
}

fn no_pair(number: u8) -> Failure {
    Failure::Failed(format!("key {number} is a secret key, which has no public key"))
}

fn write(path: &PathBuf, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes)
        .map_err(|error| Failure::because(format_args!("cannot write {}", path.display()), error))
}
