//! A card's file: who may open it, and what is left of it.

use crate::reader::Reader;
use crate::vschsm::{Home, INITIALIZE, LOGIN, TRIES, WRONG_PIN, load, text};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::thread;
use vschsm_card::state::Fid;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_card_in_use_is_refused_until_its_process_ends_however_it_ends() {
    let (home, reader) = (Home::new(), Reader::new());
    let path = home.card("a.card");
    for signal in ["TERM", "KILL"] {
        let mut card = home.start(&["run", text(&path), "--vpcd", &reader.address()]);
        let mut slot = reader.accept();
        slot.atr();
        let refusal = home.run(&["apdu", "--select", "--card", text(&path), TRIES]).failed();
        assert!(refusal.contains("in use"), "{refusal}");
        slot.ask(WRONG_PIN);
        let refusal = home.run(&["apdu", "--select", "--card", text(&path), TRIES]).failed();
        assert!(refusal.contains("in use"), "after a save: {refusal}");
        home.run(&["show", text(&path)]).ok();

        card.signal(signal);
        card.wait();
        home.run(&["apdu", "--select", "--card", text(&path), LOGIN]).ok();
    }
    let twice = home.run(&["run", text(&path), text(&path), "--vpcd", &reader.address()]).failed();
    assert!(twice.contains("in use"), "{twice}");
}

#[test]
fn a_new_card_is_its_owners_alone_and_permissions_stay_as_they_are_set() {
    let home = Home::new();
    let path = home.path("a.card");
    home.run(&["new", text(&path)]).ok();
    assert_eq!(mode(&path), 0o600);

    set_mode(&path, 0o640);
    home.run(&["apdu", "--select", "--card", text(&path), INITIALIZE]).ok();
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn a_card_that_others_may_write_is_refused_and_one_that_they_may_read_is_warned_about() {
    let home = Home::new();
    let path = home.card("a.card");
    for mode in [0o620, 0o602, 0o666] {
        set_mode(&path, mode);
        let refusal = home.run(&["apdu", "--select", "--card", text(&path), TRIES]).failed();
        assert!(refusal.contains("chmod go-w"), "{refusal}");
    }
    for (mode, warned) in [(0o640, true), (0o604, true), (0o600, false), (0o700, false)] {
        set_mode(&path, mode);
        let end = home.run(&["apdu", "--select", "--card", text(&path), TRIES]);
        assert_eq!(end.err.contains("chmod go-r"), warned, "{mode:o}: {}", end.err);
        assert_eq!(end.ok(), "63CA\n");
    }
}

#[test]
fn what_is_no_card_is_refused_with_one_sentence_and_left_as_it_is() {
    let home = Home::new();
    let path = home.card("a.card");
    let image = fs::read(&path).unwrap();
    let newer = String::from_utf8(image.clone()).unwrap().replacen("card ", "card 99", 1);
    let mut damaged = image.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let half = image.split_at(image.len() / 2).0.to_vec();
    let refused = [
        ("empty", Vec::new()),
        ("foreign", b"\x7fELF and more\n".to_vec()),
        ("newer", newer.into_bytes()),
        ("damaged", damaged),
        ("half", half),
        ("long", vec![b' '; (16 << 20) + 1]),
    ];
    for (name, content) in refused {
        let path = home.path(&format!("{name}.card"));
        fs::write(&path, &content).unwrap();
        set_mode(&path, 0o600);
        for arguments in
            [["apdu", "--select", "--card", text(&path), TRIES].as_slice(), &["show", text(&path)]]
        {
            let sentence = home.run(arguments).failed();
            assert!(sentence.contains(text(&path)), "{name}: {sentence}");
        }
        assert_eq!(fs::read(&path).unwrap(), content, "{name}");
    }
    let folder = home.run(&["apdu", "--select", "--card", text(&home.path("")), TRIES]).failed();
    assert!(folder.contains("is not a file"), "{folder}");
    let nothing = home.run(&["apdu", "--select", "--card", "nobody", TRIES]).failed();
    assert!(nothing.contains("there is no card"), "{nothing}");
}

#[test]
fn every_shorter_image_is_refused() {
    let home = Home::new();
    let path = home.card("a.card");
    let image = fs::read(&path).unwrap();
    for len in 0..image.len() {
        let (part, _) = image.split_at(len);
        assert!(vschsm_card::Card::load(part, [0; 32]).is_err(), "{len} bytes");
    }
}

#[test]
fn an_image_read_at_any_moment_is_whole() {
    let (home, reader) = (Home::new(), Reader::new());
    let path = home.card("a.card");
    let _card = home.start(&["run", text(&path), "--vpcd", &reader.address()]);
    let mut slot = reader.accept();
    slot.ask(LOGIN);
    let asking = thread::spawn(move || {
        for offset in 0..500 {
            let update = format!("00D7CF01 07 5402{offset:04X} 5301AA");
            assert_eq!(slot.ask(&update), "9000");
        }
    });
    while !asking.is_finished() {
        load(&path);
    }
    asking.join().unwrap();
}

#[test]
fn a_symbolic_link_leads_to_the_card_and_stays() {
    let home = Home::new();
    let path = home.card("a.card");
    let link = home.path("link.card");
    symlink("a.card", &link).unwrap();
    assert_eq!(home.run(&["apdu", "--select", "--card", text(&link), WRONG_PIN]).ok(), "63C9\n");
    assert!(link.is_symlink());
    assert_eq!(home.run(&["apdu", "--select", "--card", text(&path), TRIES]).ok(), "63C9\n");

    symlink("nowhere", home.path("dangling.card")).unwrap();
    home.run(&["new", text(&home.path("dangling.card"))]).failed();
}

#[test]
fn what_a_killed_process_left_is_removed_and_what_a_living_one_holds_is_not() {
    let home = Home::new();
    let path = home.card("a.card");
    let left = home.path(".a.card.new");
    fs::write(&left, "half an image").unwrap();
    assert_eq!(home.run(&["apdu", "--select", "--card", text(&path), TRIES]).ok(), "63CA\n");
    assert!(!left.exists());

    fs::write(home.path(".b.card.new"), "half an image").unwrap();
    home.run(&["new", text(&home.path("b.card"))]).ok();

    let held = fs::File::create(home.path(".c.card.new")).unwrap();
    held.lock().unwrap();
    let refusal = home.run(&["new", text(&home.path("c.card"))]).failed();
    assert!(refusal.contains("in use"), "{refusal}");
    assert!(home.path(".c.card.new").exists());
}

#[test]
fn without_durability_changes_are_kept_all_the_same() {
    let home = Home::new();
    let path = home.card("a.card");
    let none = ["apdu", "--select", "--durability", "none", "--card", text(&path)];
    assert_eq!(home.run(&[none.as_slice(), &[WRONG_PIN]].concat()).ok(), "63C9\n");
    assert_eq!(home.run(&[none.as_slice(), &[TRIES]].concat()).ok(), "63C9\n");
    assert_eq!(mode(&path), 0o600);
}

/// UPDATE BINARY of CF01 with 200 bytes, so that a few hundred records are longer than 64 KiB.
fn long_update() -> String {
    format!("00D7CF01 CF 54020000 5381C8 {}", "A5".repeat(200))
}

#[test]
fn a_card_s_file_does_not_grow_for_ever() {
    let home = Home::new();
    let path = home.card("a.card");
    let (update, reader) = (long_update(), Reader::new());
    let start = fs::metadata(&path).unwrap();

    // A program with a reader compacts the file while its client does something else.
    let mut card = home.start(&["run", text(&path), "--vpcd", &reader.address()]);
    let mut slot = reader.accept();
    assert_eq!(slot.ask(LOGIN), "9000");
    let mut longest = 0;
    while fs::metadata(&path).unwrap().ino() == start.ino() {
        assert_eq!(slot.ask(&update), "9000");
        longest = longest.max(fs::metadata(&path).unwrap().len());
        assert!(longest < 1 << 20, "it is not compacted");
    }
    assert!(longest > 64 << 10, "compacted at {longest} bytes");
    assert_eq!(slot.ask(TRIES), "9000", "the session is the same");
    card.signal("TERM");
    card.wait();

    // Without one, a command waits for it in the end.
    let script = format!("{LOGIN}\n{}", format!("{update}\n").repeat(3000));
    let end = home.run_with(&["apdu", "--select", "--card", text(&path), "-"], &script);
    assert!(end.ok().lines().all(|line| line == "9000"));
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    let content = load(&path).state().files().content(Fid(0xCF01)).map(<[u8]>::len);
    assert_eq!(content, Some(200));
}

#[test]
fn a_record_costs_what_it_changes_and_the_file_stays_the_same_one() {
    let home = Home::new();
    let path = home.card("a.card");
    let before = fs::metadata(&path).unwrap();
    let image = fs::read(&path).unwrap();
    home.run(&["apdu", "--select", "--card", text(&path), WRONG_PIN]).ok();
    let after = fs::metadata(&path).unwrap();
    assert_eq!(before.ino(), after.ino());
    assert!(after.len() - before.len() < 300, "{} bytes", after.len() - before.len());
    let saved = fs::read(&path).unwrap();
    assert!(saved.starts_with(&image) && saved.ends_with(b"}\n"));

    // What a power cut left of a record is not there, and the next change replaces it.
    fs::write(&path, &saved[..saved.len() - 9]).unwrap();
    set_mode(&path, 0o600);
    assert_eq!(home.run(&["apdu", "--select", "--card", text(&path), WRONG_PIN]).ok(), "63C9\n");
    assert_eq!(load(&path).state().pins().user().unwrap().tries(), 9);
}
