//! `--card-template`: a card that is read and never written.

use crate::pcsc::{PcscClient, exec};
use crate::reader::Reader;
use crate::vschsm::{Home, LOGIN, TRIES, WRONG_PIN, text};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// GET CHALLENGE.
const CHALLENGE: &str = "0084000010";

fn protect(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
}

#[test]
fn each_process_has_a_card_of_its_own_and_the_file_stays_as_it_is() {
    let home = Home::new();
    let card = home.card("a.card");
    protect(&card);
    let before = fs::read(&card).unwrap();
    // One that is in use can be copied as well.
    let copy = home.path("used.card");
    fs::write(&copy, &before).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
    let (_in_use, _) = exec(&home, &["--card", text(&copy)]);

    let processes = [&card, &card, &copy].map(|file| exec(&home, &["--card-template", text(file)]));

    let mut random = Vec::new();
    for (_, socket) in &processes {
        let mut client = PcscClient::at(socket);
        let handle = client.connected();
        assert_eq!(client.ask(handle, WRONG_PIN).as_deref(), Ok("63C9"));
        assert_eq!(client.ask(handle, LOGIN).as_deref(), Ok("9000"));
        random.push(client.ask(handle, CHALLENGE).unwrap());
    }
    random.sort();
    random.dedup();
    assert_eq!(random.len(), processes.len(), "a random stream came twice");
    assert_eq!(fs::read(&card).unwrap(), before);
    assert_eq!(fs::read(&copy).unwrap(), before);
}

#[test]
fn a_seed_makes_the_same_random_numbers_each_time() {
    let home = Home::new();
    let card = home.card("a.card");
    let ask = |options: &[&str]| {
        home.run(
            &[&["apdu", "--select", "--card-template", text(&card)], options, &[CHALLENGE]]
                .concat(),
        )
        .ok()
    };
    let seeded = ask(&["--seed", "x"]);
    assert_eq!(ask(&["--seed", "x"]), seeded);
    assert_ne!(ask(&["--seed", "y"]), seeded);
    assert_ne!(ask(&[]), ask(&[]));
}

#[test]
fn a_sealed_template_opens_with_its_passphrase() {
    let home = Home::new();
    let card = home.card("a.card");
    fs::write(home.path("passphrase"), "correct horse").unwrap();
    let passphrase = ["--passphrase-file", "./passphrase"];
    home.run(&[&["seal", text(&card)], &passphrase[..]].concat()).ok();
    let before = fs::read(&card).unwrap();
    let template = ["apdu", "--select", "--card-template", text(&card)];
    assert_eq!(home.run(&[&template[..], &passphrase, &[WRONG_PIN]].concat()).ok(), "63C9\n");
    assert_eq!(fs::read(&card).unwrap(), before);
    assert_eq!(home.run(&[&template[..], &[TRIES]].concat()).code, Some(2));
}

#[test]
fn templates_follow_cards_and_go_with_no_option_of_a_new_card() {
    let home = Home::new();
    let (card, template) = (home.card("a.card"), home.card("b.card"));
    let [first, second] = Reader::two();
    let cards = ["run", text(&card), "--card-template", text(&template)];
    let _running = home.start(&[&cards[..], &["--vpcd", &first.address()]].concat());
    assert_eq!(first.accept().ask(WRONG_PIN), "63C9");
    assert_eq!(second.accept().ask(WRONG_PIN), "63C9");
    assert_eq!(home.run(&["apdu", "--select", "--card", text(&template), TRIES]).ok(), "63CA\n");
    for other in [&["--firmware", "2.6"][..], &["--initialize"], &["--no-card"]] {
        let options = ["exec", "--card-template", text(&template)];
        let end = home.run(&[&options[..], other, &["--", "true"]].concat());
        assert_eq!(end.code, Some(2), "{other:?}: {end:?}");
    }
    let missing =
        home.run(&["apdu", "--select", "--card-template", "./nothing.card", TRIES]).failed();
    assert!(missing.contains("there is no card"), "{missing}");
}
