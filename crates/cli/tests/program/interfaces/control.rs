//! The control of a running program: the orders of `vschsm ctl`, and the lines at its socket.

use super::outputs::keys_of;
use super::{copied, lines};
use crate::reader::PATIENCE;
use crate::vschsm::{Home, Running, text};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

/// Starts `vschsm exec` without a card; where its control is.
fn exec(home: &Home) -> (Running, String) {
    let command = ["--", "sh", "-c", "echo $VSCHSM_CONTROL; cat"];
    let mut running = home.start_with_input(&[&["exec", "--no-card"], &command[..]].concat());
    let control = running.line();
    (running, control)
}

/// A folder with the files that orders and requests name.
fn home() -> Home {
    let home = Home::new();
    for name in ["full.card", "provisioned.card", "encrypted.card", "passphrase", "faults.toml"] {
        copied(&home, name);
    }
    home
}

#[test]
fn every_order_is_carried_out() {
    let home = home();
    let (_running, control) = exec(&home);
    let control = format!("VSCHSM_CONTROL={control}");
    for line in lines("ctl-orders.txt") {
        let words: Vec<_> = line.split(' ').skip(1).collect();
        let program = [control.as_str(), env!("CARGO_BIN_EXE_vschsm")];
        let end = home.run_program("env", &[&program, &words[..]].concat());
        assert_eq!(end.code, Some(0), "{line}: {}", end.err);
    }
}

/// Each `>` is a request, and each `<` after it a key of the reply; a reply has an `error` where
/// that is kept, and nowhere else. `{image}` stands for a card's image, as the last snapshot has
/// it.
#[test]
fn every_request_has_the_same_reply() {
    let home = home();
    let (_running, control) = exec(&home);
    let stream = UnixStream::connect(control).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = BufReader::new(stream);
    let mut image = fs::read_to_string(home.path("full.card")).unwrap();
    let (mut asked, mut found) = (String::new(), keys_of(&Value::Null));
    let mut requests = 0;
    for line in lines("control.txt") {
        if let Some(key) = line.strip_prefix("< ") {
            assert!(found.contains(key), "no {key} in reply to {asked}: {found:#?}");
            assert!(key == "error" || !found.contains("error"), "{asked}: {found:?}");
            continue;
        }
        let request = line.strip_prefix("> ").unwrap_or_else(|| panic!("{line}"));
        requests += 1;
        asked = request.to_owned();
        let image_text = Value::from(image.as_str()).to_string();
        let request = request.replace("\"{image}\"", &image_text) + "\n";
        stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_line(&mut reply).unwrap();
        let reply: Value = serde_json::from_str(&reply).unwrap();
        if let Some(snapshot) = reply["image"].as_str() {
            image = snapshot.to_owned();
        }
        found = keys_of(&reply);
    }
    assert!(requests > 20, "{requests}");
    assert!(text(&home.path("full.card")).ends_with("full.card"));
}
