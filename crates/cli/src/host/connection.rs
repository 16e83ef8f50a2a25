//! Cards in PC/SC readers, as the program's own commands talk to them.

mod login;
#[cfg(not(feature = "pcsc"))]
#[path = "connection/without_pcsc.rs"]
mod reader;
#[cfg(feature = "pcsc")]
use vschsm_host::reader;

pub(crate) use login::log_in;
pub(crate) use reader::{Reader, SharedReader};

use crate::host::known_roots;
use crate::text::failure::Failure;
use crate::text::{names, output};
use clap::Args;
#[cfg(feature = "pcsc")]
use reader::ReaderError;
use vschsm_host::certificates::Verifier;
use vschsm_host::{HostError, SmartCardHsm, Transport, TransportError};
use vschsm_protocol::secure_messaging::Protocol;

/// What is between a command of the program and the card.
#[derive(Debug, Args)]
pub(crate) struct Protection {
    /// Talk to the card in secure messaging, once its certificates are verified up to a root: with
    /// AES-128, or with 3DES where a card has no other
    #[arg(long, requires = "reader")]
    pub(crate) secure_messaging: bool,
}

/// A card that is talked to, and what is between.
pub(crate) struct Connection<T = Reader> {
    card: SmartCardHsm<T>,
    name: String,
}

impl Connection {
    /// Connects to the card in the one reader whose name is `name`, or has it in it. Nobody else
    /// can use the card meanwhile; it is reset before and in the end.
    pub(crate) fn open(name: &str, protection: &Protection) -> Result<Self, Failure> {
        let reader = Reader::open(name)?;
        let name = reader.name().to_owned();
        let certificates = reader.certificates().to_vec();
        Self::with(reader, name, &certificates, protection)
    }
}

/// Talks to the card in a reader, named likewise, that others may be connected to: they wait
/// meanwhile, and find the card as it is left. It is not reset.
pub(crate) fn visit<R>(
    name: &str,
    protection: &Protection,
    talk: impl FnOnce(&mut Connection<SharedReader<'_>>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    reader::with_shared(name, |mut reader| {
        let (name, certificates) = (reader.name().to_owned(), reader.certificates()?);
        talk(&mut Connection::with(reader, name, &certificates, protection)?)
    })
}

/// The whole name of the one reader whose name is `name`, or has it in it.
pub(crate) fn name_of(name: &str) -> Result<String, Failure> {
    Ok(reader::name_of(name)?)
}

impl<T: Transport> Connection<T> {
    /// A connection to a card that has those certificates in EF 2F02.
    pub(crate) fn with(
        transport: T,
        name: String,
        certificates: &[u8],
        protection: &Protection,
    ) -> Result<Self, Failure> {
        let mut card = SmartCardHsm::attach(transport);
        if protection.secure_messaging {
            open_channel(&mut card, &name, certificates)?;
        }
        Ok(Self { card, name })
    }

    /// The name of the reader.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The session with the card.
    pub(crate) fn card(&mut self) -> &mut SmartCardHsm<T> {
        &mut self.card
    }

    /// The protocol of secure messaging, if commands are protected.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        self.card.secure_channel().map(|channel| channel.protocol())
    }

    /// The failure for an error of the session. Those of a secure channel do not name the reader.
    pub(crate) fn failure(&self, error: HostError) -> Failure {
        match error {
            HostError::Transport(TransportError::Failed(error)) if self.protocol().is_some() => {
                Failure::because(&self.name, error)
            }
            error => Failure::failed(error),
        }
    }
}

impl<T: Transport> Transport for Connection<T> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let is_protected = self.card.secure_channel().is_some();
        self.card.transmit(command).map_err(|error| match error {
            TransportError::Failed(error) if is_protected => {
                TransportError::failed(format!("{}: {error}", self.name))
            }
            error => error,
        })
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.card.reset()
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.card.begin()
    }
}

#[cfg(feature = "pcsc")]
impl From<ReaderError> for Failure {
    fn from(error: ReaderError) -> Self {
        match error {
            ReaderError::NotOneReader { .. } => Self::Usage(error.to_string()),
            ReaderError::NoService(_) if vschsm_reader::server::PcscLibrary::find().is_none() => {
                Self::Failed(
                    "no reader can be asked for without libpcsclite.so.1; on Debian: apt-get \
                     install libpcsclite1"
                        .into(),
                )
            }
            error => Self::failed(error),
        }
    }
}

/// Verifies whose card it is, opens a channel with it, and tells of both.
fn open_channel<T: Transport>(
    card: &mut SmartCardHsm<T>,
    name: &str,
    certificates: &[u8],
) -> Result<(), Failure> {
    let device = Verifier::default().device(certificates).map_err(|error| {
        Failure::Failed(format!(
            "no secure messaging with the card in {name}, whose certificates are not verified \
             ({error}): `vschsm verify --reader` shows them"
        ))
    })?;
    let (holder, root) = (device.holder().escape_ascii().to_string(), device.root().to_vec());
    card.open_secure_channel_with(device).map_err(|error: HostError| {
        Failure::because(format_args!("no secure messaging with {name}"), error)
    })?;
    let protocol = card.secure_channel().map(|channel| channel.protocol().identifier());
    let protocol = protocol.and_then(|protocol| names::protocol(&protocol)).unwrap_or_default();
    let root = known_roots::root_in_words(&root).unwrap_or_default();
    output::announce(format_args!("Secure messaging with {holder}, {protocol}. {root}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vschsm_card::Card;
    use vschsm_card::personalisation::PersonalisationData;
    use vschsm_card::profile::{DEFAULT, Profile};
    use vschsm_host::command;

    #[test]
    fn no_channel_is_opened_with_a_card_whose_certificates_are_not_verified()
    -> Result<(), Box<dyn std::error::Error>> {
        let profile = Profile::built_in(DEFAULT).ok_or("no such firmware")?;
        let new = || {
            let mut card = Card::new(&PersonalisationData::default(), profile.clone(), [7; 32])?;
            card.begin()?;
            Ok::<_, Box<dyn std::error::Error>>(card)
        };
        let mut certificates = Transport::transmit(&mut new()?, &command::read(0x2F02))?;
        certificates.truncate(certificates.len() - 2);
        let protection = Protection { secure_messaging: true };
        let with = |certificates: &[u8]| {
            let card = new().map_err(|error| error.to_string())?;
            let card = Connection::with(card, "HSM".into(), certificates, &protection);
            card.map(|card| card.protocol()).map_err(|failure| failure.to_string())
        };

        assert_eq!(with(&certificates), Ok(Some(Protocol::Aes)));
        if let Some(last) = certificates.last_mut() {
            *last ^= 1;
        }
        for certificates in [&certificates[..], &[]] {
            let refused = with(certificates).err().unwrap_or_default();
            assert!(refused.contains("whose certificates are not verified"), "{refused}");
        }
        Ok(())
    }
}
