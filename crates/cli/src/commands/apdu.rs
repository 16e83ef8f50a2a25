//! `vschsm apdu`: sends APDUs to a card, without a reader.

use crate::card::aes_keys::AesKeys;
use crate::card::card_defaults::CardOptions;
use crate::card::personalisation::NewCard;
use crate::card::shared::SharedCard;
use crate::faults::FaultOptions;
use crate::store::disk;
use crate::text::failure::Failure;
use crate::text::{hex, input, output};
use clap::Args;
use std::path::PathBuf;
use vschsm_host::command;

/// Send command APDUs to a card and print its response APDUs
///
/// Prints one response per line, in hexadecimal. The card is powered on before the first command
/// and powered off after the last one. After power-on the card manager is selected, so send SELECT
/// of the SmartCard-HSM's applet first, or give --select. Without --card the card is a new one in
/// memory.
#[derive(Debug, Args)]
#[command(
    mut_group("NewCard", |group| group.conflicts_with_all(["card", "template"])),
    after_help = "\
Examples:
  vschsm apdu 00A4040C0BE82B0601040181C31F0201 00200081
  vschsm apdu --select 00200081
  vschsm apdu --card alice --select --trace - < commands.txt
  vschsm apdu --firmware 2.6 --select '80 50 00 00 00'"
)]
pub(crate) struct Apdu {
    /// Commands in hexadecimal, in which spaces and colons are ignored; `-` reads them from
    /// standard input, one per line, ignoring empty lines and comments, which begin with `#`
    #[arg(value_name = "HEX|-", required = true)]
    commands: Vec<String>,

    /// Select the SmartCard-HSM's applet first, without printing the response
    #[arg(long)]
    select: bool,

    /// The card: a path, or the name of a card in the data folder
    #[arg(long, value_parser = disk::card())]
    card: Option<PathBuf>,

    /// Use a copy in memory of the card in FILE, which is never written
    #[arg(long = "card-template", value_name = "FILE", value_parser = disk::card())]
    #[arg(conflicts_with = "card")]
    template: Option<PathBuf>,

    #[command(flatten)]
    new_card: NewCard,

    #[command(flatten)]
    card_options: CardOptions,

    #[command(flatten)]
    aes_keys: AesKeys,

    #[command(flatten)]
    faults: FaultOptions,
}

/// What one argument stands for.
enum Commands {
    One(Vec<u8>),
    FromInput,
}

/// Sends the commands.
pub(crate) fn run(options: &Apdu) -> Result<(), Failure> {
    // All are parsed before the first is sent, so that a typing error in the last changes nothing.
    let commands: Vec<_> =
        options.commands.iter().map(|argument| parse(argument)).collect::<Result<_, _>>()?;
    let mut conversation = Conversation { card: options.card()?, begun: false };
    let sent = conversation.run(options.select, &commands);
    conversation.card.end_compaction();
    sent
}

/// Commands to a card, and its responses.
struct Conversation {
    card: SharedCard,
    /// Whether an application was selected, or the warning that none is was printed.
    begun: bool,
}

impl Apdu {
    fn card(&self) -> Result<SharedCard, Failure> {
        let defaults = self.card_options.defaults()?.faulty(self.faults.script()?);
        let defaults = defaults.generating(self.aes_keys);
        let card = match (&self.card, &self.template) {
            (Some(path), _) => defaults.open(path, "")?,
            (None, Some(path)) => defaults.copy(path, "")?,
            (None, None) => {
                let mut card = self.new_card.make(&self.card_options.seed()?)?;
                self.aes_keys.apply(&mut card, "the new card");
                defaults.in_memory(card, "")
            }
        };
        Ok(SharedCard::new(card))
    }
}

fn parse(argument: &str) -> Result<Commands, Failure> {
    if argument == "-" {
        return Ok(Commands::FromInput);
    }
    hex::parse(argument).map(Commands::One).map_err(|error| Failure::Usage(error.into()))
}

impl Conversation {
    /// Selects the applet, if that is asked for, and sends the commands.
    fn run(&mut self, select: bool, commands: &[Commands]) -> Result<(), Failure> {
        if select {
            self.select()?;
        }
        for command in commands {
            match command {
                Commands::One(apdu) => self.send(apdu)?,
                Commands::FromInput => self.send_input()?,
            }
        }
        Ok(())
    }

    /// Selects the applet.
    fn select(&mut self) -> Result<(), Failure> {
        let response = self.transmit(command::SELECT_APPLET)?;
        self.begun = true;
        if response.ends_with(&[0x90, 0x00]) {
            return Ok(());
        }
        let response = hex::upper(&response);
        Err(Failure::Failed(format!("cannot select the applet: the response is {response}")))
    }

    /// Sends a command and prints the response.
    fn send(&mut self, apdu: &[u8]) -> Result<(), Failure> {
        let response = self.transmit(apdu)?;
        output::print(format_args!("{}\n", hex::upper(&response)))?;
        self.begun |= matches!(apdu, [0x00, 0xA4, 0x04, ..]);
        if !self.begun && matches!(response[..], [0x6D | 0x6E, 0x00]) {
            self.begun = true;
            output::warn(
                "after a reset the card manager is selected, not the SmartCard-HSM's applet: send \
                 SELECT, 00A4040C0BE82B0601040181C31F0201, first, or use --select",
            );
        }
        Ok(())
    }

    /// Sends each line of standard input.
    fn send_input(&mut self) -> Result<(), Failure> {
        for (index, line) in input::standard_lines().enumerate() {
            let line = line?;
            let command = line.split_once('#').map_or(line.as_str(), |(command, _comment)| command);
            if command.trim().is_empty() {
                continue;
            }
            let apdu = hex::parse(command)
                .map_err(|error| Failure::Usage(format!("line {}: {error}", index + 1)))?;
            self.send(&apdu)?;
        }
        Ok(())
    }

    fn transmit(&self, apdu: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(self.card.transmit(apdu)?)
    }
}
