//! A channel of secure messaging with a card, whatever is between.

use crate::process::seed::Seed;
use crate::trace;
use std::mem;
use vschsm_card::chain::Device;
use vschsm_card::secure_messaging::{Breach, Host, Opening};
use vschsm_host::{Transport, TransportError};
use vschsm_protocol::secure_messaging::Protocol;

/// A channel, which is opened again where the card's session has ended.
pub(crate) struct Channel {
    device: Device,
    protocol: Protocol,
    session: Session,
}

/// What there is of a session.
enum Session {
    /// Keys have been agreed on.
    Open(Host),
    /// The applet is selected, and keys are agreed on before the next command.
    Selected,
    /// The card manager is selected, as after a reset: it has no such keys, and what it is sent,
    /// SELECT in the end, goes in plain.
    Reset,
}

impl Channel {
    /// Opens a channel with a card, which has to show that it is the device: with AES-128, or with
    /// 3DES if it does not have that.
    pub(crate) fn open(device: Device, card: &mut dyn Transport) -> Result<Self, TransportError> {
        let (protocol, host) = agree(&device, card)?;
        Ok(Self { device, protocol, session: Session::Open(host) })
    }

    /// How keys were agreed on.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The session of the card is over, and the applet is selected anew.
    pub(crate) fn end(&mut self) {
        self.session = Session::Selected;
    }

    /// The card has been reset, and its applet is not selected.
    pub(crate) fn suspend(&mut self) {
        self.session = Session::Reset;
    }

    /// Sends a command in its seal, unless the card manager is to get it; the response comes
    /// without.
    pub(crate) fn transmit(
        &mut self,
        card: &mut dyn Transport,
        command: &[u8],
    ) -> Result<Vec<u8>, TransportError> {
        let mut host = match mem::replace(&mut self.session, Session::Selected) {
            Session::Open(host) => host,
            Session::Reset => {
                let response = card.transmit(command)?;
                if !ends_session(command, &response) {
                    self.session = Session::Reset;
                }
                return Ok(response);
            }
            Session::Selected => {
                let (protocol, host) = agree(&self.device, card)?;
                self.protocol = protocol;
                host
            }
        };
        let sealed = host.seal(&with_le(command)).ok_or_else(|| {
            let told = trace::describe_command(command);
            TransportError::failed(format!("{told} cannot be sent in secure messaging"))
        })?;
        let answer = card.transmit(&sealed)?;
        let response = host.open(&answer).map_err(TransportError::failed)?;
        if !ends_session(command, &response) {
            self.session = Session::Open(host);
        }
        Ok(response)
    }
}

/// Agrees on keys with the card.
fn agree(device: &Device, card: &mut dyn Transport) -> Result<(Protocol, Host), TransportError> {
    for protocol in [Protocol::Aes, Protocol::TripleDes] {
        let seed = Seed::random().map_err(|error| TransportError::failed(error.to_string()))?;
        let opening = Opening::new(protocol, device, seed.into());
        match *card.transmit(&opening.choice())? {
            [0x90, 0x00] => {}
            [0x6A, 0x80] => continue,
            ref answer => return Err(TransportError::failed(refusal(answer))),
        }
        let answer = card.transmit(&opening.question())?;
        let host = opening.finish(&answer).map_err(|breach| match breach {
            Breach::Refused(_) => TransportError::failed(refusal(&answer)),
            breach => TransportError::failed(breach),
        })?;
        return Ok((protocol, host));
    }
    Err(TransportError::failed("the card has neither AES-128 nor 3DES for it"))
}

fn refusal(answer: &[u8]) -> String {
    let status = answer.last_chunk().map_or(0, |status| u16::from_be_bytes(*status));
    format!("the card refuses it with {}", trace::describe_status(status))
}

/// The command; a question for a PIN's state gets an Le.
///
/// Source: OpenSC `card-sc-hsm.c`, `sc_hsm_pin_cmd`: in a channel JCOP cards take none without.
fn with_le(command: &[u8]) -> Vec<u8> {
    match command {
        [_, 0x20, _, _] => [command, &[0x00]].concat(),
        _ => command.to_vec(),
    }
}

/// Whether the session begins anew with that response: the applet was selected.
fn ends_session(command: &[u8], response: &[u8]) -> bool {
    matches!(command, [_, 0xA4, 0x04, ..]) && matches!(response, [.., 0x90, 0x00])
}

#[cfg(test)]
mod tests {
    use super::*;
    use vschsm_card::Card;
    use vschsm_card::chain::Verifier;
    use vschsm_card::personalisation::PersonalisationData;
    use vschsm_card::profile::Profile;
    use vschsm_host::command;
    use vschsm_vectors::PIN;

    /// A card, and what somebody between makes of its answers: after how many of them, of which.
    struct Between {
        card: Card,
        passed: usize,
        changes_from: usize,
        change: fn(Vec<u8>) -> Vec<u8>,
        /// What went to the card.
        sent: Vec<Vec<u8>>,
    }

    impl Transport for Between {
        fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
            self.sent.push(command.to_vec());
            let answer = Transport::transmit(&mut self.card, command)?;
            self.passed += 1;
            Ok(if self.passed > self.changes_from { (self.change)(answer) } else { answer })
        }

        fn reset(&mut self) -> Result<(), TransportError> {
            Transport::reset(&mut self.card)
        }
    }

    fn between(
        firmware: &str,
        changes_from: usize,
        change: fn(Vec<u8>) -> Vec<u8>,
    ) -> Result<(Between, Device), Box<dyn std::error::Error>> {
        let profile = Profile::built_in(firmware).ok_or("no such firmware")?;
        let card = Card::new(&PersonalisationData::default(), profile, [7; 32])?;
        let mut card = Between { card, passed: 0, changes_from, change, sent: Vec::new() };
        card.card.begin()?;
        let mut content = Transport::transmit(&mut card.card, &command::read(0x2F02))?;
        content.truncate(content.len() - 2);
        let device = Verifier::default().device(&content)?;
        Ok((card, device))
    }

    #[test]
    fn commands_are_sealed_and_after_reset_and_select_in_a_new_channel()
    -> Result<(), Box<dyn std::error::Error>> {
        for (firmware, protocol) in
            [("1.2", Protocol::TripleDes), ("2.6", Protocol::Aes), ("3.4", Protocol::Aes)]
        {
            let (mut card, device) = between(firmware, 0, |answer| answer)?;
            let mut channel = Channel::open(device, &mut card)?;
            assert_eq!(channel.protocol(), protocol, "{firmware}");
            card.sent.clear();
            let initialize = vschsm_vectors::initialize([0x00, 0x01], &[]);
            assert_eq!(channel.transmit(&mut card, &initialize)?, [0x90, 0x00]);
            assert_eq!(channel.transmit(&mut card, &command::verify(PIN))?, [0x90, 0x00]);
            let state = [0x00, 0x20, 0x00, 0x81];
            assert_eq!(channel.transmit(&mut card, &state)?, [0x90, 0x00], "logged in");
            assert!(card.sent.iter().all(|command| matches!(command[..], [0x0C | 0x8C, ..])));
            let hides = |part: &[u8]| {
                !card.sent.iter().any(|sent| sent.windows(part.len()).any(|at| at == part))
            };
            assert!(hides(PIN.as_bytes()), "{firmware}");

            channel.end();
            card.begin()?;
            assert_eq!(channel.transmit(&mut card, &state)?, [0x63, 0xC3], "begun anew");
            channel.suspend();
            card.reset()?;
            let unknown = if firmware == "3.4" { [0x6D, 0x00] } else { [0x6E, 0x00] };
            assert_eq!(channel.transmit(&mut card, &state)?, unknown, "the card manager");
            channel.transmit(&mut card, command::SELECT_APPLET)?;
            assert_eq!(channel.transmit(&mut card, &state)?, [0x63, 0xC3], "in a new channel");
            channel.transmit(&mut card, &command::verify(PIN))?;
            let selected = channel.transmit(&mut card, command::SELECT_APPLET)?;
            assert!(selected.ends_with(&[0x90, 0x00]), "{firmware}");
            assert_eq!(channel.transmit(&mut card, &state)?, [0x63, 0xC3], "selected anew");
            assert!(channel.transmit(&mut card, &[0x0C, 0x20, 0x00, 0x81]).is_err());
        }
        Ok(())
    }

    #[test]
    fn nobody_between_is_believed() -> Result<(), Box<dyn std::error::Error>> {
        let broken = |mut answer: Vec<u8>| {
            let middle = answer.len() / 2;
            answer.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
            answer
        };
        // The choice of the protocol is answered first, and then with the token.
        for (changes_from, change, told) in [
            (1, broken as fn(Vec<u8>) -> Vec<u8>, ""),
            (1, |_| vec![0x69, 0x85], "refuses it with 6985"),
            (0, |_| vec![0x6A, 0x86], "refuses it with 6A86"),
            (0, |_| vec![0x6A, 0x80], "neither AES-128 nor 3DES"),
        ] {
            let (mut card, device) = between("3.4", changes_from, change)?;
            let error = Channel::open(device, &mut card).err().ok_or("opened")?;
            assert!(error.to_string().contains(told), "{error:?} without {told:?}");
        }
        let (_, other) = between("3.4", 0, |answer| answer)?;
        let profile = Profile::built_in("3.4").ok_or("no such firmware")?;
        let mut another = Card::new(&PersonalisationData::default(), profile, [8; 32])?;
        another.begin()?;
        let error = Channel::open(other, &mut another).err().ok_or("opened")?.to_string();
        assert!(error.contains("does not have the key that its certificate is for"), "{error}");

        for (change, told) in [
            (broken as fn(Vec<u8>) -> Vec<u8>, "the seal of an answer is broken"),
            (|_| vec![0x90, 0x00], "9000 without a seal"),
            (|_| vec![0x69, 0x88], "6988 without a seal"),
        ] {
            let (mut card, device) = between("3.4", 2, change)?;
            let mut channel = Channel::open(device, &mut card)?;
            let answer = channel.transmit(&mut card, &[0x00, 0x84, 0x00, 0x00, 0x08]);
            assert!(
                answer.as_ref().is_err_and(|error| error.to_string().contains(told)),
                "{answer:?}"
            );
        }
        Ok(())
    }
}
