//! `vschsm seal` and `vschsm unseal`: a card's file under a passphrase, and out of it.

use crate::card::equipment;
use crate::store::disk::{self, Durability};
use crate::store::encryption::Seal;
use crate::store::image_file::Kept;
use crate::store::passphrase::{NewPassphrase, Source};
use crate::text::failure::Failure;
use crate::text::output;
use clap::Args;
use std::path::PathBuf;

/// Encrypt a card's file with a passphrase, or give it another one
///
/// From then on each command that opens the card needs the passphrase: from --passphrase-file, from
/// VSCHSM_PASSPHRASE, or from the terminal. The key is Argon2id's, the cipher XChaCha20-Poly1305.
/// Nobody can open the card without the passphrase. Blocks of the disk that have held the card
/// until now may be read there until the disk writes over them: a card that was sealed by `vschsm
/// new --passphrase` has never been there in the clear.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm seal alice
  vschsm seal ./ci.card --passphrase-file ~/ci.passphrase
  vschsm seal ./ci.card --passphrase-file ~/old --new-passphrase-file ~/new")]
pub(crate) struct SealCard {
    /// The card: a path, or the name of a card in the data folder
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: PathBuf,

    #[command(flatten)]
    passphrase: Source,

    #[command(flatten)]
    new: NewPassphrase,
}

/// Decrypt a card's file, which lies readable on the disk from then on
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  vschsm unseal alice --passphrase-file ~/alice.passphrase")]
pub(crate) struct UnsealCard {
    /// The card: a path, or the name of a card in the data folder
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: PathBuf,

    #[command(flatten)]
    passphrase: Source,
}

/// Encrypts the card, and says so.
pub(crate) fn seal(options: &SealCard) -> Result<(), Failure> {
    let SealCard { card: path, passphrase, new } = options;
    let (kept, image) = Kept::open(path, Durability::Full, passphrase)?;
    equipment::load(path, &image)?;
    let was_sealed = kept.is_sealed();
    let passphrase =
        if was_sealed { new.for_sealed(path) } else { new.for_plain(path, passphrase) }?;
    kept.under(Some(Seal::new(&passphrase)?)).save(&image)?;
    let path = path.display();
    output::print(if was_sealed {
        format!("{path} has a new passphrase.\n")
    } else {
        format!("{path} is encrypted now.\n")
    })
}

/// Decrypts the card, and says so.
pub(crate) fn unseal(options: &UnsealCard) -> Result<(), Failure> {
    let UnsealCard { card: path, passphrase } = options;
    let (kept, image) = Kept::open(path, Durability::Full, passphrase)?;
    if !kept.is_sealed() {
        return Err(Failure::Failed(format!("{} is not encrypted", path.display())));
    }
    kept.under(None).save(&image)?;
    output::print(format_args!("{} is not encrypted any more.\n", path.display()))
}
