//! `vschsm check import-bug`, in this process.

use crate::vschsm::Home;
use vschsm_card::profile::BUILT_IN;

const WORKS: &str = "exported, imported, signs";
/// 1.2 passes over the list.
const NO_LISTS: &str = "lists are not supported: the key may do everything";
const DEFECT: &str = "exported; UNWRAP KEY returns 6F00 no precise diagnosis";

/// What the check prints of a key from one firmware to another.
fn lines(from: &str, to: &str, with_list: &str) -> String {
    let way = if from == to { String::new() } else { format!("firmware {from} to ") };
    format!(
        "{way}firmware {to}\n  without an algorithm list  {WORKS}\n  with the list 73 92        \
         {with_list}\n"
    )
}

#[test]
fn of_all_firmwares_3_1_alone_does_not_import_a_key_with_a_list() {
    let home = Home::new();
    let end = home.run(&["check", "import-bug"]);
    assert_eq!(end.code, Some(3), "{}", end.err);
    for (name, _) in BUILT_IN {
        let with_list = match *name {
            "1.2" => NO_LISTS,
            "3.1" => DEFECT,
            _ => WORKS,
        };
        assert!(end.out.contains(&lines(name, name, with_list)), "{name} in {}", end.out);
    }
    assert_eq!(
        end.err,
        "vschsm: defect found: firmware 3.1 cannot import a key with an algorithm list\n"
    );
}

#[test]
fn the_story_of_2_6_3_1_and_3_2() {
    let home = Home::new();
    let fine = "No defect: keys are imported with an algorithm list and without one.\n";
    let before = home.run(&["check", "import-bug", "--firmware", "2.6"]).ok();
    assert_eq!(before, lines("2.6", "2.6", WORKS) + fine);

    let end = home.run(&["check", "import-bug", "--firmware", "3.1"]);
    assert_eq!((end.code, end.out), (Some(3), lines("3.1", "3.1", DEFECT)));

    // The very blob that 3.1 exports.
    let after = home.run(&["check", "import-bug", "--firmware", "3.1", "--import-on", "3.2"]);
    assert_eq!(after.ok(), lines("3.1", "3.2", WORKS) + fine);
    let back = home.run(&["check", "import-bug", "--firmware", "3.2", "--import-on", "3.1"]);
    assert_eq!((back.code, back.out), (Some(3), lines("3.2", "3.1", DEFECT)));
}

#[test]
fn a_firmware_without_lists_is_not_called_fine_with_one() {
    let home = Home::new();
    let said = home.run(&["check", "import-bug", "--firmware", "1.2"]).ok();
    let fine = "No defect: keys are imported, with an algorithm list where lists are supported.\n";
    assert_eq!(said, lines("1.2", "1.2", NO_LISTS) + fine);
    let json = home.run(&["check", "import-bug", "--firmware", "1.2", "--json"]).ok();
    assert!(json.contains("\"with_list\": \"no lists\"") && json.contains("\"defect\": false"));
}

#[test]
fn the_json_document_has_a_line_for_each_firmware() {
    let home = Home::new();
    let end = home.run(&["check", "import-bug", "--json", "--firmware", "3.1"]);
    assert_eq!(end.code, Some(3), "{}", end.err);
    let document: serde_json::Value = serde_json::from_str(&end.out).unwrap();
    let found = |pointer| document.pointer(pointer).and_then(serde_json::Value::as_str);
    assert_eq!(found("/ways/0/without_list"), Some("works"));
    assert_eq!(found("/ways/0/with_list"), Some("6F00"));
    assert_eq!(document.get("defect"), Some(&true.into()));
}

#[test]
fn what_is_no_firmware_is_wrong_usage() {
    let home = Home::new();
    assert_eq!(home.run(&["check", "import-bug", "--firmware", "9.9"]).code, Some(2));
}
