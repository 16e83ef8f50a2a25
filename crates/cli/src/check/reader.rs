//! A card in a reader, by PC/SC.

use crate::failure::Failure;
use crate::hex;
use pcsc::{Card, Context, Disposition, Error, Protocols, Scope, ShareMode};
use std::ffi::CString;
use vectors::{Medium, command};

/// A card that nobody else can use meanwhile. When it is dropped the card is reset.
pub(crate) struct Reader {
    name: String,
    card: Card,
    buffer: Vec<u8>,
    /// What the card says that it is.
    certificates: Vec<u8>,
}

impl Reader {
    /// Connects to the card in the one reader whose name is `name`, or has it in it.
    pub(crate) fn open(name: &str) -> Result<Self, Failure> {
        let context = Context::establish(Scope::User)
            .map_err(|error| Failure::because("no PC/SC service answers", error))?;
        let readers = context.list_readers_owned().or_else(|error| match error {
            Error::NoReadersAvailable => Ok(Vec::new()),
            error => Err(Failure::because("cannot list the readers", error)),
        })?;
        let reader = chosen(name, &readers)?;
        let name = reader.to_string_lossy().into_owned();
        let card = context
            .connect(reader, ShareMode::Exclusive, Protocols::ANY)
            .map_err(|error| cannot_use(&name, error))?;
        let buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
        let mut reader = Self { name, card, buffer, certificates: Vec::new() };
        reader.certificates = reader.select().map_err(Failure::Failed)?;
        Ok(reader)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Resets the card, and selects the applet, which need not be the one that answers at first.
    /// What EF 2F02 answers then.
    fn select(&mut self) -> Result<Vec<u8>, String> {
        self.card
            .reconnect(ShareMode::Exclusive, Protocols::ANY, Disposition::ResetCard)
            .map_err(|error| format!("cannot reset the card in {}: {error}", self.name))?;
        match self.transmit(command::SELECT_APPLET)?.as_slice() {
            [.., 0x90, 0x00] => self.transmit(&command::read(0x2F02)),
            answer => {
                let (name, answer) = (&self.name, hex::upper(answer));
                Err(format!("the card in {name} is no SmartCard-HSM: SELECT answers {answer}"))
            }
        }
    }
}

impl Medium for Reader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, String> {
        let response = self.card.transmit(command, &mut self.buffer);
        response.map(<[u8]>::to_vec).map_err(|error| format!("{}: {error}", self.name))
    }

    /// Fails if the card is another one now: nobody has said what may be done to that.
    fn reset(&mut self) -> Result<(), String> {
        if self.select()? == self.certificates {
            return Ok(());
        }
        Err(format!("the card in {} is another one than before", self.name))
    }
}

/// The reader of that name, or the only one that has it in its name.
fn chosen<'a>(name: &str, readers: &'a [CString]) -> Result<&'a CString, Failure> {
    if let Some(reader) = readers.iter().find(|reader| reader.to_bytes() == name.as_bytes()) {
        return Ok(reader);
    }
    let mut matching = readers.iter().filter(|reader| reader.to_string_lossy().contains(name));
    if let (Some(reader), None) = (matching.next(), matching.next()) {
        return Ok(reader);
    }
    let names: Vec<_> =
        readers.iter().map(|reader| format!("{:?}", reader.to_string_lossy())).collect();
    let there = if names.is_empty() { "none".into() } else { names.join(", ") };
    Err(Failure::Usage(format!("{name:?} is not the name of one reader; there are {there}")))
}

fn cannot_use(name: &str, error: Error) -> Failure {
    let why = match error {
        Error::SharingViolation => "another program uses it".into(),
        Error::NoSmartcard | Error::RemovedCard => "there is none".into(),
        error => error.to_string(),
    };
    Failure::because(format_args!("cannot use the card in {name}"), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_chosen_by_its_name_or_a_part_that_no_other_has() {
        let readers = ["Virtual PCD 00 00", "Virtual PCD 00 01", "Virtual PCD 00 01 too"]
            .map(|name| CString::new(name).unwrap_or_default());
        let chosen = |name| chosen(name, &readers).map(|reader| reader.to_string_lossy());
        assert!(chosen("00 00").is_ok_and(|name| name == "Virtual PCD 00 00"));
        assert!(chosen("too").is_ok_and(|name| name == "Virtual PCD 00 01 too"));
        assert!(chosen("Virtual PCD 00 01").is_ok_and(|name| name == "Virtual PCD 00 01"));
        for several_or_none in ["Virtual", "01", "Nitrokey", ""] {
            let error = chosen(several_or_none).map_err(|error| error.to_string());
            assert!(error.is_err_and(|error| error.contains("\"Virtual PCD 00 00\", ")));
        }
    }
}
