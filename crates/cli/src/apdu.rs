//! `vschsm apdu`: sends APDUs to a card, without any reader.

use crate::disk;
use crate::failure::Failure;
use crate::faults::FaultOptions;
use crate::new_card::NewCard;
use crate::slot::{Shared, Silence, SlotOptions};
use crate::{hex, output};
use clap::Args;
use std::io::{self, BufRead};
use std::path::PathBuf;

/// Send command APDUs to a card and print its answers
///
/// Prints one answer a line, in hexadecimal. The card is powered on before the first command and
/// off after the last. Without --card it is a new one in memory.
#[derive(Debug, Args)]
#[command(mut_group("NewCard", |group| group.conflicts_with("card")), after_help = "\
Examples:
  vschsm apdu 00A4040C0BE82B0601040181C31F0201 00200081
  vschsm apdu --card alice --trace - < commands.txt
  vschsm apdu --firmware 2.6 '80 50 00 00 00'")]
pub(crate) struct Apdu {
    /// Commands in hexadecimal, with spaces and colons wherever they please; `-` reads them from
    /// standard input, one a line, where empty lines and all from `#` on are passed over
    #[arg(value_name = "HEX|-", required = true)]
    commands: Vec<String>,

    /// The card: a path, or the name of a card in the data folder
    #[arg(long, value_parser = disk::locate)]
    card: Option<PathBuf>,

    #[command(flatten)]
    new_card: NewCard,

    #[command(flatten)]
    slot: SlotOptions,

    #[command(flatten)]
    faults: FaultOptions,
}

/// What one argument asks for.
enum Commands {
    One(Vec<u8>),
    FromInput,
}

/// Sends the commands.
pub(crate) fn run(options: &Apdu) -> Result<(), Failure> {
    // All are parsed before the first is sent: a slip in the last one changes nothing.
    let commands: Vec<_> =
        options.commands.iter().map(|argument| parse(argument)).collect::<Result<_, _>>()?;
    let card = options.card()?;
    for command in commands {
        match command {
            Commands::One(apdu) => answer(&card, &apdu)?,
            Commands::FromInput => answer_input(&card)?,
        }
    }
    Ok(())
}

impl Apdu {
    fn card(&self) -> Result<Shared, Failure> {
        let equipment = self.slot.equipment()?.faulty(self.faults.script()?);
        let slot = match &self.card {
            Some(path) => equipment.stored(path, "")?,
            None => equipment.in_memory(self.new_card.make(&self.slot.seed()?)?, ""),
        };
        Ok(Shared::new(slot))
    }
}

fn parse(argument: &str) -> Result<Commands, Failure> {
    if argument == "-" {
        return Ok(Commands::FromInput);
    }
    hex::parse(argument).map(Commands::One).map_err(Failure::Usage)
}

fn answer(card: &Shared, apdu: &[u8]) -> Result<(), Failure> {
    let response = card.transmit(apdu).map_err(|silence| match silence {
        Silence::Failed(failure) => failure,
        Silence::Removed => Failure::Failed("the card is gone, as a fault has it".into()),
        Silence::Bounced => Failure::Failed("the card has lost contact, as a fault has it".into()),
        Silence::Mute => Failure::Failed("the card does not answer, as a fault has it".into()),
    })?;
    output::print(format_args!("{}\n", hex::upper(&response)))
}

fn answer_input(card: &Shared) -> Result<(), Failure> {
    for (index, line) in io::stdin().lock().lines().enumerate() {
        let line = line.map_err(|error| Failure::because("cannot read standard input", error))?;
        let command = line.split_once('#').map_or(line.as_str(), |(command, _comment)| command);
        if command.trim().is_empty() {
            continue;
        }
        let apdu = hex::parse(command)
            .map_err(|error| Failure::Usage(format!("line {}: {error}", index + 1)))?;
        answer(card, &apdu)?;
    }
    Ok(())
}
