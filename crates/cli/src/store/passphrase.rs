//! Where the passphrase of an encrypted card comes from: a file, the environment or the terminal.

use crate::process::prompt;
use crate::text::failure::Failure;
use crate::text::input;
use crate::text::secret::Secret;
use clap::Args;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// The environment variable that has the passphrase of cards.
const VARIABLE: &str = "VSCHSM_PASSPHRASE";
/// The environment variable that has a card's new passphrase.
const NEW_VARIABLE: &str = "VSCHSM_NEW_PASSPHRASE";

/// The shortest passphrase that can be set, in characters.
const SHORTEST: usize = 8;

/// The option of every command that opens a card.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PassphraseSource {
    /// Take the passphrase of an encrypted card from the first line of FILE [default:
    /// VSCHSM_PASSPHRASE, or else the terminal is asked]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// The passphrase itself, if it is known.
    #[arg(skip)]
    given: Option<Secret>,

    #[arg(skip)]
    terminal: Terminal,
}

/// Whether the terminal may be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Terminal {
    #[default]
    Available,
    /// It belongs to the command that runs meanwhile.
    Unavailable,
}

impl PassphraseSource {
    /// The same without the terminal, which belongs to another program by now.
    pub(crate) fn unattended(self) -> Self {
        Self { terminal: Terminal::Unavailable, ..self }
    }

    /// The same with this passphrase, if there is one.
    pub(crate) fn with(self, passphrase: Option<Secret>) -> Self {
        Self { given: passphrase.or(self.given), ..self }
    }

    /// Whether an option names the file of a passphrase.
    pub(crate) fn is_named(&self) -> bool {
        self.passphrase_file.is_some()
    }

    /// The passphrase of the encrypted card in a file.
    pub(crate) fn of_card(&self, card: &Path) -> Result<Secret, Failure> {
        if let Some(given) = self.known()? {
            return Ok(given);
        }
        let card = card.display();
        if self.terminal == Terminal::Unavailable || !io::stdin().is_terminal() {
            return Err(Failure::Usage(format!(
                "{card} is encrypted, and its passphrase is not known: give it with \
                 --passphrase-file or {VARIABLE}"
            )));
        }
        prompt(&format!("Passphrase of {card}: "))
    }

    /// The passphrase that the card in a file is to be encrypted with.
    pub(crate) fn for_card(&self, card: &Path) -> Result<Secret, Failure> {
        new(self.known()?, card)
    }

    /// The passphrase, unless the terminal has to be asked.
    fn known(&self) -> Result<Option<Secret>, Failure> {
        match (&self.given, &self.passphrase_file) {
            (Some(given), _) => Ok(Some(given.clone())),
            (None, Some(path)) => first_line(path).map(Some),
            (None, None) => variable(VARIABLE),
        }
    }
}

/// The option of `vschsm encrypt` for a passphrase that replaces the card's own.
#[derive(Clone, Debug, Args)]
pub(crate) struct NewPassphrase {
    /// Take the new passphrase from the first line of FILE [default: VSCHSM_NEW_PASSPHRASE, or else
    /// the terminal is asked]
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

impl NewPassphrase {
    /// The new passphrase of an encrypted card.
    pub(crate) fn for_encrypted(&self, card: &Path) -> Result<Secret, Failure> {
        new(self.known()?, card)
    }

    /// The passphrase of a card that is not encrypted yet; one that is named as its own will do.
    pub(crate) fn for_plain(&self, card: &Path, own: &PassphraseSource) -> Result<Secret, Failure> {
        match self.known()? {
            Some(given) => new(Some(given), card),
            None => own.for_card(card),
        }
    }

    fn known(&self) -> Result<Option<Secret>, Failure> {
        match &self.new_passphrase_file {
            Some(path) => first_line(path).map(Some),
            None => variable(NEW_VARIABLE),
        }
    }
}

/// A passphrase to be set: the given one, or what is entered twice at the terminal.
fn new(given: Option<Secret>, card: &Path) -> Result<Secret, Failure> {
    let card = card.display();
    let passphrase = match given {
        Some(given) => given,
        None if !io::stdin().is_terminal() => {
            return Err(Failure::Usage(format!(
                "no terminal to ask for the new passphrase of {card}: give --passphrase-file or \
                 {VARIABLE}, or, to change it, --new-passphrase-file or {NEW_VARIABLE}"
            )));
        }
        None => {
            let passphrase = prompt(&format!("New passphrase of {card}: "))?;
            if prompt("The same again: ")? != passphrase {
                return Err(Failure::Failed("the passphrases differ".into()));
            }
            passphrase
        }
    };
    if passphrase.chars().count() < SHORTEST {
        let sentence = format!("a passphrase has {SHORTEST} characters or more");
        return Err(Failure::Usage(sentence));
    }
    Ok(passphrase)
}

fn first_line(path: &Path) -> Result<Secret, Failure> {
    let text = input::text(path)?;
    Ok(Secret::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn variable(name: &str) -> Result<Option<Secret>, Failure> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    let text = value.map(std::ffi::OsString::into_string).transpose();
    let text = text.map_err(|_| Failure::Usage(format!("{name} is not UTF-8")))?;
    Ok(text.map(Secret::new))
}

fn prompt(question: &str) -> Result<Secret, Failure> {
    prompt::ask(question).map_err(|error| Failure::because("cannot read the passphrase", error))
}
