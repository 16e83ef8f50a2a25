//! A card whose every response is checked.

use crate::test_card::TestResponse;
use vschsm_card::Card;
use vschsm_card::state::{Pin, State};
use vschsm_host::{Transport, TransportError};

/// The seed of every card that is taken up.
const SEED: [u8; 32] = [0xA5; 32];

/// Status words of commands that may have changed the card.
const DONE: [u16; 3] = [0x9000, 0x9001, 0x6282];

/// CHANGE REFERENCE DATA, RESET RETRY COUNTER and INITIALIZE DEVICE: a PIN comes with more that may
/// be wrong, and the right one gives its tries back whatever becomes of the rest.
const PIN_AND_MORE: [u8; 3] = [0x24, 0x2C, 0x50];

/// A card, and its image as it was before the next command. Whenever it has got power or been reset
/// its applet is selected, so that few inputs end at the card manager.
#[derive(Debug)]
pub(super) struct Watched {
    card: Card,
    image: Vec<u8>,
}

impl Watched {
    /// The card of an image.
    ///
    /// # Panics
    ///
    /// If the image does not load.
    pub(super) fn load(image: &[u8]) -> Self {
        let card = Card::load(image, SEED).unwrap_or_else(|error| panic!("the image {error}"));
        Self::from(card)
    }

    /// The card itself.
    pub(super) fn card(&self) -> &Card {
        &self.card
    }

    /// Sends a command in plain.
    pub(super) fn transmit(&mut self, apdu: &[u8]) -> TestResponse {
        self.ask(apdu, TestResponse::parse)
    }

    /// Sends a command; `open` says what the response means.
    ///
    /// # Panics
    ///
    /// If what holds for every command does not.
    pub(super) fn ask(
        &mut self,
        apdu: &[u8],
        open: impl FnOnce(&[u8]) -> TestResponse,
    ) -> TestResponse {
        let (tries, used) = (tries(self.card.state()), self.card.state().used());
        let outcome = self.card.transmit(apdu);
        let response = open(&outcome.response);
        let image = self.card.image();
        let (state, status) = (self.card.state(), response.status);
        if !outcome.changed {
            assert!(image == self.image, "{status:04X} to {apdu:02X?} has changed the image");
        }
        if !DONE.contains(&status) {
            let same = kept(&image).eq(kept(&self.image));
            assert!(same, "{status:04X} to {apdu:02X?} has changed more than it may");
            let back = tries.iter().zip(self::tries(state)).any(|(before, now)| now > *before);
            let may_be_right = apdu.get(1).is_some_and(|ins| PIN_AND_MORE.contains(ins))
                && !matches!(status, 0x63C0..=0x63CF | 0x6983);
            assert!(!back || may_be_right, "{status:04X} to {apdu:02X?} has given tries back");
        }
        let room = self.card.profile().memory().max(used);
        assert!(
            state.used() <= room,
            "{status:04X} to {apdu:02X?} has filled more than the memory"
        );
        self.image = image;
        response
    }

    /// Resets the card and selects the applet, which changes nothing that the card keeps.
    ///
    /// # Panics
    ///
    /// If it does, or the card does not select the applet.
    pub(super) fn reset(&mut self) {
        self.card.begin().unwrap_or_else(|error| panic!("{error}"));
        assert!(self.card.image() == self.image, "a reset has changed the image");
    }

    /// The card as its image has it.
    ///
    /// # Panics
    ///
    /// If that is another one.
    #[must_use]
    pub(super) fn restarted(self) -> Self {
        let card = Self::load(&self.image);
        assert!(card.image == self.image, "a card is not what its image says");
        card
    }
}

impl From<Card> for Watched {
    fn from(card: Card) -> Self {
        let image = card.image();
        let mut watched = Self { card, image };
        watched.reset();
        watched
    }
}

impl Transport for Watched {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let TestResponse { mut data, status } = Self::transmit(self, command);
        data.extend(status.to_be_bytes());
        Ok(data)
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        Self::reset(self);
        Ok(())
    }
}

/// The lines of an image but for those that a wrong PIN changes, or a use of a key that fails.
fn kept(image: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = image.split(|byte| *byte == b'\n').skip(1).map(<[u8]>::trim_ascii);
    let may_change =
        |line: &&[u8]| line.starts_with(b"\"tries\": ") || line.starts_with(b"\"uses\": ");
    lines.filter(move |line| !may_change(line))
}

fn tries(state: &State) -> [Option<u8>; 2] {
    [state.pins().user(), state.pins().so_pin()].map(|pin| pin.map(Pin::tries))
}
