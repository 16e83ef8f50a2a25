//! Secure messaging with a card, whatever is between: keys are agreed on with the device whose
//! certificates were verified, and commands and responses are encrypted and authenticated.

mod chip_authentication;
mod protected_session;

pub use chip_authentication::ChipAuthentication;
pub use protected_session::{ProtectedSession, SecureMessagingError};

use crate::certificates::VerifiedDevice;
use crate::error::HostError;
use crate::transport::Transport;
use std::mem;
use vschsm_protocol::apdu::Status;
use vschsm_protocol::secure_messaging::Protocol;
use zeroize::Zeroizing;

/// Secure messaging with a card: keys are agreed on again where the card's session has ended.
#[derive(Debug)]
pub struct SecureMessaging {
    device: VerifiedDevice,
    protocol: Protocol,
    session: Session,
}

/// What there is of a session.
#[derive(Debug)]
enum Session {
    /// Keys have been agreed on.
    Open(ProtectedSession),
    /// The applet is selected, and keys are agreed on before the next command.
    Selected,
    /// The card manager is selected, as after a reset: it has no such keys, and what it is sent,
    /// SELECT in the end, goes in plain.
    Reset,
}

impl SecureMessaging {
    /// Agrees on keys with a card, which has to show that it is the device: with AES-128, or with
    /// 3DES if it does not have that.
    ///
    /// # Errors
    /// If the card refuses, or does not have the device key.
    pub fn open(device: VerifiedDevice, card: &mut dyn Transport) -> Result<Self, HostError> {
        let (protocol, session) = agree(&device, card)?;
        Ok(Self { device, protocol, session: Session::Open(session) })
    }

    /// How keys were agreed on.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The device that keys were agreed on with.
    #[must_use]
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// The applet was selected by another way than [`transmit`](Self::transmit): keys are agreed on
    /// before the next command.
    pub fn applet_was_selected(&mut self) {
        self.session = Session::Selected;
    }

    /// The card was reset, and its applet is not selected: commands go in plain until it is.
    pub fn card_was_reset(&mut self) {
        self.session = Session::Reset;
    }

    /// Sends a command protected, unless the card manager is to get it, and returns the response in
    /// plain.
    ///
    /// # Errors
    /// If there is no response, or it is not the card's: [`HostError::SecureMessaging`].
    pub fn transmit(
        &mut self,
        card: &mut dyn Transport,
        command: &[u8],
    ) -> Result<Vec<u8>, HostError> {
        let mut session = match mem::replace(&mut self.session, Session::Selected) {
            Session::Open(session) => session,
            Session::Reset => {
                let response = card.transmit(command)?;
                if !ends_session(command, &response) {
                    self.session = Session::Reset;
                }
                return Ok(response);
            }
            Session::Selected => {
                let (protocol, session) = agree(&self.device, card)?;
                self.protocol = protocol;
                session
            }
        };
        let protected = session.protect(&Zeroizing::new(with_le(command)));
        let protected = protected.ok_or(SecureMessagingError::CannotProtect)?;
        let response = session.unprotect(&card.transmit(&protected)?)?;
        if !ends_session(command, &response) {
            self.session = Session::Open(session);
        }
        Ok(response)
    }
}

/// Agrees on keys with the card.
fn agree(
    device: &VerifiedDevice,
    card: &mut dyn Transport,
) -> Result<(Protocol, ProtectedSession), HostError> {
    for protocol in [Protocol::Aes, Protocol::TripleDes] {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())?;
        let authentication = ChipAuthentication::new(protocol, device, *seed);
        match *card.transmit(&authentication.mse_set_at())? {
            [0x90, 0x00] => {}
            [0x6A, 0x80] => continue,
            ref response => {
                let status = response.last_chunk().copied().map_or(0, u16::from_be_bytes);
                return Err(SecureMessagingError::Refused(Status(status)).into());
            }
        }
        let response = card.transmit(&authentication.general_authenticate())?;
        return Ok((protocol, authentication.complete(&response)?));
    }
    Err(SecureMessagingError::NoProtocol.into())
}

/// The command; a query of a PIN's state gets an Le.
///
/// Source: OpenSC `card-sc-hsm.c`, `sc_hsm_pin_cmd`: in a channel JCOP cards do not
/// accept it without one.
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

/// A link to the file of the card's side, which a package has in its place.
#[cfg(test)]
mod exchanges;

#[cfg(test)]
#[path = "secure_channel/tests.rs"]
mod protection_tests;

#[cfg(test)]
mod tests {
    use super::*;

    use crate::certificates::Verifier;
    use crate::command;
    use crate::transport::TransportError;
    use vschsm_card::Card;
    use vschsm_card::personalisation::PersonalisationData;
    use vschsm_card::profile::Profile;

    const PIN: &str = "648219";

    /// A card, and what somebody between makes of its responses: after how many of them, of which.
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
            let response = Transport::transmit(&mut self.card, command)?;
            self.passed += 1;
            Ok(if self.passed > self.changes_from { (self.change)(response) } else { response })
        }

        fn reset(&mut self) -> Result<(), TransportError> {
            Transport::reset(&mut self.card)
        }
    }

    fn between(
        firmware: &str,
        changes_from: usize,
        change: fn(Vec<u8>) -> Vec<u8>,
    ) -> Result<(Between, VerifiedDevice), Box<dyn std::error::Error>> {
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
    fn commands_are_protected_and_after_reset_and_select_in_a_new_channel()
    -> Result<(), Box<dyn std::error::Error>> {
        for (firmware, protocol) in
            [("1.2", Protocol::TripleDes), ("2.6", Protocol::Aes), ("3.4", Protocol::Aes)]
        {
            let (mut card, device) = between(firmware, 0, |response| response)?;
            let mut channel = SecureMessaging::open(device, &mut card)?;
            assert_eq!(channel.protocol(), protocol, "{firmware}");
            card.sent.clear();
            let initialize = command::initialize_device([0x00, 0x01], PIN, b"57621880", &[]);
            assert_eq!(channel.transmit(&mut card, &initialize)?, [0x90, 0x00]);
            assert_eq!(channel.transmit(&mut card, &command::verify(PIN))?, [0x90, 0x00]);
            let state = [0x00, 0x20, 0x00, 0x81];
            assert_eq!(channel.transmit(&mut card, &state)?, [0x90, 0x00], "logged in");
            assert!(card.sent.iter().all(|command| matches!(command[..], [0x0C | 0x8C, ..])));
            let hides = |part: &[u8]| {
                !card.sent.iter().any(|sent| sent.windows(part.len()).any(|at| at == part))
            };
            assert!(hides(PIN.as_bytes()), "{firmware}");

            channel.applet_was_selected();
            card.begin()?;
            assert_eq!(channel.transmit(&mut card, &state)?, [0x63, 0xC3], "begun anew");
            channel.card_was_reset();
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
    fn a_response_that_was_changed_on_the_way_is_refused() -> Result<(), Box<dyn std::error::Error>>
    {
        let broken = |mut response: Vec<u8>| {
            let middle = response.len() / 2;
            response.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
            response
        };
        // The choice of the protocol gets a response first, and then with the token.
        for (changes_from, change, told) in [
            (1, broken as fn(Vec<u8>) -> Vec<u8>, ""),
            (1, |_| vec![0x69, 0x85], "refuses a channel with 6985"),
            (0, |_| vec![0x6A, 0x86], "refuses a channel with 6A86"),
            (0, |_| vec![0x6A, 0x80], "neither AES-128 nor 3DES"),
        ] {
            let (mut card, device) = between("3.4", changes_from, change)?;
            let error = SecureMessaging::open(device, &mut card).err().ok_or("opened")?;
            assert!(error.to_string().contains(told), "{error:?} without {told:?}");
        }
        let (_, other) = between("3.4", 0, |response| response)?;
        let profile = Profile::built_in("3.4").ok_or("no such firmware")?;
        let mut another = Card::new(&PersonalisationData::default(), profile, [8; 32])?;
        another.begin()?;
        let error = SecureMessaging::open(other, &mut another).err().ok_or("opened")?.to_string();
        assert!(error.contains("does not have the key that its certificate is for"), "{error}");

        for (change, told) in [
            (broken as fn(Vec<u8>) -> Vec<u8>, "the MAC of a response is wrong"),
            (|_| vec![0x90, 0x00], "unprotected response 9000"),
            (|_| vec![0x69, 0x88], "unprotected response 6988"),
        ] {
            let (mut card, device) = between("3.4", 2, change)?;
            let mut channel = SecureMessaging::open(device, &mut card)?;
            let response = channel.transmit(&mut card, &[0x00, 0x84, 0x00, 0x00, 0x08]);
            assert!(
                response.as_ref().is_err_and(|error| error.to_string().contains(told)),
                "{response:?}"
            );
        }
        Ok(())
    }
}
