//! `vschsm ctl`: changes the readers and cards of a program that runs.

use crate::card::equipment;
use crate::card::personalisation::NewCard;
use crate::card::summary::Summary;
use crate::control::client::Program;
use crate::control::{
    self, FaultList, FilePath, Image, Inserted, LONGEST, ListedCard, ListedFault, ListedReader,
    Refused, Request, VARIABLE,
};
use crate::faults::Script;
use crate::host::provision::Provisioning;
use crate::process::seed::Seed;
use crate::readers;
use crate::store::disk::{self, Durability};
use crate::store::encryption::{self, Seal};
use crate::store::image_file::{self, Kept};
use crate::store::passphrase::Source;
use crate::text::failure::Failure;
use crate::text::secret::Secret;
use crate::text::{input, output, words};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// Take cards out of readers and put them in, reset them, change what they are, let them go wrong
///
/// Asks a running `vschsm exec`, in whose command it finds it by itself, or `vschsm run --control`.
/// A READER is the number that `ctl list` shows, or a part of its name that no other has, such as
/// the end of a serial number; where there is only one reader it need not be named.
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
    /// Where the program listens
    #[arg(long, value_name = "PATH", env = VARIABLE)]
    socket: Option<PathBuf>,

    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    List(List),
    Insert(Box<Insert>),
    /// Take the card out of a reader, which stays
    ///
    /// Waits until the card has done what it is doing; its file is free then.
    Remove(Which),
    /// Take a reader away, with the card in it
    Unplug(Which),
    /// Reset the card in a reader
    ///
    /// It forgets its session, as the login. Clients of the built-in server are told so; pcscd is
    /// not, as vpcd has no way to.
    Reset(Which),
    /// Take the card out of a reader and put it in again
    PowerCycle(Which),
    /// Keep the card as it is now in a new file
    ///
    /// Encrypted if the card's own file is, or with --passphrase-file; the passphrase need not be
    /// the same.
    Snapshot(File),
    /// Make the card what it was in a snapshot, or any other card, and power-cycle it
    ///
    /// A card that is kept in a file is changed there too.
    Restore(File),
    Show(Show),
    SetTries(SetTries),
    SetFaults(SetFaults),
    /// Let nothing go wrong any more with the card in a reader
    ///
    /// An answer that a fault has made late comes at once.
    ClearFaults(Which),
    Faults(Faults),
    /// Send requests in JSON, a line for each, and print the answers
    ///
    /// {"command": "list"}, and so on, as the other orders; the fields of one are its options:
    /// reader, a number or a name; file, image, seed and passphrase of insert; image of restore;
    /// user-pin and so-pin of set-tries; faults of set-faults, with the fields of its file. An
    /// answer with an "error" was not done, and the exit code is 1 then. Without an argument
    /// requests are read from standard input.
    Request {
        /// The requests
        #[arg(value_name = "JSON")]
        requests: Vec<String>,
    },
}

/// List the readers and the cards in them
#[derive(Debug, Args)]
struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Put a card into a reader
///
/// A stored card, or else a new one in memory, as the options say. Into a new reader, or the first
/// empty slot of vpcd, unless --reader says into which; prints the reader's number and name.
#[derive(Debug, Args)]
#[command(
    mut_group("NewCard", |group| group.conflicts_with("card")),
    mut_group("Provisioning", |group| group.conflicts_with("card"))
)]
struct Insert {
    /// The card: a path, or the name of a card in the data folder [default: a new one in memory]
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: Option<PathBuf>,

    /// Into this empty reader
    #[arg(long)]
    reader: Option<String>,

    #[command(flatten)]
    new_card: NewCard,

    #[command(flatten)]
    provisioning: Provisioning,

    /// Take randomness from this text instead of the system
    #[arg(long, value_name = "TEXT")]
    seed: Option<Secret>,

    #[command(flatten)]
    passphrase: Source,
}

#[derive(Debug, Args)]
struct Which {
    /// Its number, or a part of its name [default: the only one]
    reader: Option<String>,
}

#[derive(Debug, Args)]
struct File {
    /// The card's file: a path, or the name of a card in the data folder
    #[arg(value_name = "CARD", value_parser = disk::card())]
    card: PathBuf,

    /// The reader: its number, or a part of its name [default: the only one]
    #[arg(long)]
    reader: Option<String>,

    #[command(flatten)]
    passphrase: Source,
}

/// Show what is on the card in a reader, as `vschsm show` does
#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    which: Which,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Set how many tries a PIN has left
///
/// 0 blocks it; more than it was initialised with are refused.
#[derive(Debug, Args)]
struct SetTries {
    /// Of the user PIN
    #[arg(long, value_name = "TRIES", required_unless_present = "so_pin")]
    user_pin: Option<u8>,

    /// Of the SO-PIN
    #[arg(long, value_name = "TRIES")]
    so_pin: Option<u8>,

    /// The reader: its number, or a part of its name [default: the only one]
    #[arg(long)]
    reader: Option<String>,
}

/// Let things go wrong on purpose with the card in a reader
///
/// A script says what, and when; it takes the place of the one before. Each `[[fault]]` has a `do`,
/// and strikes every command unless a `when` says which:
///
///   when = { command = "SIGN", key = 1, p1 = 1, p2 = 0x73, count = "2-", probability = 0.1 }
///
/// command   its name as in a trace, or an instruction byte, such as "68"
/// count     which of those that fit: 3, "2-4", "2-" or "every 10"; all faults count, from the
///           moment when they are set
/// arrival   in which of the times that the card comes into its reader: by being put there, by
///           power-cycle, restore and disconnect; with it, `count` begins anew each time
/// probability  from 0 to 1; a `seed = "text"` above the faults brings others, the same ones every
///           time
///
/// Of the faults that are due, delays add up and the first other one strikes:
///
/// { answer = "6F00" }        this answer, and the card has not seen the command
/// { answer-after = "6F00" }  this answer, after the card has done the command
/// { delay = 2.5 }            the answer comes so many seconds later
/// { mute = 5 }               no answer; after so many seconds the reader gives up
/// { remove = "before" }      the card is out of its reader before the command, or with "after",
///                            before its answer; `vschsm ctl insert` brings it back
/// { disconnect = "after" }   the card loses contact and power, and has them again
/// { truncate = 10 }          the answer loses its data after ten bytes, and keeps its status word
/// "repeat"                   the card's answer before this one comes again
/// "weak-signature"           SIGN: the signature looks right, and is wrong
/// "stuck-random"             GET CHALLENGE: the same random number every time
/// "memory-full"              6A84 to GENERATE …, UPDATE BINARY, UNWRAP KEY, DERIVE EC KEY
/// "disk-full"                the card cannot be saved, gives no answer, and is out until it is
/// { atr = "3B00" }           another answer to reset; its `when` has nothing but an `arrival`
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

/// List what goes wrong on purpose with the card in a reader, and how often it has
#[derive(Debug, Args)]
struct Faults {
    #[command(flatten)]
    which: Which,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does what is ordered.
pub(crate) fn run(options: &Ctl) -> Result<(), Failure> {
    let socket = options.socket.as_deref().ok_or_else(|| {
        Failure::Usage(format!(
            "no program is named: be in a command of `vschsm exec`, or name the socket of a \
             `vschsm run --control PATH` with --socket or {VARIABLE}"
        ))
    })?;
    let mut program = Program::at(socket)?;
    match &options.order {
        Order::List(options) => list(&mut program, options),
        Order::Insert(options) => options.run(&mut program),
        Order::Remove(which) => program.order(&Request::Remove { reader: which.named() }),
        Order::Unplug(which) => program.order(&Request::Unplug { reader: which.named() }),
        Order::Reset(which) => program.order(&Request::Reset { reader: which.named() }),
        Order::PowerCycle(which) => program.order(&Request::PowerCycle { reader: which.named() }),
        Order::Snapshot(file) => {
            let Image { image, sealed } = program.image(file.named())?;
            let seal = if sealed || file.passphrase.is_named() {
                Some(Seal::new(&file.passphrase.for_card(&file.card)?)?)
            } else {
                None
            };
            disk::make_data_folder(&file.card)?;
            Kept::create(&file.card, image.as_bytes(), seal, Durability::Full)?;
            Ok(())
        }
        Order::Restore(file) => {
            let image = control::text(&image_file::read(&file.card, &file.passphrase)?);
            program.order(&Request::Restore { reader: file.named(), image })
        }
        Order::Show(options) => show(&mut program, options),
        Order::SetTries(SetTries { user_pin, so_pin, reader }) => {
            let (reader, user_pin, so_pin) = (named(reader.as_deref()), *user_pin, *so_pin);
            program.order(&Request::SetTries { reader, user_pin, so_pin })
        }
        Order::SetFaults(SetFaults { script, reader }) => {
            let (reader, faults) = (named(reader.as_deref()), script_in(script)?);
            program.order(&Request::SetFaults { reader, faults })
        }
        Order::ClearFaults(which) => program.order(&Request::ClearFaults { reader: which.named() }),
        Order::Faults(options) => list_faults(&mut program, options),
        Order::Request { requests } => pass_on(&mut program, requests),
    }
}

/// A reader as requests name it.
fn named(reader: Option<&str>) -> Option<readers::Which> {
    reader.map(Into::into)
}

impl Which {
    fn named(&self) -> Option<readers::Which> {
        named(self.reader.as_deref())
    }
}

impl File {
    fn named(&self) -> Option<readers::Which> {
        named(self.reader.as_deref())
    }
}

fn list(program: &mut Program, options: &List) -> Result<(), Failure> {
    let list: control::List = program.ask(&Request::List)?;
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
                    number => format!(", {}", words::count(number, "fault")),
                };
                let unsaved = if unsaved { ", out until it can be saved" } else { "" };
                format!("{serial}, firmware {firmware}, {place}{faults}{unsaved}")
            }
        };
        output::print(format_args!("{reader} {name}: {card}\n"))?;
    }
    Ok(())
}

fn show(program: &mut Program, options: &Show) -> Result<(), Failure> {
    let reader = options.which.named();
    if options.json {
        return output::print_json(&program.ask::<Value>(&Request::Show { reader })?);
    }
    let Image { image, .. } = program.image(reader)?;
    output::print(Summary::of(&equipment::load(Path::new("the card"), image.as_bytes())?))
}

/// The script in a file, or on standard input.
fn script_in(path: &Path) -> Result<Script, Failure> {
    if path != Path::new("-") {
        return Script::read(path);
    }
    Script::parse(&input::standard()?, Path::new("standard input"))
}

fn list_faults(program: &mut Program, options: &Faults) -> Result<(), Failure> {
    let list: FaultList = program.ask(&Request::Faults { reader: options.which.named() })?;
    if options.json {
        return output::print_json(&list);
    }
    for (number, ListedFault { when, effect, fitting, struck }) in (1..).zip(list.fault) {
        let fitting = words::count(usize::try_from(fitting).unwrap_or(usize::MAX), "command");
        output::print(format_args!("{number} {when}: {effect}; struck {struck} of {fitting}\n"))?;
    }
    Ok(())
}

impl Insert {
    fn run(&self, program: &mut Program) -> Result<(), Failure> {
        let passphrase = self.card.as_deref().map(|path| self.passphrase(path)).transpose()?;
        let (file, image) = match &self.card {
            Some(path) => (Some(FilePath(absolute(path)?)), None),
            None => {
                let seed = self.seed.as_ref().map(|seed| Seed::from(seed.as_str()));
                let mut card = self.new_card.make(&Seed::or_random(seed.as_ref())?)?;
                self.provisioning.apply(&mut card)?;
                (None, Some(control::text(&equipment::image(&card))))
            }
        };
        let (reader, seed) = (named(self.reader.as_deref()), self.seed.clone());
        let passphrase = passphrase.flatten();
        let request = Request::Insert { reader, file, image, seed, passphrase };
        let Inserted { reader, name } = program.ask(&request)?;
        output::print(format_args!("{reader} {name}\n"))
    }

    /// The passphrase of a card that needs one: the program that is asked could ask nobody.
    fn passphrase(&self, path: &Path) -> Result<Option<Secret>, Failure> {
        // A card that cannot be read is the other program's to refuse.
        let content = disk::read(path).unwrap_or_default();
        encryption::is_sealed(&content).then(|| self.passphrase.of_card(path)).transpose()
    }
}

/// The program that is asked may be in another folder.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::because(format_args!("no path {}", path.display()), error))
}

/// Passes requests on, a line for each; a failure if one of them was not done.
fn pass_on(program: &mut Program, requests: &[String]) -> Result<(), Failure> {
    let mut refused = 0;
    let mut send = |line: &str| -> Result<(), Failure> {
        // As one line, however it was written; what is no JSON is refused by who knows why.
        let request = serde_json::from_str::<Value>(line);
        let request = request.map_or_else(|_| line.replace('\n', " "), |json| json.to_string());
        let answer = program.exchange(&request)?;
        refused += usize::from(serde_json::from_str::<Refused>(&answer).is_ok());
        output::print(format_args!("{answer}\n"))
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
        _ => Err(Failure::Failed(format!("{} refused", words::count(refused, "request")))),
    }
}
