//! `vschsm encrypt` and `vschsm decrypt`: encrypts the file of a card with a passphrase, or
//! decrypts it.

use crate::card::image;
use crate::store::disk::{self, Durability};
use crate::store::encryption::FileCipher;
use crate::store::image_file::ImageFile;
use crate::store::passphrase::{NewPassphrase, PassphraseSource};
use crate::text::failure::Failure;
use crate::text::output;
use clap::Args;
use std::path::PathBuf;

/// Encrypt the file of a card with a passphrase, or change its passphrase
///
/// From then on every command that opens the card needs the passphrase: from --passphrase-file,
/// from VSCHSM_PASSPHRASE, or from the terminal. The key is derived with Argon2id; the cipher is
/// XChaCha20-Poly1305. A lost passphrase cannot be recovered. The unencrypted content may remain on
/// the disk until its blocks are overwritten: with `vschsm new --passphrase` it is never written
/// there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm encrypt alice
  vschsm encrypt ./ci.card --passphrase-file ~/ci.passphrase
  vschsm encrypt ./ci.card --passphrase-file ~/old --new-passphrase-file ~/new")]
pub(crate) struct Encrypt {
    /// The card: a path, or the name of a card in the data folder
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: PathBuf,

    #[command(flatten)]
    passphrase: PassphraseSource,

    #[command(flatten)]
    new: NewPassphrase,
}

/// Decrypt the file of a card
///
/// From then on everybody who can read the file can read the keys in it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  vschsm decrypt alice --passphrase-file ~/alice.passphrase")]
pub(crate) struct Decrypt {
    /// The card: a path, or the name of a card in the data folder
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: PathBuf,

    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// Encrypts the card, or changes its passphrase.
pub(crate) fn encrypt(options: &Encrypt) -> Result<(), Failure> {
    let Encrypt { card: path, passphrase, new } = options;
    let (file, image) = ImageFile::open(path, Durability::Full, passphrase)?;
    image::load(path, &image)?;
    let was_encrypted = file.is_encrypted();
    let passphrase =
        if was_encrypted { new.for_encrypted(path) } else { new.for_plain(path, passphrase) }?;
    file.encrypted_with(Some(FileCipher::new(&passphrase)?)).save_image(&image)?;
    let path = path.display();
    output::print(if was_encrypted {
        format!("Changed the passphrase of {path}.\n")
    } else {
        format!("Encrypted {path}.\n")
    })
}

/// Decrypts the card.
pub(crate) fn decrypt(options: &Decrypt) -> Result<(), Failure> {
    let Decrypt { card: path, passphrase } = options;
    let (file, image) = ImageFile::open(path, Durability::Full, passphrase)?;
    if !file.is_encrypted() {
        return Err(Failure::Failed(format!("{} is not encrypted", path.display())));
    }
    file.encrypted_with(None).save_image(&image)?;
    output::print(format_args!("Decrypted {}.\n", path.display()))
}
