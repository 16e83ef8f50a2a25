//! Where the passphrase of an encrypted card comes from: a file, the environment, or the terminal.

use crate::process::prompt;
use crate::text::failure::Failure;
use crate::text::input;
use crate::text::secret::Secret;
use clap::Args;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// The environment variable that has the passphrase of cards.
const VARIABLE: &str = "VSCHSM_PASSPHRASE";
/// The environment variable that has the passphrase which a card is to get.
const NEW_VARIABLE: &str = "VSCHSM_NEW_PASSPHRASE";

/// The shortest passphrase that a card is given, in characters.
const SHORTEST: usize = 8;

/// The option of every command that opens a card.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Source {
    /// Take the passphrase of an encrypted card from the first line of FILE [default:
    /// VSCHSM_PASSPHRASE, or else the terminal is asked]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// What somebody has said already.
    #[arg(skip)]
    told: Option<Secret>,

    #[arg(skip)]
    terminal: Terminal,
}

/// Whether there may be somebody at the terminal who knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Terminal {
    #[default]
    Asked,
    /// It is that of a command which runs meanwhile.
    Left,
}

impl Source {
    /// The same where nobody is asked: the terminal is somebody else's by now.
    pub(crate) fn unattended(self) -> Self {
        Self { terminal: Terminal::Left, ..self }
    }

    /// The same, but for a passphrase that somebody has told, if there is one.
    pub(crate) fn told(self, told: Option<Secret>) -> Self {
        Self { told: told.or(self.told), ..self }
    }

    /// Whether an option names a passphrase.
    pub(crate) fn is_named(&self) -> bool {
        self.passphrase_file.is_some()
    }

    /// The passphrase of the card in a file.
    pub(crate) fn of_card(&self, card: &Path) -> Result<Secret, Failure> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        let card = card.display();
        if self.terminal == Terminal::Left || !io::stdin().is_terminal() {
            return Err(Failure::Usage(format!(
                "{card} is encrypted, and its passphrase is not known: give it with \
                 --passphrase-file or {VARIABLE}"
            )));
        }
        prompt(&format!("Passphrase of {card}: "))
    }

    /// The passphrase that the card in a file is to get.
    pub(crate) fn for_card(&self, card: &Path) -> Result<Secret, Failure> {
        new(self.given()?, card)
    }

    /// The passphrase, unless it is to be asked for.
    fn given(&self) -> Result<Option<Secret>, Failure> {
        match (&self.told, &self.passphrase_file) {
            (Some(told), _) => Ok(Some(told.clone())),
            (None, Some(path)) => first_line(path).map(Some),
            (None, None) => variable(VARIABLE),
        }
    }
}

/// The option of `vschsm seal`, by which a card gets another passphrase than it has.
#[derive(Clone, Debug, Args)]
pub(crate) struct NewPassphrase {
    /// Take the new passphrase from the first line of FILE [default: VSCHSM_NEW_PASSPHRASE, or else
    /// the terminal is asked]
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

impl NewPassphrase {
    /// The passphrase that an encrypted card in a file is to get.
    pub(crate) fn for_sealed(&self, card: &Path) -> Result<Secret, Failure> {
        new(self.given()?, card)
    }

    /// The passphrase that a card in a file which has none is to get: one that is named as its own
    /// will do.
    pub(crate) fn for_plain(&self, card: &Path, own: &Source) -> Result<Secret, Failure> {
        match self.given()? {
            Some(given) => new(Some(given), card),
            None => own.for_card(card),
        }
    }

    fn given(&self) -> Result<Option<Secret>, Failure> {
        match &self.new_passphrase_file {
            Some(path) => first_line(path).map(Some),
            None => variable(NEW_VARIABLE),
        }
    }
}

/// A passphrase to be set: the one that is given, or what the terminal says twice.
fn new(given: Option<Secret>, card: &Path) -> Result<Secret, Failure> {
    let card = card.display();
    let passphrase = match given {
        Some(given) => given,
        None if !io::stdin().is_terminal() => {
            return Err(Failure::Usage(format!(
                "no terminal to ask for the passphrase that {card} is to get: give \
                 --passphrase-file or {VARIABLE}, or to change it --new-passphrase-file or \
                 {NEW_VARIABLE}"
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
