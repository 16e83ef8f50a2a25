//! Calls of winscard, at pcscd and at the built-in server: what they come to is compared, and each
//! difference has its reason in `winscard.md`.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use clients::{Station, User, Way};

/// What calls come to, by their names.
type Transcript = BTreeMap<String, String>;

/// A call whose line only the other has.
const NONE: &str = "none";

#[test]
fn a_call_comes_to_what_it_does_with_pcscd_or_has_a_reason() {
    let (theirs, ours) = thread::scope(|scope| {
        let theirs = scope.spawn(|| transcript(Way::Pcscd));
        (theirs.join().unwrap(), transcript(Way::BuiltIn))
    });
    let calls: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    assert!(calls.len() > 400, "only {} calls", calls.len());
    let of = |transcript: &Transcript, call: &str| {
        transcript.get(call).map_or(NONE, String::as_str).to_owned()
    };
    let differences = calls.into_iter().filter_map(|call| {
        let (theirs, ours) = (of(&theirs, call), of(&ours, call));
        (theirs != ours).then(|| (call.clone(), [theirs, ours]))
    });
    let differences: BTreeMap<_, _> = differences.collect();

    let reasons = reasons();

    let mut wrong = String::new();
    for (call, [theirs, ours]) in &differences {
        if reasons.get(call) != Some(&[theirs.clone(), ours.clone()]) {
            wrong += &format!("no reason:      | `{call}` | {theirs} | {ours} | |\n");
        }
    }
    for (call, [theirs, ours]) in &reasons {
        if !differences.contains_key(call) {
            wrong += &format!("no difference:  | `{call}` | {theirs} | {ours} | |\n");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Has `winscard.py` make its calls.
fn transcript(way: Way) -> Transcript {
    let station = Station::delivered(way, &["--serial", "ZZVS0000001"]);
    station.write("winscard.py", include_str!("winscard.py"));
    let tool = station.tool("/usr/bin/python3", &["winscard.py"]);
    let done = tool
        .env("READER", station.reader(0))
        .env("VSCHSM", station.program())
        .env("CONTROL", station.control(0))
        .env("CARD", station.home().join("test.card"))
        .run()
        .succeeded();
    let text = String::from_utf8(done.stdout).unwrap();
    let lines = text.lines().map(|line| {
        let (call, result) = line.split_once(" | ").unwrap_or_else(|| panic!("{line}"));
        (call.to_owned(), result.to_owned())
    });
    lines.collect()
}

/// The differences that have a reason: the rows of the table.
fn reasons() -> BTreeMap<String, [String; 2]> {
    let rows = include_str!("winscard.md").lines().filter(|line| line.starts_with("| `"));
    let row = |row: &str| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [call, theirs, ours, why] = cells.as_slice() else { panic!("{row}") };
        assert!(!why.is_empty(), "{row}");
        (call.trim_matches('`').to_owned(), [(*theirs).to_owned(), (*ours).to_owned()])
    };
    rows.map(row).collect()
}

/// pcscd has the client wait for itself, and its reader is lost: so this is tried here only.
#[test]
fn a_client_inside_its_own_transaction_goes_on_and_is_warned_of() {
    let script = "
from smartcard.scard import *
_, context = SCardEstablishContext(SCARD_SCOPE_USER)
_, readers = SCardListReaders(context, [])
def connect(share):
    code, card, _ = SCardConnect(context, readers[0], share, SCARD_PROTOCOL_T1)
    assert code == 0, code
    return card
for again in (1, 2):
    first = connect(SCARD_SHARE_SHARED)
    assert SCardBeginTransaction(first) == 0
    second = connect(SCARD_SHARE_DIRECT)
    assert SCardDisconnect(second, SCARD_RESET_CARD) == 0
    assert SCardDisconnect(first, SCARD_LEAVE_CARD) == 0
alone = connect(SCARD_SHARE_EXCLUSIVE)
assert SCardReconnect(alone, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD)[0] == 0
";

    let done = User::new().exec(&[], &["/usr/bin/python3", "-c", script]).run().succeeded();

    let lines: Vec<_> = done.stderr.lines().collect();
    let said = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(said("vschsm: the client of process "), 3, "{lines:?}");
    assert_eq!(said("has called SCardConnect to Nitrokey Nitrokey HSM ("), 1, "{lines:?}");
    assert_eq!(said("has called SCardDisconnect from Nitrokey"), 1, "{lines:?}");
    assert_eq!(said("with pcscd it would wait for ever"), 2, "{lines:?}");
    assert_eq!(said("the card stays locked, and others wait, until it calls"), 1, "{lines:?}");
}
