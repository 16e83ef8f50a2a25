//! Cards in readers, by PC/SC.

use crate::text::failure::Failure;
use crate::text::hex;
use pcsc::{Card, Context, Disposition, Error, Protocols, Scope, ShareMode, Transaction};
use std::ffi::CString;
use vschsm_host::{Transport, TransportError, command};
use vschsm_reader::server::PcscLibrary;

/// A card that nobody else can use meanwhile. When it is dropped the card is reset.
pub(crate) struct Reader {
    name: String,
    card: Card,
    buffer: Vec<u8>,
    /// What the card says that it is.
    certificates: Vec<u8>,
}

/// A card that others may be connected to, who wait meanwhile.
pub(crate) struct Visit<'a> {
    name: String,
    transaction: Transaction<'a>,
    buffer: Vec<u8>,
}

impl Reader {
    /// Connects to the card in the one reader whose name is `name`, or has it in it.
    pub(crate) fn open(name: &str) -> Result<Self, Failure> {
        let (name, card) = connect(name, ShareMode::Exclusive)?;
        let mut reader = Self { name, card, buffer: buffer(), certificates: Vec::new() };
        reader.certificates = reader.select().map_err(Failure::failed)?;
        Ok(reader)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What EF 2F02 has.
    pub(crate) fn certificates(&self) -> &[u8] {
        &self.certificates
    }

    /// Resets the card and selects the applet. What EF 2F02 has then.
    fn select(&mut self) -> Result<Vec<u8>, TransportError> {
        self.reset_only()?;
        let selected = self.transmit(command::SELECT_APPLET)?;
        must_be_selected(&self.name, &selected)?;
        let answer = self.transmit(&command::read(0x2F02))?;
        Ok(content(&answer).unwrap_or_default().to_vec())
    }

    /// Resets the card, whichever it is.
    fn reset_only(&mut self) -> Result<(), TransportError> {
        self.card.reconnect(ShareMode::Exclusive, Protocols::ANY, Disposition::ResetCard).map_err(
            |error| {
                let sentence = format!("cannot reset the card in {}: {error}", self.name);
                TransportError::failed(sentence)
            },
        )
    }
}

impl Transport for Reader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        transmit(&self.card, &self.name, command, &mut self.buffer)
    }

    /// Fails if the card is another one now, which costs a second reset: the applet says which it
    /// is.
    fn reset(&mut self) -> Result<(), TransportError> {
        self.begin()?;
        self.reset_only()
    }

    /// Fails if the card is another one now: nobody has said what may be done to that.
    fn begin(&mut self) -> Result<(), TransportError> {
        if self.select()? == self.certificates {
            return Ok(());
        }
        Err(TransportError::failed(format!("the card in {} is another one than before", self.name)))
    }
}

/// Connects to a card as others do too, and has it alone for as long as `talk` lasts.
pub(crate) fn visit<T>(
    name: &str,
    talk: impl FnOnce(Visit<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (name, mut card) = connect(name, ShareMode::Shared)?;
    let outcome = match card.transaction() {
        Ok(transaction) => talk(Visit { name: name.clone(), transaction, buffer: buffer() }),
        Err(error) => Err(cannot_use(&name, error)),
    };
    // Without this the card would be reset.
    let left = card.disconnect(Disposition::LeaveCard);
    let left = left.map_err(|(_, error)| {
        Failure::because(format_args!("cannot leave the card in {name} as it is"), error)
    });
    outcome.and_then(|outcome| left.map(|()| outcome))
}

impl Visit<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What EF 2F02 has; the applet is selected if it does not answer, as then nobody uses it.
    pub(crate) fn certificates(&mut self) -> Result<Vec<u8>, Failure> {
        let read = command::read(0x2F02);
        let answer = self.transmit(&read).map_err(Failure::failed)?;
        if let Some(content) = content(&answer) {
            return Ok(content.to_vec());
        }
        let selected = self.transmit(command::SELECT_APPLET).map_err(Failure::failed)?;
        must_be_selected(&self.name, &selected).map_err(Failure::failed)?;
        let answer = self.transmit(&read).map_err(Failure::failed)?;
        Ok(content(&answer).unwrap_or_default().to_vec())
    }
}

impl Transport for Visit<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        transmit(&self.transaction, &self.name, command, &mut self.buffer)
    }

    /// Fails: the session is others' as well.
    fn reset(&mut self) -> Result<(), TransportError> {
        Err(TransportError::failed(format!(
            "others may use the card in {}, which is not reset",
            self.name
        )))
    }
}

/// The whole name of the one reader whose name is `name`, or has it in it.
pub(crate) fn name_of(name: &str) -> Result<String, Failure> {
    let (_, readers) = readers()?;
    Ok(chosen(name, &readers)?.to_string_lossy().into_owned())
}

fn readers() -> Result<(Context, Vec<CString>), Failure> {
    let context = Context::establish(Scope::User).map_err(|error| match PcscLibrary::find() {
        None => Failure::Failed(
            "no reader can be asked for without libpcsclite.so.1; on Debian: apt-get install \
             libpcsclite1"
                .into(),
        ),
        Some(_) => Failure::because("no PC/SC service answers", error),
    })?;
    let readers = context.list_readers_owned().or_else(|error| match error {
        Error::NoReadersAvailable => Ok(Vec::new()),
        error => Err(Failure::because("cannot list the readers", error)),
    })?;
    Ok((context, readers))
}

/// Connects to the card in a reader; the whole name of that, and the card.
fn connect(name: &str, share: ShareMode) -> Result<(String, Card), Failure> {
    let (context, readers) = readers()?;
    let reader = chosen(name, &readers)?;
    let name = reader.to_string_lossy().into_owned();
    let card = context.connect(reader, share, Protocols::ANY);
    let card = card.map_err(|error| cannot_use(&name, error))?;
    Ok((name, card))
}

fn buffer() -> Vec<u8> {
    vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED]
}

fn transmit(
    card: &Card,
    name: &str,
    command: &[u8],
    buffer: &mut [u8],
) -> Result<Vec<u8>, TransportError> {
    let response = card.transmit(command, buffer);
    response.map(<[u8]>::to_vec).map_err(|error| TransportError::failed(format!("{name}: {error}")))
}

/// The data of the answer to READ BINARY.
fn content(answer: &[u8]) -> Option<&[u8]> {
    // A shorter file than was asked for ends with a warning.
    let content = answer.strip_suffix(&[0x90, 0x00]);
    content.or_else(|| answer.strip_suffix(&[0x62, 0x82]))
}

/// Fails unless the applet is there.
fn must_be_selected(name: &str, answer: &[u8]) -> Result<(), TransportError> {
    if answer.ends_with(&[0x90, 0x00]) {
        return Ok(());
    }
    let answer = hex::upper(answer);
    Err(TransportError::failed(format!(
        "the card in {name} is no SmartCard-HSM: SELECT answers {answer}"
    )))
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
