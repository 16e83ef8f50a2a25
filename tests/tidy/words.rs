//! The words of the tree: those that were replaced by the field's do not come back.

use crate::files;

/// Words that were replaced, the case aside unless they are names of types; what stands for each
/// now; and the files that may still have it, where users' own files or command lines do.
const REPLACED: &[(&str, &str, &[&str])] = &[
    ("Medium", "Transport", &[]),
    ("Stored", "CowState", &[]),
    ("Hub", "Service", &[]),
    ("Desk", "Handles", &[]),
    ("Wish", "ConnectParameters", &[]),
    ("Ruling", "Decision", &[]),
    ("Leaving", "Teardown", &[]),
    ("Away", "a checked-out card", &[]),
    ("Worked", "Completion", &[]),
    ("NoAnswer", "NoResponse", &[]),
    ("Bounced", "ContactLost", &[]),
    ("Arrival", "Delivery", &[]),
    ("Situation", "Restriction", &[]),
    ("Trouble", "PlayError", &[]),
    ("Deviation", "Mismatch", &[]),
    ("Deed", "Remark", &[]),
    ("deviates", "does not match", &[]),
    ("initialisation code", "SO-PIN", &[]),
    ("acquaintances", "trusted certificates", &[]),
    ("founder", "peer card", &["crates/vectors/src/", "vectors/README.md"]),
    ("vouch", "sign", &[]),
    ("vouches", "signs", &[]),
    ("vouched", "signed", &[]),
    ("believes", "trusts", &[]),
    ("whom", "which", &[]),
    ("67 object", "authenticated request", &[]),
    ("goes wrong", "is injected", &[]),
    ("in its seal", "protected", &[]),
    ("Breach", "SecureMessagingError", &[]),
    ("unless_ok", "expect_ok", &[]),
    ("Equipment", "CardDefaults", &[]),
    ("Seat", "a slot of vpcd", &[]),
    ("Taken", "a connection", &[]),
    ("Strike", "FaultAction", &[]),
    ("tally", "counts", &[]),
    ("Flaw", "CertificateError or ProfileError", &[]),
    ("misfit", "mismatch", &[]),
    ("fn asking", "fn with_le", &[]),
    ("fn telling", "fn without_le", &[]),
    ("owes", "is expected to have", &[]),
    ("open_ended", "le_is_max", &[]),
    ("is_of", "matches", &[]),
    ("refill_statement", "refill_token", &[]),
    ("failure inside the card", "no precise diagnosis", &[]),
];

/// Where replaced words are quoted: this list, the transcript of what users have, the page that
/// says what each word was replaced by, and history.
const QUOTED: &[&str] = &[
    "CHANGELOG.md",
    "crates/cli/tests/program/interfaces",
    "docs/internals/glossary.md",
    "tests/interfaces/",
    "tests/tidy/words.rs",
];

/// Whether a text has the word, as a whole one; a name of a type has its capitals.
fn has(text: &str, word: &str) -> bool {
    let is_part = |it: char| it.is_alphanumeric() || it == '_';
    text.match_indices(word).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + word.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[test]
fn words_that_went_do_not_come_back() {
    let mut found = Vec::new();
    for (path, text) in files("", "rs").into_iter().chain(files("", "md")) {
        let path = path.strip_prefix(crate::root()).unwrap().display().to_string();
        if QUOTED.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        for (word, now, kept) in REPLACED.iter().filter(|(word, ..)| has(&text, word)) {
            if !kept.iter().any(|kept| path.starts_with(kept)) {
                let line = text.lines().position(|line| has(line, word)).map_or(0, |line| line + 1);
                found.push(format!("{path}:{line} has {word:?}: now it is {now}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn whole_words_are_found() {
    for text in ["a Hub", "Hub::new()", "(Hub)", "Hub"] {
        assert!(has(text, "Hub"), "{text}");
    }
    for text in ["Hubs", "a hub", "GitHub", "HUB", "Hub_"] {
        assert!(!has(text, "Hub"), "{text}");
    }
}
