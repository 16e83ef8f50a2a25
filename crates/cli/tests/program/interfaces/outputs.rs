//! What the program prints for other programs: keys of JSON, and words that are values there.

use super::{copied, kept, lines};
use crate::vschsm::{Home, text};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// The paths of all keys in a document; `[]` stands for each member of a list. With its value after
/// `=` as well, where that is one word.
pub(super) fn keys_of(document: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    collect(document, "", &mut keys);
    keys
}

fn collect(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(value, &path, keys);
                keys.insert(path);
            }
        }
        Value::Array(list) => {
            list.iter().for_each(|value| collect(value, &format!("{path}[]"), keys));
        }
        Value::String(word) if !word.contains(' ') => {
            keys.insert(format!("{path} = {word}"));
        }
        _ => {}
    }
}

/// The keys and values of an output in `json-keys.txt` that are not among `found`.
pub(super) fn missing(output: &str, found: &BTreeSet<String>) -> Vec<String> {
    let of_output = lines("json-keys.txt").into_iter().filter_map(|line| {
        let (name, key) = line.split_once(": ").unwrap_or_else(|| panic!("no output in {line}"));
        (name == output).then(|| key.to_owned())
    });
    let kept: Vec<_> = of_output.collect();
    assert!(!kept.is_empty(), "nothing is kept of {output}");
    kept.into_iter().filter(|key| !found.contains(key)).collect()
}

/// That an output has all that it had: `documents` are JSON.
fn assert_kept(output: &str, documents: &[String]) {
    let parse = |text: &String| serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"));
    let found = documents.iter().flat_map(|text| keys_of(&parse(text))).collect();
    assert_eq!(missing(output, &found), Vec::<String>::new(), "gone from {output}: {found:#?}");
}

#[test]
fn what_is_on_a_card_is_told_with_the_same_keys() {
    let home = Home::new();
    let names = ["full.card", "provisioned.card", "own-firmware.card", "requests.card"];
    let cards = names.map(|name| copied(&home, name));
    let old = home.path("5.card");
    fs::copy(kept("../images/5.card"), &old).unwrap();
    let cards: Vec<_> = cards.iter().chain([&old]).collect();
    let each = |command: &str| -> Vec<String> {
        let run = |card: &&std::path::PathBuf| home.run(&[command, text(card), "--json"]).ok();
        cards.iter().map(run).collect()
    };
    assert_kept("show --json", &each("show"));
    assert_kept("keys --json", &each("keys"));
    assert_kept("verify --json", &each("verify"));

    let folder = home.path("vschsm");
    fs::create_dir(&folder).unwrap();
    fs::copy(kept("full.card"), folder.join("full.card")).unwrap();
    fs::copy(kept("encrypted.card"), folder.join("encrypted.card")).unwrap();
    fs::write(folder.join("damaged.card"), "vschsm-card 6 00\n{}\n").unwrap();
    assert_kept("list --json", &[home.run(&["list", "--json"]).out]);
}

#[test]
fn checks_are_reported_with_the_same_keys() {
    let home = Home::new();
    let wrong = "# A.\nsource: guess\n\n> 00\n< 9000\n";
    fs::write(home.path("wrong.apdu"), wrong).unwrap();
    fs::copy(kept("vectors/wrap_key-parameters.apdu"), home.path("right.apdu")).unwrap();
    let junit = home.path("check.xml");
    let check = ["check", "--json", "--junit", text(&junit), "--firmware", "3.4"];
    let checked = home.run(&[&check[..], &["right.apdu", "wrong.apdu"]].concat());
    assert_kept("check --json", &[checked.out]);
    let bug = home.run(&["check", "import-bug", "--json", "--firmware", "3.1"]);
    assert_kept("check import-bug --json", &[bug.out]);

    let xml = fs::read_to_string(junit).unwrap();
    let (mut reader, mut found) = (Reader::from_str(&xml), BTreeSet::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => {
                let name = tag.name().as_ref().to_owned();
                for attribute in tag.attributes() {
                    let attribute = attribute.unwrap().key.as_ref().to_owned();
                    found.insert(format!("{name} {attribute}"));
                }
                found.insert(name);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(missing("check --junit", &found), Vec::<String>::new(), "{found:?}");
}

#[cfg(feature = "pcsc")]
#[test]
fn what_is_in_readers_is_told_with_the_same_keys() {
    use crate::readers::{Made, Readers};
    let made = |serial, keys| Made { firmware: "3.4", serial, options: &[], keys };
    let readers = Readers::with(&[made("ZZVS0000001", Some([2, 1])), made("ZZVS0000002", None)]);
    let (home, of_card) = (&readers.home, ["--reader", "ZZVS0000001"]);
    let custodian = copied(home, "custodian.pka");
    readers.run(&[&["pka", "register"], &of_card[..], &[text(&custodian)]].concat()).ok();
    let status = readers.run(&[&["pka", "status"], &of_card[..], &["--json"]].concat()).ok();
    assert_kept("pka status --json", &[status]);
    let vectors = kept("vectors");
    let check = ["check", "--reader", "ZZVS0000002", "--json", text(&vectors)];
    assert_kept("check --reader --json", &[readers.run(&check).ok()]);
}
