//! `vschsm check`: whether a card does what it should, in this process.

use crate::vschsm::{End, Home, text};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;
use std::fs;
use std::path::Path;
use vschsm_card::profile::BUILT_IN;

/// A profile that claims to be 3.2 and has the defect of 3.1.
fn defective(home: &Home) -> String {
    let source = home.run(&["firmware", "3.2"]).ok();
    let (head, refused) = source.split_once("[refuse]\n").unwrap();
    let bug = "unwrap-with-algorithm-list = \"6F00\"";
    let path = home.path("mine.toml");
    fs::write(&path, format!("{head}[refuse]\n{bug}\n{refused}")).unwrap();
    text(&path).to_owned()
}

/// The paragraph about a vector or flow in what the check printed.
fn paragraph<'a>(end: &'a End, name: &str) -> Vec<&'a str> {
    let mut lines = end.out.lines().skip_while(|line| line.trim() != name);
    lines.next().unwrap_or_else(|| panic!("no {name} in {}", end.out));
    lines.take_while(|line| line.starts_with("    ")).map(str::trim).collect()
}

#[test]
fn every_firmware_answers_as_the_vectors_say_wherever_the_program_is() {
    // In a folder without any vector: they are part of the program.
    let out = Home::new().run(&["check"]).ok();
    let (cards, fine) = out.split_at(out.find("All checks passed.").unwrap());
    assert_eq!(fine, "All checks passed.\n");
    assert_eq!(cards.lines().count(), BUILT_IN.len(), "{cards}");
    for ((name, _), line) in BUILT_IN.iter().zip(cards.lines()) {
        let passed = line.strip_prefix(name).and_then(|rest| rest.strip_suffix("checks passed"));
        let passed = passed.and_then(|number| number.trim().parse::<usize>().ok());
        assert!(passed.is_some_and(|passed| passed > 150), "{line}");
    }
}

#[test]
fn a_card_that_deviates_is_told_with_the_vector_its_source_and_the_command() {
    let home = Home::new();
    let end = home.run(&["check", "--firmware", &defective(&home)]);
    assert_eq!(end.code, Some(3), "{}", end.err);
    assert_eq!(end.err, "vschsm: checks failed: 3.2\n");
    let lines = paragraph(&end, "unwrap_key/algorithm_list.apdu");
    let [says, source, step, command, wanted, got] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(says.starts_with("says     3.1 cannot import a key with an algorithm list"), "{says}");
    assert!(source.starts_with("source   observed (Nitrokey support thread 1783"), "{source}");
    assert!(step.starts_with("step     1, line 6: UNWRAP KEY key 1 from 365 bytes"), "{step}");
    assert!(command.starts_with("command  8074019300016D"), "{command}");
    assert_eq!((*wanted, *got), ("expected 9000", "got      6F00 no precise diagnosis"));

    let flow = paragraph(&end, "flows/key_with_list_survives_export");
    assert!(flow.iter().any(|line| line.starts_with("step     4: UNWRAP KEY")), "{flow:#?}");
}

#[test]
fn a_card_that_cannot_be_prepared_deviates() {
    let home = Home::new();
    let source = home.run(&["firmware", "3.4"]).ok();
    fs::write(home.path("mine.toml"), source.replace("rsa = [1024, ", "rsa = [")).unwrap();
    let end = home.run(&["check", "--firmware", "./mine.toml"]);
    assert_eq!(end.code, Some(3), "{}", end.err);
    let lines = paragraph(&end, "decipher/rsa_raw.apdu").join("\n");
    let step = "step     before 1, makes key 1 RSA 1024: GENERATE ASYMMETRIC KEY PAIR";
    assert!(lines.contains(step) && lines.contains("got      6A81 function not"), "{lines}");
}

#[test]
fn the_json_document_and_the_junit_file_tell_every_check() {
    let home = Home::new();
    let junit = home.path("check.xml");
    let arguments = ["check", "--json", "--junit", text(&junit), "--firmware", &defective(&home)];
    let end = home.run(&arguments);
    assert_eq!(end.code, Some(3), "{}", end.err);
    let document: Value = serde_json::from_str(&end.out).unwrap();
    let checks = document.pointer("/cards/0/checks").and_then(Value::as_array).unwrap();
    let failed: Vec<_> = checks.iter().filter(|check| check["outcome"] == "failed").collect();
    assert_eq!(document.get("failed"), Some(&failed.len().into()));
    assert_eq!(document.get("passed"), Some(&(checks.len() - failed.len()).into()));
    let list = failed.iter().find(|check| check["name"] == "unwrap_key/algorithm_list.apdu");
    let list = list.unwrap();
    assert_eq!((&list["wanted"], &list["got"]), (&Value::from("9000"), &Value::from("6F00")));
    assert!(list["source"].as_str().unwrap().starts_with("observed"));

    let xml = fs::read_to_string(junit).unwrap();
    let (mut reader, mut cases, mut failures) = (Reader::from_str(&xml), 0, 0);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => match tag.name().as_ref() {
                "testcase" => cases += 1,
                "failure" => failures += 1,
                _ => {}
            },
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!((cases, failures), (checks.len(), failed.len()));
    assert!(xml.contains("got: 6F00 no precise diagnosis"), "{xml}");
}

#[test]
fn vectors_of_ones_own_are_files_and_folders() {
    let home = Home::new();
    let folder = home.path("own/deeper");
    fs::create_dir_all(&folder).unwrap();
    let vector = |name: &str, text: &str| fs::write(home.path("own").join(name), text).unwrap();
    vector("deeper/right.apdu", "# A card is there.\ncard: any\nsource: guess\n\n> 00\n< 6700\n");
    vector("wrong.apdu", "# A card is there.\nsource: guess\n\n> 00\n< 9000\n");
    vector("README.md", "no vector");
    let right = home.run(&["check", "--firmware", "3.4", "own/deeper/right.apdu"]).ok();
    assert!(right.starts_with("3.4     1 check passed\n"), "{right}");
    let both = home.run(&["check", "--firmware", "3.4", "own"]);
    assert_eq!(both.code, Some(3));
    let guess = "3.4     1 check passed, 1 failed (1 of them guesses, at least in part)\n";
    assert!(both.out.starts_with(guess), "{}", both.out);
    assert!(paragraph(&both, "own/wrong.apdu").contains(&"got      6700 wrong length"));

    // The folder of this repository is what is built in, but for the flows.
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    home.run(&["check", "--firmware", "2.0", text(&vectors)]).ok();
}

#[test]
fn what_is_no_vector_is_told_with_file_and_line() {
    let home = Home::new();
    for (name, content, told) in [
        ("hex.apdu", "# A.\nsource: guess\n\n> 0G\n< 6700\n", "line 4: the command is not"),
        (
            "any.apdu",
            "# A.\ncard: any\nsource: guess\n\n> 00E40200\n< *\n",
            "line 5: the command may",
        ),
        ("card.apdu", "# A.\ncard: young\nsource: guess\n\n", "line 2: not a state that a card"),
    ] {
        fs::write(home.path(name), content).unwrap();
        let sentence = home.run(&["check", name]).failed();
        assert!(sentence.starts_with(&format!("vschsm: {name}: {told}")), "{sentence}");
    }
    assert!(home.run(&["check", "nowhere"]).failed().starts_with("vschsm: cannot read nowhere: "));
    fs::create_dir(home.path("empty")).unwrap();
    for arguments in
        [["check", "empty"].as_slice(), &["check", "--firmware", "9.9"], &["check", "--junit"]]
    {
        assert_eq!(home.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_firmware_of_a_version_without_vectors_is_told() {
    let home = Home::new();
    let source = home.run(&["firmware", "3.4"]).ok();
    fs::write(home.path("new.toml"), source.replace("version = [3, 4]", "version = [9, 9]"))
        .unwrap();
    let end = home.run(&["check", "--firmware", "./new.toml"]);
    assert_eq!(end.code, Some(2));
    assert_eq!(end.err, "vschsm: there is no vector for version 9.9, the version of ./new.toml\n");
}
