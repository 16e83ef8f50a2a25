//! One card on the bench: the card, its disk, the hosts that talk to it, and the model of it.

use crate::known::{Known, same};
use crate::model::firmware::Firmware;
use crate::model::{Judgement, Model};
use crate::secrets::Secrets;
use vschsm_card::Card;
use vschsm_card::image::ImageEnd;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::Profile;
use vschsm_testing::global_platform_host::{ChannelLevel, HostChannel};
use vschsm_testing::secure_host::SecureHost;

/// A card and what is around it.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) card: Card,
    /// The image of the card as it was saved last.
    pub(crate) disk: Vec<u8>,
    /// What was saved of it.
    pub(crate) saved: Saved,
    pub(crate) model: Model,
    pub(crate) host: Host,
    pub(crate) secrets: Secrets,
}

/// A card's file: an image, and the records of changes behind it.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    file: Vec<u8>,
    end: ImageEnd,
}

/// Beyond this length the file gets a new image.
const LONGEST_FILE: usize = 32 << 10;

impl Saved {
    fn image(image: &[u8]) -> Self {
        let end = ImageEnd::of(image).expect("a record can follow a card's image");
        Self { file: image.to_vec(), end }
    }
}

/// Who talks to the card.
#[derive(Clone, Debug)]
pub(crate) enum Host {
    Plain,
    /// In secure messaging.
    Secure(SecureHost),
    /// The issuer, in the channel of the card manager.
    Issuer(HostChannel, ChannelLevel),
}

impl Bench {
    /// Card number `place` of a session.
    pub(crate) fn new(place: usize, firmware: Firmware, seed: u64, known: &mut Known) -> Self {
        let profile = Profile::built_in(firmware.name).expect("it is built in");
        let serial = format!("ZZVS{place:07}").parse().expect("it is a serial number");
        let order = PersonalisationData { serial: Some(serial), chain: None };
        let card = Card::new(&order, profile, wide(seed)).expect("the order is sound");
        let model = Model::delivered(firmware, card.state());
        known.note_certificates(&model.device.certificates);
        let disk = card.image();
        let saved = Saved::image(&disk);
        Self { card, disk, saved, model, host: Host::Plain, secrets: Secrets::default() }
    }

    /// Saves what the last command has changed.
    pub(crate) fn save(&mut self) {
        self.disk = self.card.image();
        let room = self.saved.file.len() < LONGEST_FILE;
        match self.card.record(self.saved.end).filter(|_| room) {
            Some((record, end)) => {
                self.saved.file.extend_from_slice(&record);
                self.saved.end = end;
            }
            None => self.saved = Saved::image(&self.disk),
        }
    }

    /// The power goes, and the card comes back as it is on the disk.
    pub(crate) fn restart(&mut self, seed: u64) -> Judgement {
        let card = Card::load(&self.saved.file, wide(seed));
        self.card = card.map_err(|error| format!("the image on the disk {error}"))?;
        self.model.reset();
        self.host = Host::Plain;
        same("the image of the card that was loaded", &self.disk, &self.card.image())
    }

    /// The reader resets the card.
    pub(crate) fn reset(&mut self) {
        self.card.reset();
        self.model.reset();
        self.host = Host::Plain;
    }

    /// A host whose channel the card has closed talks in plain from then on.
    pub(crate) fn close_host(&mut self) {
        let session = &self.model.session;
        let level = session.manager.as_ref().and_then(|manager| manager.level);
        let open = match &self.host {
            Host::Plain => true,
            Host::Secure(_) => session.channel,
            Host::Issuer(..) => level.is_some(),
        };
        if !open {
            self.host = Host::Plain;
        }
    }

    /// Whether the reset card is what a card is that has got its power back.
    pub(crate) fn compare_with_powered(&self) -> Judgement {
        let powered = Card::load(&self.disk, [0; 32]).map_err(|error| error.to_string())?;
        let [reset, powered] = [&self.card, &powered].map(|card| format!("{card:?}"));
        same("after a power cycle the card", powered.as_bytes(), reset.as_bytes())
    }
}

/// The seed of a card.
fn wide(seed: u64) -> [u8; 32] {
    let mut wide = [0; 32];
    wide[..8].copy_from_slice(&seed.to_be_bytes());
    wide
}
