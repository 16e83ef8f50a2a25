//! `vschsm dkek`: share files of the device key-encryption key.

use crate::card::card_defaults::CardOptions;
use crate::host::dkek_share::Password;
use crate::process::seed::Seed;
use crate::store::disk;
use crate::text::failure::Failure;
use crate::text::secret::Secret;
use crate::text::{hex, output};
use clap::{Args, Subcommand};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vschsm_host::dkek;
use vschsm_host::dkek::share_file::{self, SHARE_LENGTH};
use vschsm_host::dkek::split_password::SplitPassword;
use vschsm_host::smart_card_hsm::KeyDomainStatus;
use vschsm_host::{HostError, SmartCardHsm};
use vschsm_protocol::apdu::Status;

/// Create, show and import DKEK share files
///
/// A device key-encryption key (DKEK) encrypts the keys that are exported from a card. It is the
/// XOR of its shares, each of which is in a file encrypted with a password. sc-hsm-tool and the
/// Smart Card Shell use the same files.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm dkek create alice.pbe
  vschsm dkek create bob.pbe --threshold 2 --shares 3
  vschsm dkek show alice.pbe bob.pbe
  vschsm dkek import alice.pbe --card ./ci.card")]
pub(crate) struct Dkek {
    #[command(subcommand)]
    command: DkekCommand,
}

#[derive(Debug, Subcommand)]
enum DkekCommand {
    /// Create a share file
    Create(Create),
    /// Show the key check values of shares and of the DKEK that they make up
    Show(ShowShares),
    /// Import shares into the card in a file
    Import(Import),
}

#[derive(Debug, Args)]
struct Create {
    /// The new file, which must not exist yet
    file: PathBuf,

    /// The share, 32 bytes in hexadecimal, instead of a random one
    #[arg(long, value_name = "HEX", value_parser = share)]
    share: Option<Secret<[u8; SHARE_LENGTH]>>,

    /// Split a random password so that T of its shares restore it: at least 2
    #[arg(long, value_name = "T", requires = "shares")]
    #[arg(conflicts_with_all = ["password", "password_file"])]
    #[arg(value_parser = clap::value_parser!(u8).range(2..))]
    threshold: Option<u8>,

    /// Split the password into M shares, one for each person
    #[arg(long, value_name = "M", requires = "threshold")]
    shares: Option<u8>,

    #[command(flatten)]
    password: Password,
}

#[derive(Debug, Args)]
struct ShowShares {
    /// Share files, all with the same password
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// Print the shares and the DKEK, too: secrets
    #[arg(long)]
    reveal: bool,

    #[command(flatten)]
    password: Password,
}

#[derive(Debug, Args)]
struct Import {
    /// Share files, all with the same password
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// The card: a path, or the name of a card in the data folder
    #[arg(long, value_name = "CARD", value_parser = disk::card())]
    card: PathBuf,

    /// The key domain
    #[arg(long, value_name = "N", default_value_t = 0)]
    domain: u8,

    #[command(flatten)]
    password: Password,

    #[command(flatten)]
    card_options: CardOptions,
}

/// A share on the command line.
fn share(text: &str) -> Result<Secret<[u8; SHARE_LENGTH]>, String> {
    let wrong = |bytes: Vec<u8>| format!("a share has 32 bytes, not {}", bytes.len());
    hex::parse(text)?.try_into().map(Secret::new).map_err(wrong)
}

/// Runs the subcommand.
pub(crate) fn run(options: &Dkek) -> Result<(), Failure> {
    match &options.command {
        DkekCommand::Create(create) => create.run(),
        DkekCommand::Show(show) => show.run(),
        DkekCommand::Import(import) => import.run(),
    }
}

impl Create {
    fn run(&self) -> Result<(), Failure> {
        if self.file.exists() {
            return Err(Failure::Failed(format!("{} exists already", self.file.display())));
        }
        let share = match &self.share {
            Some(share) => share.clone(),
            None => Secret::new(Seed::random()?.into()),
        };
        let split = match (self.threshold, self.shares) {
            (Some(threshold), Some(count)) if count < threshold => {
                let sentence = format!("--shares {count} is less than --threshold {threshold}");
                return Err(Failure::Usage(sentence));
            }
            (Some(threshold), Some(count)) => {
                Some(SplitPassword::random(threshold, count, Seed::random()?.into()))
            }
            _ => None,
        };
        let password = match &split {
            Some(split) => split.password.clone(),
            None => self.password.new_one()?,
        };
        let random: [u8; 32] = Seed::random()?.into();
        let salt = random.first_chunk().copied().unwrap_or_default();
        let file =
            self.password.stretched(1, |how| share_file::encrypt(&share, &password, &salt, how));
        write_new(&self.file, &file)?;
        if let Some(split) = split {
            output::print(format_args!("Prime  {:016X}\n", split.prime))?;
            for share in split.shares {
                output::print(format_args!("Share  {share}\n"))?;
            }
        }
        output::print(format_args!("Key check value of this share  {}\n", check_value(&share)))
    }
}

impl ShowShares {
    fn run(&self) -> Result<(), Failure> {
        let shares = self.password.open(&self.files)?;
        let key = dkek::combine(shares.iter().map(|share| &**share));
        for (path, share) in self.files.iter().zip(&shares) {
            let path = path.display();
            output::print(format_args!("{path}  key check value {}", check_value(share)))?;
            output::print(if self.reveal {
                format!("  share {}\n", hex::upper(&**share))
            } else {
                "\n".into()
            })?;
        }
        if shares.len() > 1 {
            let count = shares.len();
            output::print(format_args!(
                "DKEK of {count} shares  key check value {}",
                check_value(&key)
            ))?;
            output::print(if self.reveal {
                format!("  DKEK {}\n", hex::upper(&*key))
            } else {
                "\n".into()
            })?;
        }
        Ok(())
    }
}

impl Import {
    fn run(&self) -> Result<(), Failure> {
        let shares = self.password.open(&self.files)?;
        let mut card = self.card_options.open(&self.card)?;
        let mut card = SmartCardHsm::select(&mut card).map_err(Failure::failed)?;
        for (path, share) in self.files.iter().zip(&shares) {
            let path = path.display();
            let domain = card
                .import_key_share(self.domain, share)
                .map_err(|error| self.refused(&path, &error))?;
            let KeyDomainStatus { shares, missing, check_value, .. } = domain;
            if missing == 0 {
                output::print(format_args!(
                    "{path} imported: all {shares} shares imported, key check value {}\n",
                    hex::upper(&check_value)
                ))?;
            } else {
                output::print(format_args!(
                    "{path} imported: {missing} of {shares} shares missing\n"
                ))?;
            }
        }
        Ok(())
    }

    fn refused(&self, share: impl std::fmt::Display, error: &HostError) -> Failure {
        let card = self.card.display();
        let reason = match error.status() {
            Some(Status::CONDITIONS_NOT_SATISFIED) => {
                "all shares of the key domain have been imported".to_owned()
            }
            Some(Status::INCORRECT_P1P2) => format!("the card has no key domain {}", self.domain),
            Some(Status::REFERENCE_NOT_FOUND) => {
                format!("key domain {} is not set up for shares", self.domain)
            }
            Some(Status::INSTRUCTION_NOT_SUPPORTED) => {
                "the card was initialised without a DKEK: use `sc-hsm-tool --dkek-shares`"
                    .to_owned()
            }
            Some(status) => format!("the response is {status:?}"),
            None => error.to_string(),
        };
        Failure::Failed(format!("cannot import {share} into {card}: {reason}"))
    }
}

/// Writes a new file that only its owner may read.
fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(content))
        .map_err(|error| Failure::because(format_args!("cannot write {}", path.display()), error))
}

/// The key check value of a DKEK, or of a share taken for one: eight bytes of its SHA-256.
fn check_value(key: &[u8; SHARE_LENGTH]) -> String {
    hex::upper(&dkek::check_value(key))
}
