//! `kill -9` at every moment of a command: what was answered is there, what was not is there whole
//! or not at all, and no PIN try comes back.

use crate::reader::{PATIENCE, Reader, Slot};
use crate::vschsm::{Home, LOGIN, Running, WRONG_PIN, hex, load, text};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

const ROUNDS: usize = 300;
const TRIES: u8 = 10;

/// When the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    CommandSent,
    /// The record of the change is there, or the first of it.
    RecordBegun,
    /// The whole card is saved in a new file.
    NewFileThere,
    NewFileWritten,
    NewFileRenamed,
    Answered,
}

/// The moments of a save; on a fast disk it may be over before its moment is noticed.
const SAVING: [Moment; 5] = [
    Moment::RecordBegun,
    Moment::NewFileThere,
    Moment::NewFileWritten,
    Moment::NewFileRenamed,
    Moment::Answered,
];

impl Moment {
    /// Whether it is one of saving a whole card, and not a record.
    fn is_of_image(self) -> bool {
        matches!(self, Self::NewFileThere | Self::NewFileWritten | Self::NewFileRenamed)
    }
}

/// What a power cut may leave of a record: the next save is of the whole card.
const CUT_RECORD: &[u8] = b"change 1";

/// UPDATE BINARY of CF00 far from its start: with so long a file a save takes its time.
const LONG_FILE: &str = "00D7CF00 07 5402EA60 5301AA";

/// What a card keeps, as far as these tests change it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    files: BTreeMap<u16, Vec<u8>>,
    keys: Vec<u8>,
    tries: u8,
}

impl Kept {
    fn in_file(path: &Path) -> Self {
        let card = load(path);
        let state = card.state();
        let files = state.files().iter().map(|file| (file.fid().0, file.content().to_vec()));
        Self {
            files: files.collect(),
            keys: state.keys().map(|(id, _)| id.number()).collect(),
            tries: state.pins().user().unwrap().tries(),
        }
    }
}

/// A command and what it makes of a card.
struct Step {
    apdu: Vec<u8>,
    after: Kept,
}

fn update(round: usize, before: &Kept) -> Step {
    let (fid, content) = (0xCF01 + (round % 8) as u16, [round as u8; 100]);
    let data = [[0x54, 0x02, 0x00, 0x00, 0x53, 100].as_slice(), &content].concat();
    let mut after = before.clone();
    after.files.insert(fid, content.to_vec());
    let header = [0x00, 0xD7, 0xCF, fid as u8, data.len() as u8];
    Step { apdu: [header.as_slice(), &data].concat(), after }
}

/// A key on secp256r1, its request returned and not stored.
fn generate(round: usize, before: &Kept) -> Step {
    const DATA: &str = "5F290100 4209555443413030303031 7F4982011D 060A04007F00070202020203 \
        8120FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF \
        8220FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC \
        83205AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B \
        8441046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296\
        4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5 \
        8520FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 \
        870101 5F20105A5A5653303030303030313030303031";
    let data = hex(&DATA.replace("82011D", "81DA"));
    let id = 1 + (round % 200) as u8;
    let mut after = before.clone();
    after.keys.push(id);
    after.keys.sort_unstable();
    after.keys.dedup();
    let [high, low] = (data.len() as u16).to_be_bytes();
    let header = [0x00, 0x46, id, 0x00, 0x00, high, low];
    Step { apdu: [header.as_slice(), &data, &[0x00, 0x00]].concat(), after }
}

fn wrong_pin(before: &Kept) -> Step {
    let after = Kept { tries: before.tries - 1, ..before.clone() };
    Step { apdu: hex(WRONG_PIN), after }
}

/// Sends the command and kills the process at `moment`, or when it has answered before; whether it
/// had answered.
fn kill(moment: Moment, step: &Step, path: &Path, slot: &mut Slot, card: &mut Running) -> bool {
    let (before, new) = (fs::metadata(path).unwrap(), path.with_file_name(".a.card.new"));
    slot.send(&step.apdu);
    let has_come = || match moment {
        Moment::CommandSent => true,
        Moment::RecordBegun => fs::metadata(path).unwrap().len() != before.len(),
        Moment::NewFileThere => new.exists(),
        Moment::NewFileWritten => new.metadata().is_ok_and(|file| file.len() > 0),
        Moment::NewFileRenamed => fs::metadata(path).unwrap().ino() != before.ino(),
        Moment::Answered => false,
    };
    let start = Instant::now();
    while !has_come() && !slot.is_answered() {
        assert!(start.elapsed() < PATIENCE, "neither {moment:?} nor an answer");
    }
    card.signal_kill();
    slot.answer().is_some()
}

#[test]
fn a_card_killed_at_any_moment_has_what_it_answered_and_gives_no_try_back() {
    let (home, reader) = (Home::new(), Reader::new());
    let path = home.card("a.card");
    home.run(&["apdu", "--select", "--card", text(&path), LOGIN, LONG_FILE]).ok();
    let (mut unanswered, mut images) = (0, 0);
    // Each moment for three rounds, so that each meets each command.
    let moments = SAVING
        .into_iter()
        .flat_map(|moment| [Moment::CommandSent, Moment::CommandSent, moment])
        .flat_map(|moment| [moment; 3])
        .cycle();
    for (round, moment) in (0..ROUNDS).zip(moments) {
        if moment.is_of_image() {
            let file = OpenOptions::new().append(true).open(&path);
            file.and_then(|mut file| file.write_all(CUT_RECORD)).unwrap();
        }
        let mut card = home.start(&["run", text(&path), "--vpcd", &reader.address()]);
        let mut slot = reader.accept();
        let mut before = Kept::in_file(&path);
        let step = match round % 3 {
            // Its first command is the one that saves the whole card.
            _ if moment.is_of_image() => wrong_pin(&before),
            0 | 1 => {
                assert_eq!(slot.ask(LOGIN), "9000");
                before.tries = TRIES;
                if round % 3 == 0 { update(round, &before) } else { generate(round, &before) }
            }
            _ => {
                assert_eq!(slot.ask(WRONG_PIN), format!("63C{:X}", before.tries - 1));
                before.tries -= 1;
                wrong_pin(&before)
            }
        };

        let answered = kill(moment, &step, &path, &mut slot, &mut card);

        let found = Kept::in_file(&path);
        let whole = found == step.after || !answered && found == before;
        assert!(whole, "round {round}, {moment:?}, answered: {answered}, found {found:?}");
        assert!(found.tries <= before.tries, "round {round}, {moment:?}");
        unanswered += usize::from(!answered);
        images += usize::from(!answered && moment.is_of_image());
    }
    println!("{unanswered} of {ROUNDS} killed with a command unanswered, {images} in an image");
    assert!(images * 10 >= ROUNDS, "only {images} were killed while the whole card was saved");
    assert!(unanswered * 2 >= ROUNDS, "only {unanswered} commands were unanswered");
    home.run(&["apdu", "--select", "--card", text(&path), LOGIN]).ok();
    let left: Vec<_> = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// Wrong PINs alone: no answer ever tells of more tries than the last one left.
#[test]
fn a_blocked_pin_cannot_be_put_off_by_killing_the_card() {
    let (home, reader) = (Home::new(), Reader::new());
    let path = home.card("a.card");
    let mut known = TRIES;
    for moment in [Moment::CommandSent, Moment::RecordBegun, Moment::Answered].iter().cycle() {
        let mut card = home.start(&["run", text(&path), "--vpcd", &reader.address()]);
        let mut slot = reader.accept();
        let before = Kept::in_file(&path);
        assert!(before.tries <= known);
        if before.tries == 0 {
            assert_eq!(slot.ask(LOGIN), "6983");
            break;
        }
        let answered = kill(*moment, &wrong_pin(&before), &path, &mut slot, &mut card);
        known = before.tries - u8::from(answered);
    }
}
