//! Cards in PC/SC readers, as the program's own commands talk to them.

mod channel;
mod login;
#[cfg_attr(not(feature = "pcsc"), path = "connection/without_pcsc.rs")]
mod pcsc_client;

pub(crate) use login::log_in;
pub(crate) use pcsc_client::{Reader, Visit, name_of};

use crate::host::known_roots;
use crate::text::failure::Failure;
use crate::text::{names, output};
use channel::Channel;
use clap::Args;
use vschsm_card::chain::Verifier;
use vschsm_host::{Transport, TransportError};
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
pub(crate) struct Connection<M = Reader> {
    card: M,
    name: String,
    certificates: Vec<u8>,
    channel: Option<Channel>,
}

/// A response: its status word, and its data.
pub(crate) type Answer = (u16, Vec<u8>);

impl Connection {
    /// Connects to the card in the one reader whose name is `name`, or has it in it. Nobody else
    /// can use the card meanwhile; it is reset before and in the end.
    pub(crate) fn open(name: &str, protection: &Protection) -> Result<Self, Failure> {
        let reader = Reader::open(name)?;
        let name = reader.name().to_owned();
        let certificates = reader.certificates().to_vec();
        Self::with(reader, name, certificates, protection)
    }
}

/// Talks to the card in a reader, named likewise, that others may be connected to: they wait
/// meanwhile, and find the card as it is left. It is not reset.
pub(crate) fn visit<T>(
    name: &str,
    protection: &Protection,
    talk: impl FnOnce(&mut Connection<Visit<'_>>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    pcsc_client::visit(name, |mut visit| {
        let (name, certificates) = (visit.name().to_owned(), visit.certificates()?);
        talk(&mut Connection::with(visit, name, certificates, protection)?)
    })
}

impl<M: Transport> Connection<M> {
    /// A connection to a card that has those certificates in EF 2F02.
    pub(crate) fn with(
        mut card: M,
        name: String,
        certificates: Vec<u8>,
        protection: &Protection,
    ) -> Result<Self, Failure> {
        let channel = if protection.secure_messaging {
            Some(open_channel(&mut card, &name, &certificates)?)
        } else {
            None
        };
        Ok(Self { card, name, certificates, channel })
    }

    /// The name of the reader.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What the card has in EF 2F02.
    pub(crate) fn certificates(&self) -> &[u8] {
        &self.certificates
    }

    /// The protocol of secure messaging, if commands are sealed.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        self.channel.as_ref().map(Channel::protocol)
    }

    /// Sends a command.
    pub(crate) fn ask(&mut self, command: &[u8]) -> Result<Answer, Failure> {
        let answer = self.transmit(command).map_err(Failure::failed)?;
        let (data, status) = answer
            .split_last_chunk()
            .ok_or_else(|| Failure::because(&self.name, "the card's answer has no status word"))?;
        Ok((u16::from_be_bytes(*status), data.to_vec()))
    }
}

impl<M: Transport> Transport for Connection<M> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        match &mut self.channel {
            None => self.card.transmit(command),
            Some(channel) => channel
                .transmit(&mut self.card, command)
                .map_err(|error| TransportError::failed(format!("{}: {error}", self.name))),
        }
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.channel.iter_mut().for_each(Channel::suspend);
        self.card.reset()
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.channel.iter_mut().for_each(Channel::end);
        self.card.begin()
    }
}

/// Verifies whose card it is, opens a channel with it, and tells of both.
fn open_channel(
    card: &mut dyn Transport,
    name: &str,
    certificates: &[u8],
) -> Result<Channel, Failure> {
    let device = Verifier::default().device(certificates).map_err(|flaw| {
        Failure::Failed(format!(
            "no secure messaging with the card in {name}, whose certificates are not verified \
             ({flaw}): `vschsm verify --reader` shows them"
        ))
    })?;
    let (holder, root) = (device.holder().escape_ascii().to_string(), device.root().to_vec());
    let channel = Channel::open(device, card).map_err(|error| {
        Failure::because(format_args!("no secure messaging with {name}"), error)
    })?;
    let protocol = names::protocol(&channel.protocol().identifier()).unwrap_or_default();
    let root = known_roots::root_in_words(&root).unwrap_or_default();
    output::announce(format_args!("Secure messaging with {holder}, {protocol}. {root}"));
    Ok(channel)
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
            let card = Connection::with(card, "HSM".into(), certificates.to_vec(), &protection);
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
