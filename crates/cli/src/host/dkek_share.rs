//! Shares of a device key-encryption key (DKEK), in files under a password.

use crate::process::prompt;
use crate::text::failure::Failure;
use crate::text::input;
use crate::text::secret::Secret;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use vschsm_host::dkek::share_file::{self, KeyDerivation, SHARE_LENGTH};
use vschsm_host::dkek::split_password::{self, PasswordShare};
use vschsm_host::provisioning;

/// Where the password comes from: an option, a file, shares, or else the terminal.
#[derive(Debug, Default, Args)]
pub(crate) struct Password {
    /// The password; others on the machine may see it
    #[arg(long, value_name = "TEXT")]
    password: Option<Secret>,

    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE", conflicts_with = "password")]
    password_file: Option<PathBuf>,

    /// The prime that the shares of a password belong to
    #[arg(long, value_name = "HEX", requires = "password_share")]
    #[arg(value_parser = split_password::number)]
    #[arg(conflicts_with_all = ["password", "password_file"])]
    prime: Option<u64>,

    /// A share of the password, number and value; once for each
    #[arg(long, value_name = "NUMBER:VALUE", requires = "prime")]
    password_share: Vec<PasswordShare>,

    /// MD5 rounds for each digest; other tools know 10000000 only
    #[arg(long, value_name = "N", default_value_t = share_file::ITERATIONS)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    iterations: u32,
}

/// The shortest password that sc-hsm-tool takes.
const SHORTEST_PASSWORD: usize = 6;

impl Password {
    /// A password to be set.
    pub(crate) fn new_one(&self) -> Result<Secret<Vec<u8>>, Failure> {
        let password = match self.given()? {
            Some(password) => password,
            None => {
                let password = prompt("Password of the new share: ")?;
                if prompt("The same again: ")? != password {
                    return Err(Failure::Failed("the passwords differ".into()));
                }
                password
            }
        };
        if password.len() < SHORTEST_PASSWORD {
            let sentence = format!("a password has {SHORTEST_PASSWORD} characters or more");
            return Err(Failure::Usage(sentence));
        }
        Ok(password)
    }

    /// The shares in `files`.
    pub(crate) fn open(
        &self,
        files: &[PathBuf],
    ) -> Result<Vec<Secret<[u8; SHARE_LENGTH]>>, Failure> {
        let contents = files.iter().map(|path| input::bytes(path));
        let contents = contents.collect::<Result<Vec<_>, _>>()?;
        let password = match self.given()? {
            Some(password) => password,
            None => prompt("Password of the shares: ")?,
        };
        self.stretched(contents.len(), |how| {
            let shares = contents.iter().zip(files).map(|(content, path)| {
                share_file::decrypt(content, &password, how)
                    .map(Secret::new)
                    .map_err(|error| Failure::because(path.display(), error))
            });
            shares.collect()
        })
    }

    /// The password, unless it is to be asked for.
    fn given(&self) -> Result<Option<Secret<Vec<u8>>>, Failure> {
        if let Some(password) = &self.password {
            return Ok(Some(Secret::new(password.as_bytes().to_vec())));
        }
        if let Some(path) = &self.password_file {
            let text = input::text(path)?;
            return Ok(Some(Secret::new(text.lines().next().unwrap_or_default().into())));
        }
        let Some(prime) = self.prime else { return Ok(None) };
        let password = split_password::join(prime, &self.password_share).ok_or_else(|| {
            Failure::Usage("the shares do not fit the prime, or one is there twice".into())
        })?;
        Ok(Some(Secret::new(password)))
    }

    /// What `work` makes of `files` share files, while a bar on the terminal shows how far it is.
    pub(crate) fn stretched<T>(
        &self,
        files: usize,
        work: impl FnOnce(&KeyDerivation<'_>) -> T,
    ) -> T {
        let rounds = 3 * u64::from(self.iterations) * files as u64;
        let bar = ProgressBar::new(rounds).with_style(
            ProgressStyle::with_template("{bar:40} {percent:>3} % of the password's rounds")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        let result = work(&KeyDerivation {
            iterations: self.iterations,
            progress: &|rounds| bar.inc(rounds),
        });
        bar.finish_and_clear();
        result
    }
}

/// The share in a file: 32 bytes, or as many in hexadecimal, or a share file of sc-hsm-tool, whose
/// password is asked for if it is not given.
pub(crate) fn read_share(
    path: &Path,
    password: Option<&Secret>,
) -> Result<Secret<[u8; SHARE_LENGTH]>, Failure> {
    let content = input::bytes(path)?;
    if let Some(share) = provisioning::plain_share(&content) {
        return Ok(share);
    }
    let password = Password {
        password: password.cloned(),
        iterations: share_file::ITERATIONS,
        ..Password::default()
    };
    let shares = password.open(&[path.to_owned()])?;
    shares
        .into_iter()
        .next()
        .ok_or_else(|| Failure::Failed(format!("{} holds no share", path.display())))
}

/// Asks for a password on the terminal.
fn prompt(question: &str) -> Result<Secret<Vec<u8>>, Failure> {
    if !io::stdin().is_terminal() {
        let sentence = "no terminal to ask for the password: give --password-file";
        return Err(Failure::Usage(sentence.into()));
    }
    prompt::ask(question)
        .map(|password| Secret::new(password.as_bytes().to_vec()))
        .map_err(|error| Failure::because("cannot read the password", error))
}
