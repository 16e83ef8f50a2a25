//! OpenSC's tools, one after the other.

use std::process::Command;

use clients::{PIN, installed};

use crate::client::{Client, Disturbed, Done};
use crate::place::KEY;

/// How many keys of its own it leaves on the card.
const KEYS: usize = 3;

/// The keys that OpenSC has made and not deleted yet.
#[derive(Default)]
pub(crate) struct Keys {
    /// Their PKCS#11 ids; the card has acknowledged each of them.
    made: Vec<String>,
    /// How many ids there have been.
    count: u16,
    /// How many keys the card has acknowledged to have made.
    acknowledged: u64,
}

/// Signs, makes and deletes keys, and looks at the card, until it is over.
pub(crate) fn go_on(client: &Client<'_>) -> Keys {
    let mut keys = Keys::default();
    while !client.place.is_over() {
        // Who was disturbed begins anew.
        let _disturbed = round(client, &mut keys);
    }
    keys
}

/// Looks whether the card has the keys that it has acknowledged, and how many those were.
pub(crate) fn check(client: &Client<'_>, keys: &Keys) -> u64 {
    while list(client, keys).is_err() {}
    keys.acknowledged
}

fn round(client: &Client<'_>, keys: &mut Keys) -> Result<(), Disturbed> {
    sign(client)?;
    make(client, keys)?;
    list(client, keys)?;
    look(client)?;
    if keys.made.len() > KEYS {
        delete(client, keys)?;
    }
    Ok(())
}

/// A signature that is given out is right, whatever has happened.
fn sign(client: &Client<'_>) -> Result<(), Disturbed> {
    let [hash, signature] = [["--input-file", "hash"], ["--output-file", "signature"]];
    let mechanism = ["--sign", "--mechanism", "ECDSA", "--id", KEY.id];
    let form = ["--signature-format", "openssl"];
    pkcs11(client, &[&mechanism[..], &hash, &signature, &form].concat())?;
    let mut verify = Command::new(installed("openssl"));
    verify.current_dir(client.place.home.path());
    verify.args(["pkeyutl", "-verify", "-pubin", "-inkey", "10.pem", "-in", "hash"]);
    let verified = verify.args(["-sigfile", "signature"]).output().unwrap();
    if !verified.status.success() {
        client.fail(&format!("a wrong signature: {verified:?}"));
    }
    client.has_done_something();
    Ok(())
}

fn make(client: &Client<'_>, keys: &mut Keys) -> Result<(), Disturbed> {
    keys.count += 1;
    let id = format!("A{:03X}", keys.count);
    pkcs11(client, &["--keypairgen", "--key-type", KEY.kind, "--id", &id])?;
    keys.made.push(id);
    keys.acknowledged += 1;
    client.has_done_something();
    Ok(())
}

/// The oldest key; once that was tried, nobody can say whether it is there.
fn delete(client: &Client<'_>, keys: &mut Keys) -> Result<(), Disturbed> {
    let id = keys.made.remove(0);
    pkcs11(client, &["--delete-object", "--type", "privkey", "--id", &id])?;
    client.has_done_something();
    Ok(())
}

/// A key that was acknowledged is there. OpenSC leaves out what it fails to read, and says nothing:
/// only what it has seen in peace counts, and that only the second time.
fn list(client: &Client<'_>, keys: &Keys) -> Result<(), Disturbed> {
    for last in [false, true] {
        let listed = tool(client, "pkcs15-tool", &["--list-keys"])?;
        let ids = listed.text.lines().filter(|line| line.trim().starts_with("ID "));
        let ids = ids.map(str::to_uppercase).collect::<Vec<_>>();
        let missing = keys.made.iter().find(|made| !ids.iter().any(|id| id.ends_with(*made)));
        let Some(missing) = missing.filter(|_| listed.calm) else { break };
        if last {
            client
                .fail(&format!("the key {missing} was acknowledged and is lost: {}", listed.text));
        }
    }
    client.has_done_something();
    Ok(())
}

/// Nobody has given a wrong PIN. While somebody is logged in, a card does not say how many tries are
/// left, and sc-hsm-tool writes -1.
fn look(client: &Client<'_>) -> Result<(), Disturbed> {
    let status = tool(client, "sc-hsm-tool", &[])?;
    // It ends with 0 as well if there is no card.
    let Some((_, tries)) = status.text.split_once("User PIN tries left  : ") else {
        return Ok(());
    };
    if !["3", "-1"].contains(&tries.lines().next().unwrap()) {
        client.fail(&format!("the tries are not 3: {}", status.text));
    }
    client.has_done_something();
    Ok(())
}

fn pkcs11(client: &Client<'_>, arguments: &[&str]) -> Result<Done, Disturbed> {
    tool(client, "pkcs11-tool", &[&["--login", "--pin", PIN], arguments].concat())
}

fn tool(client: &Client<'_>, name: &str, arguments: &[&str]) -> Result<Done, Disturbed> {
    client.run(Command::new(installed(name)).args(arguments))
}
