//! Cards under a passphrase: `vschsm new --passphrase`, `seal`, `unseal`, and every command that
//! opens one.

use crate::ctl::World;
use crate::leaks::Wanted;
use crate::reader::Reader;
use crate::vschsm::{End, Home, INITIALIZE, LOGIN, TRIES, WRONG_PIN, hex, text};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

const RIGHT: &str = "correct horse";
const WRONG: &str = "battery staple";
const MAGIC: &str = "vschsm-card-sealed 2 argon2id m=65536 t=3 p=1 ";

/// A folder with passphrases in files, and a card under the right one.
fn home() -> (Home, PathBuf) {
    let home = Home::new();
    fs::write(home.path("right"), format!("{RIGHT}\nthe second line does not count\n")).unwrap();
    fs::write(home.path("wrong"), WRONG).unwrap();
    let options = ["--passphrase-file", "right", "--serial", "ZZVS0000001", "--seed", "x"];
    let keys = ["--initialize", "--pin", "12345678", "--tries", "10", "--key", "ec:secp256r1"];
    home.run(&[&["new", "./a.card"], &options[..], &keys].concat()).ok();
    let path = home.path("a.card");
    (home, path)
}

fn with<'a>(arguments: &[&'a str], file: &'a str) -> Vec<&'a str> {
    [&["apdu", "--select", "--card", "./a.card", "--passphrase-file", file], arguments].concat()
}

/// Runs the program with a variable set.
fn run_in(home: &Home, variable: &str, arguments: &[&str]) -> End {
    let vschsm = env!("CARGO_BIN_EXE_vschsm");
    home.run_program("env", &[&[variable, vschsm], arguments].concat())
}

/// A card's secrets, from what its image is without a passphrase.
fn secrets(home: &Home) -> Wanted {
    fs::copy(home.path("a.card"), home.path("copy.card")).unwrap();
    home.run(&["unseal", "./copy.card", "--passphrase-file", "right"]).ok();
    let image = fs::read_to_string(home.path("copy.card")).unwrap();
    fs::remove_file(home.path("copy.card")).unwrap();
    let mut wanted = Wanted::of_image(&image);
    wanted.add("passphrase", RIGHT.as_bytes());
    wanted
}

#[test]
fn a_card_under_a_passphrase_opens_with_it_wherever_it_comes_from_and_not_without() {
    let (home, path) = home();
    assert!(fs::read(&path).unwrap().starts_with(MAGIC.as_bytes()));
    assert_eq!(home.run(&with(&[TRIES], "right")).ok(), "63CA\n");
    let variable = format!("VSCHSM_PASSPHRASE={RIGHT}");
    assert_eq!(
        run_in(&home, &variable, &["apdu", "--select", "--card", "./a.card", TRIES]).ok(),
        "63CA\n"
    );

    let refusal = home.run(&with(&[TRIES], "wrong")).failed();
    assert!(refusal.contains("a.card does not open: the passphrase is wrong, or"), "{refusal}");
    let none = home.run(&["apdu", "--select", "--card", "./a.card", TRIES]);
    assert_eq!(none.code, Some(2));
    assert!(none.err.contains("a.card is encrypted") && none.err.contains("--passphrase-file"));
    assert_eq!(none.err.lines().count(), 1, "{}", none.err);
    let no_file = home.run(&with(&[TRIES], "nowhere")).failed();
    assert!(no_file.contains("cannot read nowhere"), "{no_file}");
}

#[test]
fn every_command_that_opens_a_card_opens_one_under_a_passphrase() {
    let (home, _) = home();
    for command in [
        &["show", "./a.card"][..],
        &["show", "./a.card", "--json"],
        &["keys", "./a.card", "1", "--csr"],
        &["verify", "./a.card"],
        &["exec", "--card", "./a.card", "true"],
        &["exec", "--card", "./a.card", "--watch", "true"],
        &["seal", "./a.card", "--new-passphrase-file", "right"],
        &["unseal", "./a.card"],
    ] {
        let [first, rest @ ..] = command else { panic!("no command") };
        let named = |file| [&[*first, "--passphrase-file", file], rest].concat();
        assert!(home.run(&named("wrong")).failed().contains("does not open"), "{command:?}");
        home.run(&named("right")).ok();
    }
    assert!(fs::read(home.path("a.card")).unwrap().starts_with(b"vschsm-card 7 "));
    home.run(&["new", "./b.card", "--passphrase-file", "right", "--firmware", "3.1"]).ok();
    home.run(&["update", "./b.card", "--to", "3.4", "--passphrase-file", "right"]).ok();
    assert!(fs::read(home.path("b.card")).unwrap().starts_with(MAGIC.as_bytes()));
}

#[test]
fn a_card_is_sealed_gets_another_passphrase_and_is_unsealed() {
    let home = Home::new();
    let card = home.card("a.card");
    fs::write(home.path("right"), RIGHT).unwrap();
    fs::write(home.path("wrong"), WRONG).unwrap();
    fs::write(home.path("short"), "1234567").unwrap();
    let plain = fs::read(&card).unwrap();
    let seal = ["seal", "./a.card", "--passphrase-file"];
    let short = home.run(&[&seal[..], &["short"]].concat());
    assert!(short.code == Some(2) && short.err.contains("8 characters"), "{}", short.err);
    let nobody = home.run(&["seal", "./a.card"]);
    assert!(nobody.code == Some(2) && nobody.err.contains("no terminal"), "{}", nobody.err);
    assert_eq!(fs::read(&card).unwrap(), plain);

    let said = home.run(&[&seal[..], &["right"]].concat()).ok();
    assert!(said.contains("Encrypted "), "{said}");
    let sealed = fs::read(&card).unwrap();
    let again = [&seal[..], &["right", "--new-passphrase-file", "wrong"]].concat();
    assert!(home.run(&again).ok().contains("Changed the passphrase of "));
    assert!(home.run(&with(&[TRIES], "right")).failed().contains("does not open"));
    assert_eq!(home.run(&with(&[TRIES], "wrong")).ok(), "63CA\n");
    let salt = |content: &[u8]| content[MAGIC.len()..MAGIC.len() + 32].to_vec();
    assert_ne!(salt(&sealed), salt(&fs::read(&card).unwrap()));

    let said = home.run(&["unseal", "./a.card", "--passphrase-file", "wrong"]).ok();
    assert!(said.contains("Decrypted "), "{said}");
    assert_eq!(fs::read(&card).unwrap(), plain);
    let twice = home.run(&["unseal", "./a.card"]).failed();
    assert!(twice.contains("is not encrypted"), "{twice}");
}

#[test]
fn a_damaged_card_is_refused_in_a_sentence_and_stays_as_it_is() {
    let (home, path) = home();
    let whole = fs::read(&path).unwrap();
    let length = whole.len();
    // A passphrase takes its time: `seal::tests` does this for every bit.
    for index in [0, 19, 32, 48, 60, 90, 120, 127, 128, 200, length - 17, length - 1] {
        let mut changed = whole.clone();
        changed[index] ^= 0x10;
        fs::write(&path, &changed).unwrap();
        let refusal = home.run(&with(&[TRIES], "right")).failed();
        assert!(refusal.contains("a.card "), "{refusal}");
        assert_eq!(fs::read(&path).unwrap(), changed, "byte {index}");
    }
    for length in [0, 20, 127, 128, 140, length / 2, length - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        home.run(&with(&[TRIES], "right")).failed();
    }
    fs::write(&path, whole).unwrap();
    home.run(&with(&[TRIES], "right")).ok();
}

/// Searches the folder, temporary files included, again and again while a card is changed, and
/// after its process is killed.
#[test]
fn no_secret_of_a_sealed_card_is_in_the_folder_at_any_time() {
    let (home, path) = home();
    let (wanted, reader) = (secrets(&home), Reader::new());
    fs::remove_file(home.path("wrong")).unwrap();
    let right = home.path("right");
    let run = ["run", text(&path), "--vpcd", &reader.address(), "--passphrase-file", "right"];
    let mut card = home.start(&run);
    let mut slot = reader.accept();
    assert_eq!(slot.ask(LOGIN), "9000");
    let searched = Arc::new(AtomicUsize::new(0));
    let asking = {
        let searched = Arc::clone(&searched);
        thread::spawn(move || {
            // On a busy machine a search takes as long as many commands.
            let changes = (0..).take_while(|number| *number < 300 || searched.load(Relaxed) <= 100);
            for offset in changes.map(|number| number % 300) {
                let update = format!("00D7CF01 07 5402{offset:04X} 5301AA");
                assert_eq!(slot.ask(&update), "9000");
            }
            slot
        })
    };
    let mut nonces = BTreeSet::new();
    let search = |is_over: bool| {
        for entry in fs::read_dir(home.path("")).unwrap() {
            let file = entry.unwrap().path();
            if file == right {
                continue;
            }
            // The temporary file may have gone by now.
            let Ok(content) = fs::read(&file) else { continue };
            assert_eq!(wanted.found_in(&content), [""; 0], "{}", file.display());
            searched.fetch_add(1, Relaxed);
            if is_over && file == path {
                assert!(content.starts_with(MAGIC.as_bytes()));
            }
        }
    };
    while !asking.is_finished() {
        search(false);
    }
    let mut slot = asking.join().unwrap();
    for offset in 0..50 {
        slot.ask(&format!("00D7CF01 07 5402{offset:04X} 5301BB"));
        let content = fs::read(&path).unwrap();
        nonces.insert(last_nonce(&content));
    }
    assert_eq!(nonces.len(), 50, "two saves with one nonce");
    slot.send(&hex("00D7CF02 07 54020000 5301AA"));
    card.signal_kill();
    search(true);
    let searched = searched.load(Relaxed);
    assert!(searched > 100, "only {searched} files were searched");
    assert_eq!(home.run(&with(&[WRONG_PIN], "right")).ok(), "63C9\n");
}

/// The nonce of the last record in an encrypted card's file, or of its image if there is none.
fn last_nonce(content: &[u8]) -> Vec<u8> {
    let mut lines = content.trim_ascii_end().rsplit(|byte| *byte == b'\n');
    let record = lines.next().and_then(|line| line.strip_prefix(b"change "));
    let nonce = record.and_then(|record| record.split(|byte| *byte == b' ').nth(1));
    nonce.unwrap_or(&content[MAGIC.len() + 33..][..48]).to_vec()
}

#[test]
fn a_killed_card_under_a_passphrase_has_what_it_answered() {
    let (home, path) = home();
    let reader = Reader::new();
    let run = ["run", text(&path), "--vpcd", &reader.address(), "--passphrase-file", "right"];
    for tries in (5..10).rev() {
        let mut card = home.start(&run);
        assert_eq!(reader.accept().ask(WRONG_PIN), format!("63C{tries:X}"));
        card.signal_kill();
        assert_eq!(home.run(&with(&[TRIES], "right")).ok(), format!("63C{tries:X}\n"));
    }
}

/// An opened card is saved without its passphrase being tried again, which takes a fifth of a
/// second: 200 saves would take 40.
#[test]
fn the_passphrase_is_tried_once_however_often_a_card_is_saved() {
    let (home, _) = home();
    let commands: String = (0..200).map(|n| format!("00D7CF01 07 5402{n:04X} 5301AA\n")).collect();
    let start = std::time::Instant::now();
    let arguments = with(&["--durability", "none", "-"], "right");
    let said = home.run_with(&arguments, &format!("{LOGIN}\n{commands}")).ok();
    assert!(said.lines().count() == 201 && said.lines().all(|line| line == "9000"), "{said}");
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn a_running_program_takes_in_a_sealed_card_and_leaves_its_snapshot_sealed() {
    let (home, _) = home();
    let world = World::exec_in(home, &["--no-card"]);
    let refused = world.ctl(&["insert", "./a.card"]);
    assert!(refused.code == Some(2) && refused.err.contains("is encrypted"), "{}", refused.err);
    let refused = world.ctl(&["insert", "./a.card", "--passphrase-file", "wrong"]).failed();
    assert!(refused.contains("does not open"), "{refused}");
    world.ctl(&["insert", "./a.card", "--passphrase-file", "right"]).ok();
    world.ctl(&["snapshot", "./s.card", "--passphrase-file", "wrong"]).ok();
    let snapshot = fs::read(world.home.path("s.card")).unwrap();
    assert!(snapshot.starts_with(MAGIC.as_bytes()));
    let nobody = world.ctl(&["snapshot", "./t.card"]);
    assert!(nobody.code == Some(2) && nobody.err.contains("passphrase"), "{}", nobody.err);
    assert!(!world.home.path("t.card").exists());
    world.ctl(&["set-tries", "--user-pin", "2"]).ok();
    world.ctl(&["restore", "./s.card", "--passphrase-file", "wrong"]).ok();
    world.ctl(&["remove"]).ok();
    assert_eq!(world.home.run(&with(&[TRIES], "right")).ok(), "63CA\n");
}

#[test]
fn a_sealed_card_is_no_file_for_a_trace() {
    let (home, path) = home();
    let before = fs::read(&path).unwrap();
    let end = home.run(&["apdu", "--select", "--trace=./a.card", TRIES]);
    assert_eq!((end.code, end.err.contains("is a card")), (Some(2), true), "{}", end.err);
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_card_that_others_may_write_is_refused_sealed_or_not() {
    let (home, path) = home();
    set_mode(&path, 0o666);
    let refusal = home.run(&with(&[TRIES], "right")).failed();
    assert!(refusal.contains("chmod go-w"), "{refusal}");
    // Others who may read it have nothing of it.
    set_mode(&path, 0o644);
    let end = home.run(&with(&[INITIALIZE], "right"));
    assert_eq!((end.code, end.err.as_str()), (Some(0), ""));
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
