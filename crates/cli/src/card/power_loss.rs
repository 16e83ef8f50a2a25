//! The power is cut at every operation of every save: the card is the old one or the new one, and
//! the effect of every command with a response is there.
//!
//! Every vector is run with a virtual card in a file. Beneath the real saving code a disk records
//! each operation, and what a disk might have stored if the power had been cut then: of what was
//! not synced, names may have been stored in any order or not at all, and contents be empty,
//! truncated, zeros or whole.

#![expect(clippy::panic, reason = "a panic is how a test fails")]

mod recorder;

use super::layer::Layer;
use super::persistent::Persistent;
use super::virtual_card::VirtualCard;
use crate::faults::Script;
use crate::process::seed::Seed;
use crate::store::disk::{CardFile, Durability, Operations};
use crate::store::encryption::{Cost, FileCipher};
use crate::store::image_file::ImageFile;
use recorder::{Recorder, Survivor};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use vschsm_card::Card;
use vschsm_card::personalisation::PersonalisationData;
use vschsm_card::profile::{DEFAULT, Profile};
use vschsm_host::update::{Update, package};
use vschsm_host::{Transport, TransportError};
use vschsm_vectors::{BUILT_IN, Vector};

/// At least so many power cuts are survived by a run of these tests.
const CUTS: usize = 100_000;

/// A card in a file on a disk whose power fails.
struct Station {
    folder: TempDir,
    recorder: Arc<Recorder>,
    card: VirtualCard,
    /// What decrypts the file, if the card is encrypted.
    cipher: Option<FileCipher>,
    cuts: usize,
}

/// The cipher of encrypted cards.
fn cipher() -> FileCipher {
    FileCipher::with("correct horse", Cost::LEAST, [5; 16], Seed::from("a test"))
}

impl Station {
    /// A new card of that firmware; the power has been cut at every operation of its creation.
    fn new(firmware: &str) -> Self {
        Self::with(firmware, None)
    }

    /// The same, of an encrypted card.
    fn encrypted(firmware: &str) -> Self {
        Self::with(firmware, Some(cipher()))
    }

    fn with(firmware: &str, mut cipher: Option<FileCipher>) -> Self {
        let profile = Profile::built_in(firmware).expect("it is built in");
        let card =
            Card::new(&PersonalisationData::default(), profile, [7; 32]).expect("the default data");
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("a.card");
        let recorder = Arc::new(Recorder::default());
        let disk: Arc<dyn Operations> = recorder.clone();
        let content = match &mut cipher {
            Some(cipher) => cipher.encrypt(&card.image()),
            None => card.image(),
        };
        let file = CardFile::create_by(disk, &path, &content, Durability::Full);
        let Ok(file) = file else { panic!("the card is not made") };
        let decrypting = cipher.as_ref().map(|_| self::cipher());
        let file = ImageFile::of(file, cipher, &content, &card.image());
        let card = Persistent::new(card, Box::new(file));
        let card = VirtualCard::new(card, Script::default(), None);
        let mut station = Self { folder, recorder, card, cipher: decrypting, cuts: 0 };
        station.survive(None, "its creation");
        station.begin().expect("the applet is selected");
        station
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("a.card")
    }

    /// The image of the card in what is left of a file; empty if that is no card.
    fn image(&self, content: Vec<u8>) -> Vec<u8> {
        let saved = match &self.cipher {
            Some(cipher) => {
                cipher.decrypt(&content).map(|image| image.to_vec()).unwrap_or_default()
            }
            None => content,
        };
        self::image(&saved)
    }

    /// Checks what is left of each power cut since the last check: `before`, none if there was no
    /// card then, until the new image is complete, and that alone from the response on.
    fn survive(&mut self, before: Option<&[u8]>, what: &str) {
        let after = self.card.card().image();
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

/// The image of a saved card, with its records; empty if it is none.
fn image(saved: &[u8]) -> Vec<u8> {
    Card::load(saved, [1; 32]).map(|card| card.image()).unwrap_or_default()
}

impl Transport for Station {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let stored = |station: &Self| -> Result<Vec<u8>, TransportError> {
            let content = fs::read(station.path()).map_err(TransportError::failed)?;
            Ok(station.image(content))
        };
        let before = stored(self)?;
        let response = Layer::transmit(&mut self.card, command)
            .map_err(|_| TransportError::failed("no response"))?;
        self.survive(Some(&before), &format!("{:02X?}", command.get(..4)));
        // The card has no state that was not saved, with a response or not.
        if stored(self)? != self.card.card().image() {
            let sentence = format!("{command:02X?} has a response and was not saved");
            return Err(TransportError::failed(sentence));
        }
        Ok(response)
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        Layer::reset(&mut self.card, "RESET");
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
    let package = package(firmware.version(), firmware.source()).expect("it is short");
    let mut update = Update::new(&package, None, [7; 8]);
    let mut next = Some(update.first());
    while let Some(command) = next {
        let response = Transport::transmit(&mut station, &command).expect("a response");
        next = update.next(&response).expect("it is taken");
    }
    assert_eq!(station.card.card().profile().name(), "3.4");
    assert!(station.cuts > created, "{} power cuts", station.cuts - created);
}

/// The same with an encrypted card, by the vectors of some commands.
#[test]
fn a_power_cut_at_any_operation_leaves_an_encrypted_card_that_opens_with_the_same_passphrase() {
    let mut cuts = 0;
    let commands = ["initialize_device/", "verify/", "update_binary/", "unwrap_key/"];
    let chosen = BUILT_IN.iter().filter(|(name, _)| commands.iter().any(|c| name.starts_with(c)));
    for (name, text) in chosen {
        let vector = Vector::parse(text).expect("a test parses every vector");
        let firmware = firmware_for(&vector);
        let mut station = Station::encrypted(firmware);
        let played = vector.card.prepare(&mut station);
        let played = played.and_then(|()| vector.run(firmware, &mut station));
        played.unwrap_or_else(|trouble| panic!("{name} on {firmware}: {trouble:?}"));
        cuts += station.cuts;
    }
    println!("{cuts} power cuts survived by encrypted cards");
    assert!(cuts >= CUTS / 20, "only {cuts} power cuts");
}

/// Whatever a power cut leaves in the folder, the next program opens the card and saves it.
#[test]
fn a_card_that_has_lost_its_power_is_opened_and_saved_again() {
    let mut station = Station::new("3.4");
    let before = fs::read(station.path()).expect("the card");
    let initialize = vschsm_vectors::initialize([0x00, 0x01], &[]);
    assert_eq!(Layer::transmit(&mut station.card, &initialize).ok(), Some(vec![0x90, 0x00]));
    let after = station.card.card().image();
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
        let card = Card::load(&image, [1; 32]).expect("a card");
        let image = card.image();
        assert!(image == before || image == after);
        assert!(file.save(&card.image()).is_ok());
        let left = fs::read_dir(folder.path()).expect("the folder").count();
        assert_eq!(left, 1, "what was left behind is removed");
    }
}

/// A disk that fails: there is no response, and the file has the card of the last response.
/// Once the disk works again, what could not be saved is.
#[test]
fn a_disk_that_fails_at_any_operation_leaves_the_card_of_the_last_response_or_the_new_one() {
    let login = vschsm_vectors::initialize([0x00, 0x01], &[]);
    for operation in 0.. {
        let mut station = Station::new("3.4");
        let before = fs::read(station.path()).expect("the card");
        station.recorder.fail_at(operation);
        let responded = Layer::transmit(&mut station.card, &login).is_ok();
        let left = image(&fs::read(station.path()).expect("the card"));
        let after = station.card.card().image();
        if !station.recorder.has_failed() {
            assert!(operation >= 5, "a save has only {operation} operations");
            break;
        }
        let is_new = left == after;
        assert!(is_new || (!responded && left == before), "operation {operation}");
        assert_eq!(station.card.is_unsaved(), !responded, "operation {operation}");

        station.recorder.mend();
        assert!(station.card.save().is_ok(), "operation {operation}");
        assert!(!station.card.is_unsaved());
        let left = image(&fs::read(station.path()).expect("the card"));
        assert!(left == after, "operation {operation}");
        let left = fs::read_dir(station.folder.path()).expect("the folder").count();
        assert_eq!(left, 1, "operation {operation}");
    }
}

/// A compaction that fails at any operation costs nothing: records follow what the file has.
#[test]
fn a_compaction_that_fails_leaves_a_file_that_takes_more_records() {
    let initialize = vschsm_vectors::initialize([0x00, 0x01], &[]);
    let mut update = vec![0x00, 0xD7, 0xCF, 0x01, 0x00, 0x03, 0xEC, 0x54, 0x02, 0x00, 0x00];
    update.extend([[0x53, 0x82, 0x03, 0xE4].as_slice(), &[0xA5; 996]].concat());
    for operation in 0.. {
        let mut station = Station::new("3.4");
        let transmit = |station: &mut Station, apdu: &[u8]| {
            // What might be left of the file is not looked at.
            drop(station.recorder.folders());
            assert_eq!(Layer::transmit(&mut station.card, apdu).ok(), Some(vec![0x90, 0x00]));
        };
        transmit(&mut station, &initialize);
        while !station.card.is_outgrown() {
            transmit(&mut station, &update);
        }
        station.recorder.fail_at(operation);
        station.card.compact();
        if !station.recorder.has_failed() {
            assert!(operation >= 5, "a compaction has only {operation} operations");
            break;
        }
        station.recorder.mend();
        assert!(!station.card.is_outgrown(), "it is not tried again at once");
        transmit(&mut station, &update);
        let left = image(&fs::read(station.path()).expect("the card"));
        assert!(left == station.card.card().image(), "operation {operation}");
    }
}
