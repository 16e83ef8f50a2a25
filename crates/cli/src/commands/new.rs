//! `vschsm new`: creates a card.

use crate::card::aes_keys::AesKeys;
use crate::card::image;
use crate::card::personalisation::NewCard;
use crate::host::provision::ProvisioningOptions;
use crate::process::seed::Seed;
use crate::store::disk::{self, Durability};
use crate::store::encryption::FileCipher;
use crate::store::image_file::ImageFile;
use crate::store::passphrase::PassphraseSource;
use crate::text::failure::Failure;
use crate::text::output;
use clap::Args;
use std::path::PathBuf;

/// Create a card in a file
///
/// The card is as delivered: it has a device key and certificates, and has to be initialised, for
/// example with `sc-hsm-tool --initialize`; or it is initialised and provisioned at once, with
/// --initialize and the options after it, or with a provisioning file. The file contains all keys
/// of the card. Only its owner may read it, and it is encrypted only with --passphrase or
/// --passphrase-file. An existing file is never overwritten, except a card with --force.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm new alice                   a card in the data folder, for `vschsm run alice`
  vschsm new ./ci.card --seed ci     a card in the current folder, the same every time
  vschsm new old --firmware 2.6 --serial ZZVS0000042
  vschsm new alice --passphrase      encrypted; `vschsm run alice` will ask for it
  vschsm new ./ci.card --seed ci --initialize --label CI \\
      --key rsa:2048,id=10 --key ec:secp256r1,id=20,label=signing --cert 20=CN=CI
  vschsm new ./tls.card --initialize --cert 10=CN=localhost \\
      --key ec:secp256r1,id=10,san=DNS:localhost,san=IP:127.0.0.1

A provisioning file, in which every line is optional:
  pin = \"648219\"
  so-pin = \"3537363231383830\"
  tries = 3
  label = \"CI\"
  dkek-share = [\"share.pbe\"]     # beside this file
  dkek-password = \"password\"
  dkek-shares = 1                 # or domains = 2

  [[key]]
  type = \"rsa:2048\"             # or ec:secp256r1, aes:256
  id = \"10\"
  label = \"signing\"
  algorithms = \"3392\"           # SIGN with SHA-256, WRAP
  uses = 100
  certificate = \"CN=CI\"         # self-signed; or a file
  san = [\"DNS:localhost\"]       # if self-signed; also IP:…, email:…, URI:…
  ca = true                       # if self-signed: a certification authority")]
pub(crate) struct New {
    /// The card: a path, or the name of a card in the data folder
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: PathBuf,

    /// Replace an existing card, unless it is in use; a file that is not a card is never replaced
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    new_card: NewCard,

    #[command(flatten)]
    provisioning: ProvisioningOptions,

    #[command(flatten)]
    aes_keys: AesKeys,

    /// Derive all randomness from this text: the same text and options create the same file, byte
    /// for byte
    #[arg(long, value_name = "TEXT")]
    seed: Option<Seed>,

    /// Encrypt the file with the passphrase from --passphrase-file, VSCHSM_PASSPHRASE or the
    /// terminal
    #[arg(long = "passphrase", visible_alias = "encrypt")]
    encrypted: bool,

    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// Creates the card.
pub(crate) fn run(options: &New) -> Result<(), Failure> {
    let card = self::make(options)?;
    let serial = String::from_utf8_lossy(card.state().device().serial()).into_owned();
    let (path, firmware) = (options.card.display(), card.profile().name());
    output::print(format_args!("{path}: SmartCard-HSM {firmware}, serial number {serial}\n"))
}

fn make(options: &New) -> Result<vschsm_card::Card, Failure> {
    let mut card = options.new_card.make(&Seed::or_random(options.seed.as_ref())?)?;
    options.aes_keys.apply(&mut card, options.card.display());
    options.provisioning.apply(&mut card)?;
    let cipher = if options.encrypted || options.passphrase.is_named() {
        Some(FileCipher::new(&options.passphrase.for_card(&options.card)?)?)
    } else {
        None
    };
    disk::make_data_folder(&options.card)?;
    let image = image::of(&card);
    if options.force && options.card.exists() {
        ImageFile::replace(&options.card, &image, cipher, Durability::Full)?;
    } else {
        ImageFile::create(&options.card, &image, cipher, Durability::Full)?;
    }
    Ok(card)
}
