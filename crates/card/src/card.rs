//! The card: power, reset, and one APDU after the other, each with all its effects or none.

use crate::card_manager;
use crate::commands;
use crate::context::Context;
use crate::image::{self, ImageEnd, ImageError};
use crate::personalisation::{self, PersonalisationData, PersonalisationError};
use crate::profile::Profile;
use crate::randomness::{Purpose, Randomness};
use crate::request;
use crate::session::Session;
use crate::state::{KeyId, SetTriesError, State, TrackedState};
use alloc::sync::Arc;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::secure_messaging::{self, ResponseProtection};
use vschsm_protocol::transport::{Transport, TransportError};
use zeroize::Zeroizing;

/// A SmartCard-HSM.
#[derive(Debug)]
pub struct Card {
    profile: Arc<Profile>,
    state: TrackedState,
    session: Session,
    randomness: Randomness,
}

/// The result of one command APDU.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a changed card must be saved before the response is sent"]
#[non_exhaustive]
pub struct Outcome {
    /// The response APDU.
    pub response: Vec<u8>,
    /// Whether the card must be saved before the response is sent: a [record](Card::record) of what
    /// has changed, or a new [image](Card::image).
    ///
    /// Every comparison of a PIN sets it, right or wrong: if only a wrong PIN were saved, the time
    /// of the save would reveal the result before the spent try is on disk.
    pub changed: bool,
}

impl Card {
    /// Creates a card as delivered, not initialised yet.
    ///
    /// All randomness comes from `seed`: the same data, profile and seed create the same card. Each
    /// purpose has a stream of its own, so that an additional signature, for instance, does not
    /// change the keys that are generated after it.
    ///
    /// # Errors
    /// [`PersonalisationError::SerialWithChain`] if `data` has both a serial number and a chain.
    ///
    /// ```
    /// use vschsm_card::Card;
    /// use vschsm_card::personalisation::PersonalisationData;
    /// use vschsm_card::profile::Profile;
    ///
    /// let firmware = Profile::built_in("2.6").ok_or("no such firmware")?;
    /// let serial = Some("ZZVS0000001".parse()?);
    /// let data = PersonalisationData { serial, ..Default::default() };
    /// let card = Card::new(&data, firmware, [7; 32])?;
    /// assert_eq!(card.state().device().serial(), b"ZZVS0000001");
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn new(
        data: &PersonalisationData,
        profile: Profile,
        seed: [u8; 32],
    ) -> Result<Self, PersonalisationError> {
        let mut randomness = Randomness::new(seed);
        let stream = randomness.stream(Purpose::Personalisation);
        let state = personalisation::personalise(data, stream)?;
        Ok(Self::with(profile, state, randomness))
    }

    /// Loads a card from its [`image`](Self::image), and [records](Self::record) that may follow
    /// it. A last record that was not stored completely is as if it were not there.
    ///
    /// `seed` must be fresh randomness; for a seed that is used several times see
    /// [`start_stream`](Self::start_stream).
    ///
    /// # Errors
    /// [`ImageError`] if the bytes are not a complete, unchanged image of a known format with its
    /// records.
    pub fn load(image: &[u8], seed: [u8; 32]) -> Result<Self, ImageError> {
        let (profile, state) = image::decode(image)?;
        Ok(Self::with(profile, state, Randomness::new(seed)))
    }

    fn with(profile: Profile, state: State, randomness: Randomness) -> Self {
        let (profile, state) = (Arc::new(profile), TrackedState::new(state));
        Self { profile, state, session: Session::in_card_manager(), randomness }
    }

    /// Takes randomness from the next streams of `seed`.
    ///
    /// The stream depends on the device key and on a counter in the image, so that no two cards use
    /// the same stream, nor one card twice, except a copy of the image. Save the image before the
    /// first command.
    pub fn start_stream(&mut self, seed: [u8; 32]) {
        self.state.begin();
        self.state.begin_stream();
        self.state.end();
        let stream = Sha256::new()
            .chain_update(seed)
            .chain_update(self.state.streams.to_be_bytes())
            .chain_update(self.state.device.key().public_point())
            .finalize();
        self.randomness = Randomness::new(stream.into());
    }

    /// Makes the card generate strong AES keys, even if genuine cards with its firmware generate
    /// weak ones. The image does not contain this setting.
    pub fn use_strong_aes_keys(&mut self) {
        self.profile = Arc::new(Profile::clone(&self.profile).with_strong_aes_keys(true));
    }

    /// The card as bytes, to be saved and [loaded](Self::load).
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        image::encode(&self.profile, &self.state)
    }

    /// What the last command has changed, as a record to be appended to a saved card that ends with
    /// `end`, and the end from then on. The saved card must be this one as it was before the
    /// command, or before [`start_stream`](Self::start_stream) or [`set_tries`](Self::set_tries).
    ///
    /// `None` if the card must be saved as a new [`image`](Self::image): after INITIALIZE DEVICE,
    /// and after an update of the firmware.
    ///
    /// ```
    /// use vschsm_card::Card;
    /// use vschsm_card::image::ImageEnd;
    /// use vschsm_card::personalisation::PersonalisationData;
    /// use vschsm_card::profile::{DEFAULT, Profile};
    ///
    /// let firmware = Profile::built_in(DEFAULT).ok_or("no such firmware")?;
    /// let mut card = Card::new(&PersonalisationData::default(), firmware, [0; 32])?;
    /// let mut saved = card.image();
    /// card.start_stream([1; 32]);
    /// let end = ImageEnd::of(&saved).ok_or("no record can follow")?;
    /// let (record, _) = card.record(end).ok_or("no image is needed for that")?;
    /// saved.extend_from_slice(&record);
    /// assert_eq!(Card::load(&saved, [2; 32])?.image(), card.image());
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn record(&self, end: ImageEnd) -> Option<(Zeroizing<Vec<u8>>, ImageEnd)> {
        image::record(&self.state, end)
    }

    /// The answer to reset, 24 bytes on the firmwares that are built in.
    #[must_use]
    pub fn atr(&self) -> &[u8] {
        self.profile.atr()
    }

    /// The firmware.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What the card keeps.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// A CV certificate request for a key pair of the card: 67 { 7F21, 42, 5F37 }.
    ///
    /// The one in EF CE`id` if it is for this key. Otherwise one like those of GENERATE ASYMMETRIC
    /// KEY PAIR, without CAR, whose CHR is the card's serial number and the key's number in five
    /// digits. No use of a counted key is spent. `None` if there is no such key pair.
    #[must_use]
    pub fn certificate_request(&self, id: KeyId) -> Option<Vec<u8>> {
        request::of_key(&self.state, id)
    }

    /// Sets the retry counters of the user PIN and of the SO-PIN, which no command can do: for
    /// tests of clients with a PIN that has few tries left, or is blocked. Save the image before
    /// the next command.
    ///
    /// # Errors
    /// [`SetTriesError`] if there is no such PIN, or if it never has that many tries; then nothing
    /// has changed.
    pub fn set_tries(&mut self, user: Option<u8>, code: Option<u8>) -> Result<(), SetTriesError> {
        let mut pins = self.state.pins.clone();
        if let Some(tries) = user {
            pins.user.as_mut().ok_or(SetTriesError::NoUserPin)?.set_tries(tries)?;
        }
        if let Some(tries) = code {
            let code = pins.so_pin.as_mut();
            code.ok_or(SetTriesError::NoSoPin)?.set_tries(tries)?;
        }
        self.state.begin();
        *self.state.pins_mut() = pins;
        self.state.end();
        Ok(())
    }

    /// Power on, power off or reset: ends the session, and selects the card manager until SELECT of
    /// the applet.
    pub fn reset(&mut self) {
        self.session = Session::in_card_manager();
    }

    /// Executes one command APDU, and returns the response APDU.
    ///
    /// A command that fails leaves the card as it was, except for PIN tries, and for the use of a
    /// counted key, which is spent when the private operation has run.
    pub fn transmit(&mut self, apdu: &[u8]) -> Outcome {
        self.state.begin();
        let firmware = self.profile.clone();
        let current = self.session.current;
        let (result, protection) = match self.receive(apdu) {
            Ok((command, protection)) => (self.execute(&command), protection),
            Err(status) => (Err(status), None),
        };
        let result = result.and_then(|response| self.within_memory(response));
        let result = result.and_then(|response| match &protection {
            Some(protection) => protection.fits(response),
            None => Ok(response),
        });
        let changed = !self.state.changed().is_empty();
        let response = result.unwrap_or_else(|status| {
            // The file that would have become the current EF may not exist.
            self.session.current = self.session.current.and(current);
            if changed {
                self.state.fail();
                self.profile = firmware;
            }
            status.into()
        });
        self.state.end();
        let response = match protection {
            Some(protection) => protection.protect(&response),
            None => response,
        };
        Outcome { response: response.encode(), changed }
    }

    /// Parses an APDU, and gives the plain command in a protected one. Whatever comes without
    /// protection, or with a wrong MAC, ends secure messaging.
    ///
    /// Source: the vendor's note of release 2.1 for commands; for the rest a guess.
    fn receive(&mut self, apdu: &[u8]) -> Result<(Command, Option<ResponseProtection>), Status> {
        let fits = apdu.len() <= self.profile.max_command();
        let command = if fits { Command::parse(apdu) } else { Err(Status::WRONG_LENGTH) };
        if self.session.card_manager.is_some() {
            return command.map(|command| (command, None));
        }
        let channel = self.session.channel.as_mut();
        let received = command.and_then(|command| secure_messaging::unprotect(channel, command));
        if !matches!(received, Ok((_, Some(_)))) {
            self.session.end_channel(self.profile.behaviour().login_ends_with_channel);
        }
        received
    }

    fn execute(&mut self, command: &Command) -> Result<Response, Status> {
        let Self { profile, state, session, randomness } = self;
        if let Some(session) = session.card_manager.as_deref_mut()
            && !commands::selects_application(command)
        {
            let cx = &mut card_manager::CardManagerContext { profile, state, session, randomness };
            return card_manager::dispatch(cx, command);
        }
        commands::dispatch(&mut Context { profile, state, session, randomness }, command)
    }

    /// `6A84` if the result of a command does not fit into the memory.
    ///
    /// Objects can still be deleted from a card that has more than its firmware allows.
    fn within_memory(&self, response: Response) -> Result<Response, Status> {
        if self.state.fits(self.profile.memory()) {
            Ok(response)
        } else {
            Err(Status::NOT_ENOUGH_MEMORY)
        }
    }
}

/// A card in this process, which nobody saves: [`Outcome::changed`] is not looked at.
impl Transport for Card {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        Ok(Self::transmit(self, command).response)
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        Self::reset(self);
        Ok(())
    }
}
