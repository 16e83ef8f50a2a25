//! The power is cut at every operation of every save: the card is the old one or the new one, and
//! what was answered is there.
//!
//! Every vector is played through a slot to a card in a file. Beneath the real saving code a disk
//! notes each operation, and what a disk might have kept if the power had gone then: of what was
//! not synced, names may have come in any order or not at all, and contents be empty, cut short,
//! zeros or whole.

#![expect(clippy::panic, reason = "a panic is how a test fails")]

mod recorder;

use super::layer::Layer;
use super::persistent::Persistent;
use super::slot::Slot;
use crate::faults::Script;
use crate::process::seed::Seed;
use crate::store::disk::{CardFile, Durability, Operations};
use crate::store::encryption::{Cost, Seal};
use crate::store::image_file::Kept;
use recorder::{Recorder, Survivor};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use vschsm_card::Card;
use vschsm_card::issuer::Update;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::{DEFAULT, Profile};
use vschsm_host::{Transport, TransportError};
use vschsm_vectors::{BUILT_IN, Vector};

/// At least so many power cuts are survived by a run of these tests.
const CUTS: usize = 100_000;

/// A card in a file on a disk whose power fails.
struct Station {
    folder: TempDir,
    recorder: Arc<Recorder>,
    slot: Slot,
    /// What opens the file, if the card is under a passphrase.
    seal: Option<Seal>,
    cuts: usize,
}

/// The seal of the cards that have one.
fn seal() -> Seal {
    Seal::with("correct horse", Cost::LEAST, [5; 16], Seed::from("a test"))
}

impl Station {
    /// A new card of that firmware; the power has been cut at every operation of its creation.
    fn new(firmware: &str) -> Self {
        Self::with(firmware, None)
    }

    /// The same, of a card under a passphrase.
    fn sealed(firmware: &str) -> Self {
        Self::with(firmware, Some(seal()))
    }

    fn with(firmware: &str, mut seal: Option<Seal>) -> Self {
        let profile = Profile::built_in(firmware).expect("it is built in");
        let card =
            Card::new(&PersonalisationData::default(), profile, [7; 32]).expect("the default data");
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("a.card");
        let recorder = Arc::new(Recorder::default());
        let disk: Arc<dyn Operations> = recorder.clone();
        let content = match &mut seal {
            Some(seal) => seal.seal(&card.image()),
            None => card.image(),
        };
        let file = CardFile::create_by(disk, &path, &content, Durability::Full);
        let Ok(file) = file else { panic!("the card is not made") };
        let opening = seal.as_ref().map(|_| self::seal());
        let card = Persistent::new(card, Box::new(Kept::of(file, seal)));
        let slot = Slot::new(card, Script::default(), None);
        let mut station = Self { folder, recorder, slot, seal: opening, cuts: 0 };
        station.survive(None, "its creation");
        station.begin().expect("the applet is selected");
        station
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("a.card")
    }

    /// The image in what is left of a file; what is under the seal and does not open is none.
    fn image(&self, content: Vec<u8>) -> Vec<u8> {
        match &self.seal {
            Some(seal) => seal.open(&content).map(|image| image.to_vec()).unwrap_or_default(),
            None => content,
        }
    }

    /// Checks what is left of each power cut since the last check: `before`, none if there was no
    /// card then, until the new image is complete, and that alone from the answer on.
    fn survive(&mut self, before: Option<&[u8]>, what: &str) {
        let after = self.slot.card().image();
        let survivors = self.recorder.take_survivors(&self.path());
        let count = survivors.len();
        for (number, Survivor { content, is_last }) in survivors.into_iter().enumerate() {
            let content = content.map(|content| self.image(content));
            let is_old = content.as_deref() == before;
            let is_new = content.as_deref() == Some(after.as_slice());
            assert!(is_new || (is_old && !is_last), "{what}: cut {number} of {count}");
        }
        self.cuts += count;
    }
}

impl Transport for Station {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let kept = |station: &Self| -> Result<Vec<u8>, TransportError> {
            let content = fs::read(station.path()).map_err(TransportError::failed)?;
            Ok(station.image(content))
        };
        let before = kept(self)?;
        let response = Layer::transmit(&mut self.slot, command)
            .map_err(|_| TransportError::failed("no response"))?;
        self.survive(Some(&before), &format!("{:02X?}", command.get(..4)));
        // What no save has kept is none of the card's, answered or not.
        if kept(self)? != self.slot.card().image() {
            let sentence = format!("{command:02X?} is answered and not kept");
            return Err(TransportError::failed(sentence));
        }
        Ok(response)
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        Layer::reset(&mut self.slot, "RESET");
        Ok(())
    }
}

/// The newest firmware that a vector is for, or the default one.
fn firmware_for(vector: &Vector) -> &'static str {
    let newest = vector.firmwares.last().expect("it is for some firmware");
    if vector.firmwares.contains(&DEFAULT) { DEFAULT } else { newest }
}

#[test]
fn a_power_cut_at_any_operation_of_any_change_leaves_the_old_card_or_the_new_one() {
    let mut cuts = 0;
    for (name, text) in BUILT_IN {
        let vector = Vector::parse(text).expect("a test parses every vector");
        let firmware = firmware_for(&vector);
        let mut station = Station::new(firmware);
        let played = vector.card.prepare(&mut station);
        let played = played.and_then(|()| vector.run(firmware, &mut station));
        played.unwrap_or_else(|trouble| panic!("{name} on {firmware}: {trouble:?}"));
        cuts += station.cuts;
    }
    println!("{cuts} power cuts survived, by {} vectors", BUILT_IN.len());
    assert!(cuts >= CUTS, "only {cuts} power cuts");
}

#[test]
fn a_power_cut_at_any_operation_of_an_update_leaves_the_old_card_or_the_new_one() {
    let mut station = Station::new("3.1");
    let created = station.cuts;
    let firmware = Profile::built_in("3.4").expect("it is built in");
    let mut update = Update::new(&firmware, None, [7; 8]).expect("it is short");
    let mut next = Some(update.first());
    while let Some(command) = next {
        let response = Transport::transmit(&mut station, &command).expect("an answer");
        next = update.next(&response).expect("it is taken");
    }
    assert_eq!(station.slot.card().profile().name(), "3.4");
    assert!(station.cuts > created, "{} power cuts", station.cuts - created);
}

/// The same of a card under a passphrase, by the vectors of some commands.
#[test]
fn a_power_cut_at_any_operation_leaves_a_sealed_card_that_opens_with_the_same_passphrase() {
    let mut cuts = 0;
    let commands = ["initialize_device/", "verify/", "update_binary/", "unwrap_key/"];
    let chosen = BUILT_IN.iter().filter(|(name, _)| commands.iter().any(|c| name.starts_with(c)));
    for (name, text) in chosen {
        let vector = Vector::parse(text).expect("a test parses every vector");
        let firmware = firmware_for(&vector);
        let mut station = Station::sealed(firmware);
        let played = vector.card.prepare(&mut station);
        let played = played.and_then(|()| vector.run(firmware, &mut station));
        played.unwrap_or_else(|trouble| panic!("{name} on {firmware}: {trouble:?}"));
        cuts += station.cuts;
    }
    println!("{cuts} power cuts survived by sealed cards");
    assert!(cuts >= CUTS / 20, "only {cuts} power cuts");
}

/// Whatever a power cut leaves in the folder, the next program opens the card and saves it.
#[test]
fn a_card_that_has_lost_its_power_is_opened_and_saved_again() {
    let mut station = Station::new("3.4");
    let before = fs::read(station.path()).expect("the card");
    let initialize = vschsm_vectors::initialize([0x00, 0x01], &[]);
    assert_eq!(Layer::transmit(&mut station.slot, &initialize).ok(), Some(vec![0x90, 0x00]));
    let after = station.slot.card().image();
    let folders = station.recorder.folders();
    assert!(folders.len() > 10, "{} folders", folders.len());
    for files in folders {
        let folder = TempDir::new().expect("a folder");
        for (path, content) in &files {
            let name = Path::new(path).file_name().expect("a name");
            fs::write(folder.path().join(name), content).expect("a file");
        }
        let path = folder.path().join("a.card");
        let opened = CardFile::open(&path, Durability::Full);
        let Ok((mut file, image)) = opened else { panic!("{files:?} is not opened") };
        assert!(image == before || image == after);
        let card = Card::load(&image, [1; 32]).expect("a card");
        assert!(file.save(&card.image()).is_ok());
        let left = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 1, "what was left behind is removed");
    }
}

/// A disk that fails: the answer does not come, and the file has the card of the last one that did.
/// Once the disk works again, what could not be saved is.
#[test]
fn a_disk_that_fails_at_any_operation_leaves_the_card_of_the_last_answer_or_the_new_one() {
    let login = vschsm_vectors::initialize([0x00, 0x01], &[]);
    for operation in 0.. {
        let mut station = Station::new("3.4");
        let before = fs::read(station.path()).expect("the card");
        station.recorder.fail_at(operation);
        let answered = Layer::transmit(&mut station.slot, &login).is_ok();
        let left = fs::read(station.path()).expect("the card");
        let after = station.slot.card().image();
        if !station.recorder.has_failed() {
            assert!(operation >= 5, "a save has only {operation} operations");
            break;
        }
        let is_new = left == after;
        assert!(is_new || (!answered && left == before), "operation {operation}");
        assert_eq!(station.slot.is_unsaved(), !answered, "operation {operation}");

        station.recorder.mend();
        assert!(station.slot.save().is_ok(), "operation {operation}");
        assert!(!station.slot.is_unsaved());
        assert!(fs::read(station.path()).expect("the card") == after, "operation {operation}");
        let left = fs::read_dir(station.folder.path()).expect("the folder").count();
        assert_eq!(left, 1, "operation {operation}");
    }
}
