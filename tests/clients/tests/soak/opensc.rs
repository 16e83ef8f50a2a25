//! OpenSC's tools, one after the other.

use std::process::Command;

use clients::{PIN, installed};

use crate::client::{Client, Disturbed, Done};
use crate::place::KEY;

/// How many keys of its own it leaves on the card: pkcs15-tool lists no more than 32 in all.
const KEYS: usize = 3;

/// What the PKCS#11 ids of its keys begin with.
const OWN: &str = "A";

/// The keys that OpenSC has made.
#[derive(Default)]
pub(crate) struct Keys {
    /// The ids of those that the card has acknowledged, and that are not to be deleted yet.
    made: Vec<String>,
    /// How many ids there have been.
    count: u32,
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
    if keys.made.len() > KEYS {
        keys.made.remove(0);
    }
    // The oldest is one too many, and so is what was left when making or deleting was cut off.
    for id in list(client, keys)?.iter().filter(|id| id.starts_with(OWN)) {
        if !keys.made.contains(id) {
            delete(client, id)?;
        }
    }
    look(client)
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
    let id = format!("{OWN}{:07X}", keys.count);
    pkcs11(client, &["--keypairgen", "--key-type", KEY.kind, "--id", &id])?;
    keys.made.push(id);
    keys.acknowledged += 1;
    client.has_done_something();
    Ok(())
}

fn delete(client: &Client<'_>, id: &str) -> Result<(), Disturbed> {
    pkcs11(client, &["--delete-object", "--type", "privkey", "--id", id])?;
    client.has_done_something();
    Ok(())
}

/// The ids of the keys on the card, among which are those that were acknowledged. OpenSC leaves out
/// what it fails to read, and says nothing: only what it has seen in peace counts, and that only
/// the second time.
fn list(client: &Client<'_>, keys: &Keys) -> Result<Vec<String>, Disturbed> {
    let mut missed = false;
    loop {
        let listed = tool(client, "pkcs15-tool", &["--list-keys"])?;
        let fields = listed.text.lines().filter_map(|line| line.split_once(':'));
        let ids = fields.filter(|(name, _)| name.trim() == "ID");
        let ids: Vec<_> = ids.map(|(_, id)| id.trim().to_uppercase()).collect();
        match keys.made.iter().find(|id| !ids.contains(id)) {
            Some(id) if listed.calm && missed => {
                client.fail(&format!("the key {id} was acknowledged and is lost: {}", listed.text));
            }
            Some(_) if listed.calm => missed = true,
            Some(_) | None => {
                client.has_done_something();
                return Ok(ids);
            }
        }
    }
}

/// Nobody has given a wrong PIN. While somebody is logged in, a card does not say how many tries
/// are left, and sc-hsm-tool writes -1.
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
