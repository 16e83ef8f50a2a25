//! What is declared open is shown, and nothing else.

use super::{SECRET, lines};
use std::collections::BTreeSet;
use vschsm_protocol::instruction::{self, APPLET, CARD_MANAGER, DataClass, Instruction};

const APPLETS_NAME: &str = "E82B0601040181C31F0201";
const MANAGERS_NAME: &str = "A000000151000000";

/// Every declared command, after the application that has it was selected, with data that is a
/// secret as it is, or in an object: its line, `command -> response`, by row, P2 and the
/// tag of the object.
fn lines_of(
    application: &str,
    rows: &'static [Instruction],
) -> Vec<(&'static Instruction, u8, Option<u16>, String)> {
    const P2: [u8; 14] =
        [0x00, 0x01, 0x10, 0x11, 0x18, 0x80, 0x81, 0x84, 0x92, 0x93, 0x99, 0xA4, 0xBE, 0xFF];
    let mut places = vec![(None, format!("08{SECRET}"))];
    places.push((Some(0x53), format!("0E540200005308{SECRET}")));
    places.extend((0x80..=0x9E).map(|tag| (Some(tag), format!("0A{tag:02X}08{SECRET}"))));
    places.extend([0x42, 0x45, 0xB4].map(|tag| (Some(tag), format!("0A{tag:02X}08{SECRET}"))));
    places.extend([0x7F21, 0x7F49].map(|tag| (Some(tag), format!("0B{tag:04X}08{SECRET}"))));
    let select = format!("00A40400{:02X}{application}", application.len() / 2);
    let mut described = Vec::new();
    for (row, p2) in rows.iter().flat_map(|row| P2.map(|p2| (row, p2))) {
        if instruction::find(rows, row.ins, p2) != Some(row) {
            continue;
        }
        for (p1, (tag, data)) in [0x00, 0x01, 0x02, 0x04, 0xCD, 0xCF]
            .into_iter()
            .flat_map(|p1| places.iter().map(move |it| (p1, it)))
        {
            let apdu = format!("00{:02X}{p1:02X}{p2:02X}{data}00", row.ins);
            let line = lines(&[(&select, "9000"), (&apdu, &format!("{SECRET}9000"))]).pop();
            described.push((row, p2, *tag, line.unwrap_or_default()));
        }
    }
    described
}

/// The commands that show the secret in a place, where that is data as it is or a file's content.
fn showing(
    application: &str,
    rows: &'static [Instruction],
    place: impl Fn(&(&str, &str)) -> bool,
) -> BTreeSet<String> {
    let described = lines_of(application, rows).into_iter();
    let described = described.filter(|(_, _, tag, _)| matches!(tag, None | Some(0x53)));
    let shown =
        described.filter(|(_, _, _, line)| line.split_once(" -> ").filter(&place).is_some());
    shown
        .map(|(row, p2, ..)| match row.name {
            "CIPHER" => format!("CIPHER {p2:02X}"),
            name => name.into(),
        })
        .collect()
}

#[test]
fn nothing_is_shown_that_is_not_declared_open() {
    for (application, rows) in [(APPLETS_NAME, APPLET), (MANAGERS_NAME, CARD_MANAGER)] {
        for (row, p2, tag, line) in lines_of(application, rows) {
            let (command, response) = line.split_once(" -> ").expect(&line);
            let is_public = !command.contains(" CD") && !command.contains("current EF");
            let of_file = |class| class == DataClass::OfFile && is_public;
            let object = tag.is_some_and(|tag| row.data.shows_object(tag));
            let is_open = row.data.is_open(p2) || object || of_file(row.data);
            assert!(is_open || !command.contains(&SECRET[..8]), "{line}");
            let is_open = row.response.is_open(p2) || of_file(row.response);
            assert!(is_open || !response.contains(&SECRET[..8]), "{line}");
        }
    }
}

/// What no row may ever declare open: PINs, shares and keys.
#[test]
fn pins_keys_and_plaintext_are_declared_secret() {
    let row =
        |rows: &'static [Instruction], name| rows.iter().find(|row| row.name == name).expect(name);
    for (name, p2) in [
        ("VERIFY", 0x81),
        ("CHANGE REFERENCE DATA", 0x81),
        ("RESET RETRY COUNTER", 0x81),
        ("INITIALIZE DEVICE", 0x00),
        ("MANAGE KEY DOMAIN", 0x00),
        ("GENERATE ASYMMETRIC KEY PAIR", 0x00),
        ("GENERATE SYMMETRIC KEY", 0xB2),
        ("DERIVE EC KEY", 0x02),
        ("CIPHER", 0x10),
        ("CIPHER", 0x18),
    ] {
        let class = row(APPLET, name).data;
        assert!(!class.is_open(p2), "{name}");
        // PINs and a private key; a share that looks like an object has any tag.
        for tag in [0x81, 0x82, 0x8A] {
            assert!(!class.shows_object(tag), "{name} {tag:02X}");
        }
    }
    for (name, p2) in [
        ("VERIFY", 0x81),
        ("GENERATE SESSION PIN", 0x81),
        ("DERIVE XKEK", 0x84),
        ("DECIPHER", 0x21),
        ("DECIPHER", 0x80),
        ("CIPHER", 0x11),
        ("CIPHER", 0x18),
        ("CIPHER", 0x99),
    ] {
        assert!(!row(APPLET, name).response.is_open(p2), "{name} {p2:02X}");
    }
    assert_eq!(row(CARD_MANAGER, "PUT KEY").data, DataClass::Secret);
    for name in ["READ BINARY", "UPDATE BINARY"] {
        assert_eq!(row(APPLET, name).data, DataClass::OfFile);
    }
    assert_eq!(row(APPLET, "READ BINARY").response, DataClass::OfFile);
}

/// A new command shows nothing until it is declared open in a row, and listed here.
#[test]
fn data_and_responses_are_shown_of_the_commands_in_the_lists_alone() {
    let in_data = |(command, _): &(&str, &str)| command.contains("5EC2E7A1");
    let in_response = |(_, response): &(&str, &str)| response.contains("5EC2E7A1");
    let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect::<BTreeSet<_>>();
    assert_eq!(
        showing(APPLETS_NAME, APPLET, in_data),
        names(&[
            "MANAGE SECURITY ENVIRONMENT",
            "VERIFY CERTIFICATE",
            "MANAGE PUBLIC KEY AUTHENTICATION",
            "DERIVE XKEK",
            "DECIPHER",
            "SIGN",
            "UNWRAP KEY",
            "CIPHER 11",
            "CIPHER 99",
            "EXTERNAL AUTHENTICATE",
            "GENERAL AUTHENTICATE",
            "SELECT",
            "UPDATE BINARY",
            "DELETE FILE",
        ])
    );
    assert_eq!(
        showing(APPLETS_NAME, APPLET, in_response),
        names(&[
            "GENERATE ASYMMETRIC KEY PAIR",
            "INITIALIZE DEVICE",
            "MANAGE KEY DOMAIN",
            "MANAGE PUBLIC KEY AUTHENTICATION",
            "ENUMERATE OBJECTS",
            "SIGN",
            "WRAP KEY",
            "CIPHER 10",
            "GET CHALLENGE",
            "GENERAL AUTHENTICATE",
            "SELECT",
            "READ BINARY",
        ])
    );
    let open = ["EXTERNAL AUTHENTICATE", "GET DATA", "DELETE", "INSTALL", "LOAD", "GET STATUS"];
    assert_eq!(showing(MANAGERS_NAME, CARD_MANAGER, in_data), names(&open));
    let open = [&open[..], &["INITIALIZE UPDATE"]].concat();
    assert_eq!(showing(MANAGERS_NAME, CARD_MANAGER, in_response), names(&open));
}
