//! Which faults are injected, and their effects.

#![expect(clippy::panic, reason = "a panic is how a test fails")]

use super::*;
use std::path::Path;

const SIGN: [u8; 5] = [0x80, 0x68, 0x01, 0x73, 0x00];
const SIGN_WITH_2: [u8; 5] = [0x80, 0x68, 0x02, 0x73, 0x00];
const CHALLENGE: [u8; 5] = [0x00, 0x84, 0x00, 0x00, 0x08];
const VERIFY: [u8; 4] = [0x00, 0x20, 0x00, 0x81];

fn script(text: &str) -> Script {
    Script::parse(text, Path::new("test")).unwrap_or_else(|failure| panic!("{failure}: {text}"))
}

/// A fault with that `when` and that `do`.
fn one(when: &str, effect: &str) -> Faults {
    script(&format!("[[fault]]\nwhen = {when}\ndo = {effect}")).into()
}

/// The `commands`, counted from 1, that a fault is injected into.
fn injected_into(faults: &mut Faults, commands: &[&[u8]]) -> Vec<usize> {
    let injected =
        commands.iter().map(|command| !faults.action_for(command).describe(true).is_empty());
    (1..).zip(injected).filter_map(|(number, injected)| injected.then_some(number)).collect()
}

/// What is delivered in place of that response to SIGN.
fn delivered(faults: &mut Faults, own: &[u8]) -> Delivery {
    let action = faults.action_for(&SIGN);
    let own = action.reaches_the_card().then(|| own.to_vec());
    faults.deliver(action, own)
}

/// The sentence that refuses a script.
fn refused(text: &str) -> String {
    match Script::parse(text, Path::new("test")) {
        Err(Failure::Usage(sentence)) => sentence,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_fault_without_when_is_injected_into_every_command() {
    let mut faults = Faults::from(script("[[fault]]\ndo = { answer = \"6F00\" }"));
    assert_eq!(injected_into(&mut faults, &[&SIGN, &CHALLENGE, &VERIFY, &[0x00]]), [1, 2, 3]);
}

#[test]
fn commands_are_known_by_name_instruction_byte_parameters_and_key() {
    let commands: [&[u8]; 5] = [&SIGN, &SIGN_WITH_2, &CHALLENGE, &VERIFY, &[0x0C, 0x68, 1, 0x30]];
    for (when, expected) in [
        ("{ command = \"SIGN\" }", &[1, 2, 5][..]),
        ("{ command = \"sign\", p2 = 0x73 }", &[1, 2]),
        ("{ command = \"get challenge\" }", &[3]),
        ("{ command = \"84\" }", &[3]),
        ("{ key = 2 }", &[2]),
        ("{ key = 0 }", &[]),
        ("{ p1 = 0 }", &[3, 4]),
        ("{ p2 = 0x81, p1 = 0 }", &[4]),
        ("{ command = \"SIGN\", key = 1, p1 = 2 }", &[]),
        ("{}", &[1, 2, 3, 4, 5]),
    ] {
        assert_eq!(injected_into(&mut one(when, "{ delay = 1 }"), &commands), expected, "{when}");
    }
}

#[test]
fn counts_count_the_commands_that_match_and_no_others() {
    let commands: Vec<&[u8]> = (0..8).flat_map(|_| [&VERIFY[..], &SIGN]).collect();
    for (count, expected) in [
        ("3", &[6][..]),
        ("\"3\"", &[6]),
        ("\"2-4\"", &[4, 6, 8]),
        ("\"7-\"", &[14, 16]),
        ("\"every 3\"", &[6, 12]),
    ] {
        let when = format!("{{ command = \"SIGN\", count = {count} }}");
        assert_eq!(injected_into(&mut one(&when, "\"repeat\""), &commands), expected, "{count}");
    }
}

#[test]
fn what_is_of_an_arrival_begins_with_it_and_is_over_with_the_next() {
    let mut faults = Faults::from(script(
        "[[fault]]\nwhen = { arrival = \"every 2\" }\ndo = { atr = \"3BDE96\" }\n\
         [[fault]]\nwhen = { arrival = \"1-\", count = \"3-\" }\ndo = { mute = 1 }\n\
         [[fault]]\nwhen = { count = 5 }\ndo = { disconnect = \"after\" }",
    ));
    for arrival in 1..=4 {
        let is_bad = arrival % 2 == 0;
        assert_eq!(faults.atr(), is_bad.then_some(&[0x3B, 0xDE, 0x96][..]), "{arrival}");
        // The last fault counts on.
        let expected = if arrival == 2 { &[1, 3, 4][..] } else { &[3, 4] };
        assert_eq!(injected_into(&mut faults, &[&SIGN[..]; 4]), expected, "{arrival}");
        faults.arrive();
    }
}

#[test]
fn who_loses_contact_comes_again() {
    let mut faults = Faults::from(script(
        "[[fault]]\nwhen = { arrival = 2 }\ndo = { atr = \"3B00\" }\n\
         [[fault]]\nwhen = { count = 1 }\ndo = { disconnect = \"before\" }",
    ));
    assert_eq!(faults.atr(), None);
    delivered(&mut faults, &[0x90, 0x00]);
    assert_eq!(faults.atr(), Some(&[0x3B, 0x00][..]));
    faults.reset();
    assert_eq!(faults.atr(), Some(&[0x3B, 0x00][..]), "a reset is no arrival");
}

#[test]
fn chances_are_those_of_the_seed_and_come_as_often_as_they_should() {
    let of_seed = |seed: &str| {
        let fault = "[[fault]]\nwhen = { probability = 0.25 }\ndo = \"repeat\"";
        let mut faults = Faults::from(script(&format!("seed = \"{seed}\"\n{fault}")));
        injected_into(&mut faults, &[&SIGN[..]; 4000])
    };
    let with = one;
    let (one, other) = (of_seed("one"), of_seed("other"));
    assert_eq!(one, of_seed("one"));
    assert_ne!(one, other);
    for injected in [one, other] {
        assert!((900..1100).contains(&injected.len()), "{} of 4000", injected.len());
    }
    let never = injected_into(&mut with("{ probability = 0 }", "\"repeat\""), &[&SIGN[..]; 99]);
    assert!(never.is_empty());
    let always = injected_into(&mut with("{ probability = 1 }", "\"repeat\""), &[&SIGN[..]; 99]);
    assert_eq!(always.len(), 99);
}

#[test]
fn all_faults_count_delays_add_up_and_only_the_first_other_one_is_injected() {
    let mut faults = Faults::from(script(
        "[[fault]]\ndo = { delay = 0.5 }\n\
         [[fault]]\nwhen = { count = 1 }\ndo = { answer = \"6F00\" }\n\
         [[fault]]\ndo = { answer = \"6400\" }\n\
         [[fault]]\nwhen = { count = 2 }\ndo = { delay = 1 }",
    ));
    let first = delivered(&mut faults, &[0x90, 0x00]);
    let second = delivered(&mut faults, &[0x90, 0x00]);
    assert_eq!(
        (first.delay, first.response.ok()),
        (Duration::from_millis(500), Some(vec![0x6F, 0]))
    );
    assert_eq!(
        (second.delay, second.response.ok()),
        (Duration::from_millis(1500), Some(vec![0x64, 0]))
    );
    let counts: Vec<_> =
        faults.counts().map(|(_, counts)| (counts.matched, counts.injected)).collect();
    assert_eq!(counts, [(2, 2), (2, 1), (2, 1), (2, 1)]);
}

#[test]
fn faults_before_a_command_keep_it_from_the_card_and_others_do_not() {
    for (effect, reaches) in [
        ("{ answer = \"9000\" }", false),
        ("{ answer-after = \"9000\" }", true),
        ("{ delay = 1 }", true),
        ("{ mute = 1 }", false),
        ("{ remove = \"before\" }", false),
        ("{ remove = \"after\" }", true),
        ("{ disconnect = \"before\" }", false),
        ("{ disconnect = \"after\" }", true),
        ("{ truncate = 1 }", true),
        ("\"repeat\"", true),
        ("\"disk-full\"", true),
        ("\"weak-signature\"", true),
    ] {
        let action = one("{}", effect).action_for(&SIGN);
        assert!(!action.describe(true).is_empty(), "{effect}");
        assert_eq!(action.reaches_the_card(), reaches, "{effect}");
    }
}

#[test]
fn a_response_is_truncated_repeated_changed_or_stuck() {
    let mut cut = one("{}", "{ truncate = 2 }");
    assert_eq!(delivered(&mut cut, &[1, 2, 3, 0x90, 0]).response.ok(), Some(vec![1, 2, 0x90, 0]));
    assert_eq!(delivered(&mut cut, &[1, 0x90, 0]).response.ok(), Some(vec![1, 0x90, 0]));

    // Each time the card's previous response.
    let mut repeat = one("{ count = \"2-\" }", "\"repeat\"");
    let responses = [[0x90, 0], [0x63, 0xC1], [0x69, 0x82]];
    let got = responses.map(|own| delivered(&mut repeat, &own).response.ok());
    assert_eq!(got, [[0x90, 0], [0x90, 0], [0x63, 0xC1]].map(|response| Some(response.into())));

    let mut weak = one("{}", "\"weak-signature\"");
    assert_eq!(
        delivered(&mut weak, &[0x30, 7, 0x90, 0]).response.ok(),
        Some(vec![0x30, 6, 0x90, 0])
    );
    assert_eq!(delivered(&mut weak, &[0x69, 0x82]).response.ok(), Some(vec![0x69, 0x82]));

    let mut stuck = Vec::new();
    let responses = [vec![1, 2, 0x90, 0], vec![7, 8, 9, 0x90, 0], vec![0x67, 0]];
    let got = responses.map(|own| effect::repeat_random(&mut stuck, own));
    assert_eq!(got, [vec![1, 2, 0x90, 0], vec![1, 2, 1, 0x90, 0], vec![0x67, 0]]);
}

#[test]
fn some_effects_concern_some_commands_only() {
    let update: &[u8] = &[0x00, 0xD7, 0xCF, 0x01];
    let commands: [&[u8]; 4] = [&SIGN, &CHALLENGE, &VERIFY, update];
    assert_eq!(injected_into(&mut one("{}", "\"weak-signature\""), &commands), [1]);
    assert_eq!(injected_into(&mut one("{}", "\"stuck-random\""), &commands), [2]);
    assert_eq!(injected_into(&mut one("{}", "\"memory-full\""), &commands), [4]);
    let mut atr = Faults::from(script("[[fault]]\ndo = { atr = \"3B00\" }"));
    assert!(injected_into(&mut atr, &commands).is_empty());
    assert_eq!(atr.atr(), Some(&[0x3B, 0x00][..]));
}

#[test]
fn a_wrong_script_is_refused_with_its_line_and_what_to_do() {
    for (text, line, why) in [
        ("\n[[fault]]\nwhen = { comand = \"SIGN\" }\ndo = \"repeat\"", 3, "comand"),
        ("[[fault]]\ndo = \"explode\"", 2, "explode"),
        ("[[fault]]\ndo = { answer = \"6F0\" }", 2, "odd number"),
        ("[[fault]]\nwhen = { command = \"SING\" }\ndo = \"repeat\"", 2, "a name from a trace"),
        ("[[fault]]\n\nwhen = { count = \"4-2\" }\ndo = \"repeat\"", 3, "is not a count"),
        ("[[fault]]\n\nwhen = { count = 0 }\ndo = \"repeat\"", 3, "from 1 on"),
        ("[[fault]]\nwhen = { count = true }\ndo = \"repeat\"", 2, "\"every 10\""),
        ("[[fault]]\nwhen = { probability = 1.5 }\ndo = \"repeat\"", 2, "from 0 to 1"),
        ("[[fault]]\nwhen = { p1 = 256 }\ndo = \"repeat\"", 2, "256"),
        ("[[fault]]\ndo = { delay = -1 }", 2, "not a time in seconds"),
        ("[[fault]]\ndo = { delay = 86400 }", 2, "less than a day"),
        ("[[fault]]\ndo = { remove = \"never\" }", 2, "never"),
        ("seed = 1", 1, "string"),
        ("sede = \"1\"", 1, "sede"),
        ("[[fault]]\n[[fault]]\ndo = \"repeat\"", 1, "missing field `do`"),
        (
            "[[fault]]\ndo = \"repeat\"\n[[fault]]\nwhen = { count = 1 }\ndo = { atr = \"3B\" }",
            3,
            "leave out `when`",
        ),
        (
            "\n\n[[fault]]\nwhen = { command = \"VERIFY\", key = 1 }\ndo = \"repeat\"",
            3,
            "VERIFY does not name a key",
        ),
        (
            "[[fault]]\nwhen = { command = \"VERIFY\" }\ndo = \"weak-signature\"",
            1,
            "this fault affects SIGN",
        ),
        ("[[fault", 1, "`vschsm ctl set-faults --help`"),
    ] {
        let sentence = refused(text);
        assert!(sentence.starts_with(&format!("test line {line}: ")), "{text}: {sentence}");
        assert!(sentence.contains(why), "{sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
    }
    let long = format!("[[fault]]\ndo = {{ atr = \"{}\" }}", "00".repeat(34));
    assert!(refused(&long).contains("33 bytes at most"));
}

#[test]
fn a_script_says_the_same_in_json_and_is_refused_there_as_well() {
    let script = script(
        "seed = \"x\"\n[[fault]]\ndo = { mute = 2 }\n[[fault]]\ndo = \"disk-full\"\n[[fault]]\n\
         when = { command = \"SIGN\", key = 1, p1 = 1, p2 = 2, count = \"2-\", \
         probability = 0.5 }\n\
         do = { disconnect = \"after\" }",
    );
    let json = serde_json::to_string(&script).unwrap_or_default();
    assert_eq!(serde_json::from_str::<Script>(&json).ok(), Some(script), "{json}");
    let wrong = r#"{"fault":[{"do":"repeat"},{"when":{"count":1},"do":{"atr":"3B"}}]}"#;
    let error = serde_json::from_str::<Script>(wrong).map_err(|error| error.to_string());
    assert!(error.is_err_and(|error| error.contains("fault 2: an ATR")));
}
