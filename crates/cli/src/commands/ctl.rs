//! `vschsm ctl`: changes the readers and cards of a running program.

use crate::card::image;
use crate::card::personalisation::NewCard;
use crate::card::summary::Summary;
use crate::control::client::ControlClient;
use crate::control::{
    self, ControlRequest, FaultList, FilePath, Inserted, LONGEST, ListedCard, ListedFault,
    ListedReader, Refused, Snapshot, VARIABLE,
};
use crate::faults::Script;
use crate::host::provision::ProvisioningOptions;
use crate::process::seed::Seed;
use crate::readers;
use crate::store::disk::{self, Durability};
use crate::store::encryption::{self, FileCipher};
use crate::store::image_file::{self, ImageFile};
use crate::store::passphrase::PassphraseSource;
use crate::text::failure::Failure;
use crate::text::secret::Secret;
use crate::text::{input, names, output};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// Insert, remove, reset, save and restore cards in readers, and inject faults
///
/// Talks to a running `vschsm exec`, whose command finds it by itself, or `vschsm run --control`. A
/// READER is the number that `ctl list` shows, or a part of the name that only one reader has, such
/// as the end of a serial number; it can be left out if there is only one reader.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm exec --no-card -- sh -c 'vschsm ctl insert alice && opensc-tool --list-readers'
  vschsm ctl --socket ~/control.sock list
  vschsm ctl insert --firmware 2.6 --initialize --key rsa:2048,id=10
  vschsm ctl set-tries --user-pin 1
  vschsm ctl set-faults flaky.toml && make test; vschsm ctl clear-faults
  vschsm ctl snapshot ./before.card && make test; vschsm ctl restore ./before.card
  echo '{\"command\": \"reset\", \"reader\": 0}' | vschsm ctl request")]
pub(crate) struct Ctl {
    /// The control socket of the program
    #[arg(long, value_name = "PATH", env = VARIABLE)]
    socket: Option<PathBuf>,

    #[command(subcommand)]
    command: ControlCommand,
}

#[derive(Debug, Subcommand)]
enum ControlCommand {
    List(ListReaders),
    Insert(Box<Insert>),
    /// Remove the card from a reader
    ///
    /// Waits until the card has finished its command; then its file is free for other programs.
    Remove(ReaderOption),
    /// Unplug a reader, with the card in it
    Unplug(ReaderOption),
    /// Reset the card in a reader
    ///
    /// The session ends, and with it the login. Clients of the built-in server are notified; pcscd
    /// is not, since the vpcd protocol has no message for that.
    Reset(ReaderOption),
    /// Remove the card from a reader and insert it again
    PowerCycle(ReaderOption),
    /// Save the card as it is now to a new file
    ///
    /// The file is encrypted if the card's own file is, or with --passphrase-file. Its passphrase
    /// may be a different one.
    Snapshot(SnapshotFile),
    /// Replace the card by the one in a snapshot, or any other card file, and power-cycle it
    ///
    /// If the card has a file, that is replaced, too.
    Restore(SnapshotFile),
    Show(ShowCard),
    SetTries(SetTries),
    SetFaults(SetFaults),
    /// Remove all faults from the card in a reader
    ///
    /// A response that a fault is delaying is sent at once.
    ClearFaults(ReaderOption),
    Faults(ListFaults),
    /// Send requests in JSON, one per line, and print the replies
    ///
    /// {"command": "list"} and so on, like the other commands, with their options as fields:
    /// reader, a number or a name; file, image, seed and passphrase of insert; image of restore;
    /// user-pin and so-pin of set-tries; faults of set-faults, with the fields of a fault script. A
    /// reply with an "error" means that the request failed; then the exit code is 1. Without an
    /// argument the requests are read from standard input.
    Request {
        /// The requests
        #[arg(value_name = "JSON")]
        requests: Vec<String>,
    },
}

/// List the readers and the cards in them
#[derive(Debug, Args)]
struct ListReaders {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Insert a card into a reader
///
/// The card is the one in a file, or a new one in memory. Without --reader it is inserted into a
/// new reader or, with vpcd, into the first empty slot. Prints the number and the name of the
/// reader.
#[derive(Debug, Args)]
#[command(
    mut_group("NewCard", |group| group.conflicts_with("card")),
    mut_group("ProvisioningOptions", |group| group.conflicts_with("card"))
)]
struct Insert {
    /// The card: a path, or the name of a card in the data folder [default: a new one in memory]
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: Option<PathBuf>,

    /// The reader, which must be empty
    #[arg(long)]
    reader: Option<String>,

    #[command(flatten)]
    new_card: NewCard,

    #[command(flatten)]
    provisioning: ProvisioningOptions,

    /// Derive all randomness from this text
    #[arg(long, value_name = "TEXT")]
    seed: Option<Secret>,

    #[command(flatten)]
    passphrase: PassphraseSource,
}

#[derive(Debug, Args)]
struct ReaderOption {
    /// Its number, or a part of its name [default: the only one]
    reader: Option<String>,
}

#[derive(Debug, Args)]
struct SnapshotFile {
    /// The card's file: a path, or the name of a card in the data folder
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: PathBuf,

    /// The reader: its number, or a part of its name [default: the only one]
    #[arg(long)]
    reader: Option<String>,

    #[command(flatten)]
    passphrase: PassphraseSource,
}

/// Show what is on the card in a reader, like `vschsm show`
#[derive(Debug, Args)]
struct ShowCard {
    #[command(flatten)]
    which: ReaderOption,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Set the retry counter of a PIN
///
/// 0 blocks the PIN. It cannot be set to more tries than the PIN was initialised with.
#[derive(Debug, Args)]
struct SetTries {
    /// Remaining tries of the user PIN
    #[arg(long, value_name = "TRIES", required_unless_present = "so_pin")]
    user_pin: Option<u8>,

    /// Remaining tries of the SO-PIN
    #[arg(long, value_name = "TRIES")]
    so_pin: Option<u8>,

    /// The reader: its number, or a part of its name [default: the only one]
    #[arg(long)]
    reader: Option<String>,
}

/// Inject faults into the card in a reader
///
/// A script says which faults, and when; it replaces the script before it. Each `[[fault]]` has a
/// `do`, and is injected into every command unless a `when` selects some:
///
///   when = { command = "SIGN", key = 1, p1 = 1, p2 = 0x73, count = "2-", probability = 0.1 }
///
/// command   the name of the command as in a trace, or an instruction byte such as "68"
/// count     which of the matching commands: 3, "2-4", "2-" or "every 10"; counted separately for
///           each fault, from the moment when the script is set
/// arrival   which insertion of the card: being inserted, power-cycle, restore and disconnect count
///           as one each; with it, `count` starts again each time
/// probability  from 0 to 1; a `seed = "text"` above the faults selects another sequence, the same
///           one every time
///
/// If several faults match a command, their delays add up, and the first other fault is injected:
///
/// { answer = "6F00" }        this response; the card does not see the command
/// { answer-after = "6F00" }  this response, after the card has run the command
/// { delay = 2.5 }            the response is delayed by 2.5 seconds
/// { mute = 5 }               no response; the reader times out after 5 seconds
/// { remove = "before" }      the card is removed before the command or, with "after", before its
///                            response; `vschsm ctl insert` inserts it again
/// { disconnect = "after" }   the card loses contact and power for a moment
/// { truncate = 10 }          the response data is cut after 10 bytes; the status word is kept
/// "repeat"                   the previous response of the card is sent again
/// "weak-signature"           SIGN: a wrong signature in the right format
/// "stuck-random"             GET CHALLENGE: the same random number every time
/// "memory-full"              6A84 to GENERATE …, UPDATE BINARY, UNWRAP KEY, DERIVE EC KEY
/// "disk-full"                the card cannot be saved, sends no response, and is removed until it
///                            can be saved
/// { atr = "3B00" }           another answer to reset; its `when` may only have an `arrival`
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  vschsm ctl set-faults flaky.toml
  vschsm ctl set-faults - <<END
  [[fault]]
  when = { command = \"SIGN\", count = \"2-\" }
  do = { answer = \"6F00\" }
  [[fault]]
  when = { probability = 0.01 }
  do = { disconnect = \"before\" }
  END"
)]
struct SetFaults {
    /// The script; `-` reads it from standard input
    #[arg(value_name = "FILE")]
    script: PathBuf,

    /// The reader: its number, or a part of its name [default: the only one]
    #[arg(long)]
    reader: Option<String>,
}

/// List the faults of the card in a reader, and how often each was injected
#[derive(Debug, Args)]
struct ListFaults {
    #[command(flatten)]
    which: ReaderOption,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(crate) fn run(options: &Ctl) -> Result<(), Failure> {
    let socket = options.socket.as_deref().ok_or_else(|| {
        Failure::Usage(format!(
            "no control socket: run this in a command of `vschsm exec`, or name the socket of \
             `vschsm run --control PATH` with --socket or {VARIABLE}"
        ))
    })?;
    let mut program = ControlClient::connect(socket)?;
    match &options.command {
        ControlCommand::List(options) => list(&mut program, options),
        ControlCommand::Insert(options) => options.run(&mut program),
        ControlCommand::Remove(which) => {
            program.execute(&ControlRequest::Remove { reader: which.named() })
        }
        ControlCommand::Unplug(which) => {
            program.execute(&ControlRequest::Unplug { reader: which.named() })
        }
        ControlCommand::Reset(which) => {
            program.execute(&ControlRequest::Reset { reader: which.named() })
        }
        ControlCommand::PowerCycle(which) => {
            program.execute(&ControlRequest::PowerCycle { reader: which.named() })
        }
        ControlCommand::Snapshot(file) => {
            let Snapshot { image, encrypted } = program.snapshot(file.named())?;
            let cipher = if encrypted || file.passphrase.is_named() {
                Some(FileCipher::new(&file.passphrase.for_card(&file.card)?)?)
            } else {
                None
            };
            disk::make_data_folder(&file.card)?;
            ImageFile::create(&file.card, image.as_bytes(), cipher, Durability::Full)?;
            Ok(())
        }
        ControlCommand::Restore(file) => {
            let image = control::text(&image_file::read(&file.card, &file.passphrase)?);
            program.execute(&ControlRequest::Restore { reader: file.named(), image })
        }
        ControlCommand::Show(options) => show(&mut program, options),
        ControlCommand::SetTries(SetTries { user_pin, so_pin, reader }) => {
            let (reader, user_pin, so_pin) = (named(reader.as_deref()), *user_pin, *so_pin);
            program.execute(&ControlRequest::SetTries { reader, user_pin, so_pin })
        }
        ControlCommand::SetFaults(SetFaults { script, reader }) => {
            let (reader, faults) = (named(reader.as_deref()), script_in(script)?);
            program.execute(&ControlRequest::SetFaults { reader, faults })
        }
        ControlCommand::ClearFaults(which) => {
            program.execute(&ControlRequest::ClearFaults { reader: which.named() })
        }
        ControlCommand::Faults(options) => list_faults(&mut program, options),
        ControlCommand::Request { requests } => pass_on(&mut program, requests),
    }
}

/// A reader as requests name it.
fn named(reader: Option<&str>) -> Option<readers::ReaderName> {
    reader.map(Into::into)
}

impl ReaderOption {
    fn named(&self) -> Option<readers::ReaderName> {
        named(self.reader.as_deref())
    }
}

impl SnapshotFile {
    fn named(&self) -> Option<readers::ReaderName> {
        named(self.reader.as_deref())
    }
}

fn list(program: &mut ControlClient, options: &ListReaders) -> Result<(), Failure> {
    let list: control::ReaderList = program.request(&ControlRequest::List)?;
    if options.json {
        return output::print_json(&list);
    }
    for ListedReader { reader, name, card } in list.readers {
        let card = match card {
            None => "empty".into(),
            Some(ListedCard { serial, firmware, file, faults, unsaved }) => {
                let place = file.unwrap_or("in memory".into());
                let faults = match faults {
                    0 => String::new(),
                    number => format!(", {}", names::count(number, "fault")),
                };
                let unsaved = if unsaved { ", removed until it can be saved" } else { "" };
                format!("{serial}, firmware {firmware}, {place}{faults}{unsaved}")
            }
        };
        output::print(format_args!("{reader} {name}: {card}\n"))?;
    }
    Ok(())
}

fn show(program: &mut ControlClient, options: &ShowCard) -> Result<(), Failure> {
    let reader = options.which.named();
    if options.json {
        return output::print_json(&program.request::<Value>(&ControlRequest::Show { reader })?);
    }
    let Snapshot { image, .. } = program.snapshot(reader)?;
    output::print(Summary::of(&image::load(Path::new("the card"), image.as_bytes())?))
}

/// The script in a file, or on standard input.
fn script_in(path: &Path) -> Result<Script, Failure> {
    if path != Path::new("-") {
        return Script::read(path);
    }
    Script::parse(&input::standard()?, Path::new("standard input"))
}

fn list_faults(program: &mut ControlClient, options: &ListFaults) -> Result<(), Failure> {
    let list: FaultList =
        program.request(&ControlRequest::Faults { reader: options.which.named() })?;
    if options.json {
        return output::print_json(&list);
    }
    for (number, ListedFault { when, effect, matched, injected }) in (1..).zip(list.fault) {
        let matched = names::count(usize::try_from(matched).unwrap_or(usize::MAX), "command");
        output::print(format_args!(
            "{number} {when}: {effect}; injected into {injected} of {matched}\n"
        ))?;
    }
    Ok(())
}

impl Insert {
    fn run(&self, program: &mut ControlClient) -> Result<(), Failure> {
        let passphrase = self.card.as_deref().map(|path| self.passphrase(path)).transpose()?;
        let (file, image) = match &self.card {
            Some(path) => (Some(FilePath(absolute(path)?)), None),
            None => {
                let seed = self.seed.as_ref().map(|seed| Seed::from(seed.as_str()));
                let mut card = self.new_card.make(&Seed::or_random(seed.as_ref())?)?;
                self.provisioning.apply(&mut card)?;
                (None, Some(control::text(&image::of(&card))))
            }
        };
        let (reader, seed) = (named(self.reader.as_deref()), self.seed.clone());
        let passphrase = passphrase.flatten();
        let request = ControlRequest::Insert { reader, file, image, seed, passphrase };
        let Inserted { reader, name } = program.request(&request)?;
        output::print(format_args!("{reader} {name}\n"))
    }

    /// The passphrase of an encrypted card: the other program has no terminal to ask for it.
    fn passphrase(&self, path: &Path) -> Result<Option<Secret>, Failure> {
        // If the card cannot be read, the other program reports that.
        let content = disk::read(path).unwrap_or_default();
        encryption::is_encrypted(&content).then(|| self.passphrase.of_card(path)).transpose()
    }
}

/// The other program may have another working directory.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::because(format_args!("cannot resolve the path {}", path.display()), error)
    })
}

/// Sends requests, one per line, and fails if one of them was refused.
fn pass_on(program: &mut ControlClient, requests: &[String]) -> Result<(), Failure> {
    let mut refused = 0;
    let mut send = |line: &str| -> Result<(), Failure> {
        // As one line, however it is formatted. Invalid JSON is sent too: the reply says what is
        // wrong.
        let request = serde_json::from_str::<Value>(line);
        let request = request.map_or_else(|_| line.replace('\n', " "), |json| json.to_string());
        let reply = program.exchange(&request)?;
        refused += usize::from(serde_json::from_str::<Refused>(&reply).is_ok());
        output::print(format_args!("{reply}\n"))
    };
    if requests.is_empty() {
        for line in input::lines(io::stdin().lock(), LONGEST) {
            let line =
                line.map_err(|error| Failure::because("cannot read standard input", error))?;
            if !line.trim().is_empty() {
                send(&line)?;
            }
        }
    }
    requests.iter().try_for_each(|line| send(line))?;
    match refused {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!("{} refused", names::count(refused, "request")))),
    }
}
