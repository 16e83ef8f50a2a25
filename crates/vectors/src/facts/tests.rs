//! Facts that are read or refused, and how they are written.

use super::*;

/// Two firmwares, an extension of the newer one, and `facts`.
fn with(facts: &str) -> Result<Facts, FactsError> {
    let firmwares: String = ["1.0", "2.0", "3.0", "3.0+more"]
        .map(|name| {
            format!(
                "[[firmware]]\nname = \"{name}\"\nabout = \"It is.\"\nknown-since = \"\"\n\
                 evidence = \"a card\"\n"
            )
        })
        .concat();
    Facts::parse(&(firmwares + facts))
}

fn paragraphs(facts: &Facts, firmware: &str, key: &str) -> Vec<String> {
    facts.about(firmware, key).iter().map(|it| it.lines(usize::MAX).join("\n")).collect()
}

#[test]
fn a_source_is_told_of_the_firmwares_that_it_is_for_and_is_a_guess_elsewhere() {
    let facts = with(
        "[[fact]]\nkey = \"memory\"\nvalue = 9\nwhat = \"Bytes.\"\n\
         observed = { \"2.0\" = \"somebody\" }\nguess = { \"3.0\" = \"the same\" }\n\
         vectors = [\"a/b\"]\ntests = [\"tests/c.rs\"]\n",
    )
    .expect("they are facts");
    let told = |firmware| paragraphs(&facts, firmware, "memory").concat();
    assert_eq!(
        told("1.0"),
        "Bytes.\nsource: observed on 2.0 (somebody); here a guess. vectors/a/b.apdu tests/c.rs"
    );
    assert_eq!(told("2.0"), "Bytes.\nsource: observed (somebody). vectors/a/b.apdu tests/c.rs");
    assert_eq!(
        told("3.0"),
        "Bytes.\nsource: observed on 2.0 (somebody); guess (the same). vectors/a/b.apdu tests/c.rs"
    );
    assert_eq!(told("3.0+more"), told("3.0"));
    assert_eq!(told("9.9"), "");
    let guess = |firmware| facts.about(firmware, "memory").first().and_then(AppliedFact::guess);
    assert_eq!(guess("1.0"), Some(Guess::Whole));
    assert_eq!(guess("2.0"), None);
    assert_eq!(guess("3.0"), Some(Guess::Whole));
}

#[test]
fn a_list_is_told_member_by_member_with_those_that_a_firmware_is_without() {
    let facts = with(
        "[[fact]]\nkey = \"has\"\nhas = [0x10]\nwhat = \"Numbers.\"\npublished = \"a book\"\n\
         [[fact]]\nkey = \"has\"\nfirmware = \"2.0-\"\nhas = [0x20, 0x21]\npublished = \"it\"\n\
         guess = \"t\"\nvectors = [\"a/b\"]\nwithout = [\"c/d\"]\n\
         [[fact]]\nkey = \"has\"\nfirmware = \"3.0+more\"\nhas = [0x30]\n",
    )
    .expect("they are facts");
    let first = "Numbers.\nsource: published (a book).";
    let second = "20, 21 from 2.0 on.\nsource: published (it); guess (t). vectors/a/b.apdu";
    assert_eq!(
        paragraphs(&facts, "1.0", "has"),
        [
            first,
            "Not 20, 21, which came with 2.0.\nsource: published (it); guess (t). vectors/c/d.apdu"
        ]
    );
    assert_eq!(paragraphs(&facts, "3.0", "has"), [first, second]);
    assert_eq!(
        paragraphs(&facts, "3.0+more", "has"),
        [first, second, "30 on 3.0+more.\nsource: our extension."]
    );
    let part = facts.about("2.0", "has").last().and_then(AppliedFact::guess);
    assert_eq!(part, Some(Guess::Part("t".into())));
}

#[test]
fn lines_are_as_long_as_they_may_be_and_hold_every_word() {
    let lines = wrapped(&"wörd ".repeat(50), 98);
    // 19 words with a blank between, 19 and 12.
    let lengths: Vec<_> = lines.iter().map(|line| line.chars().count()).collect();
    assert_eq!(lengths, [94, 94, 59]);
    assert_eq!(lines.concat().matches("wörd").count(), 50);
    assert_eq!(wrapped("a bcdefgh i", 3), ["a", "bcdefgh", "i"]);
    assert_eq!(wrapped("ab cd", 5), ["ab cd"]);
    assert!(wrapped(" ", 3).is_empty());
}

#[test]
fn what_is_not_one_fact_for_each_line_and_firmware_is_refused() {
    let fact = |lines: &str| format!("[[fact]]\nkey = \"a\"\n{lines}\n");
    for (facts, told) in [
        (fact("value = 1"), "the fact in line 21: it has no source"),
        (fact("guess = \"\""), "not one of value and has"),
        (fact("value = 1\nhas = [1]\nguess = \"\""), "not one of value and has"),
        (fact("value = 1\nfirmware = \"2.0-\"\nguess = \"\""), "1.0 has no a"),
        (fact("value = 1\nfirmware = \"4.0-\"\nguess = \"\""), "no firmware is called \"4.0\""),
        (fact("value = 1\nfirmware = \"\"\nguess = \"\""), "holds for no firmware"),
        (
            fact("value = 1\nfirmware = \"2.0\"\nguess = { \"1.0\" = \"\" }"),
            "a source for 1.0, and does not hold for it",
        ),
        (fact("value = 1\nguess = \"\"").repeat(2), "a of 1.0 has two values"),
        (fact("has = [1]\nguess = \"\"").repeat(2), "a of 1.0 has 1 twice"),
        (fact("has = [1]\nguess = \"\"") + &fact("value = 1\nguess = \"\""), "in some facts only"),
        (fact("value = 1\nguesses = \"\""), "unknown field `guesses`"),
    ] {
        let error = with(&facts).expect_err(told).to_string();
        assert!(error.contains(told), "{error:?} has not {told:?}");
    }
    assert!(with(&fact("has = [1]\nfirmware = \"2.0\"\nguess = \"\"")).is_ok());
}

#[test]
fn what_an_extension_says_takes_the_place_of_its_firmware_s_line() {
    let facts = with(
        "[[fact]]\nkey = \"a\"\nvalue = 1\nguess = \"\"\n\
         [[fact]]\nkey = \"a\"\nfirmware = \"3.0+more\"\nvalue = 2\n",
    )
    .expect("they are facts");
    let value = |firmware| {
        let statements = facts.about(firmware, "a");
        statements.iter().map(|statement| statement.fact.value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(value("3.0"), [Value::Whole("1".into())]);
    assert_eq!(value("3.0+more"), [Value::Whole("2".into())]);
}

#[test]
fn the_facts_that_are_built_in_are_about_the_firmwares_that_are() {
    let names: Vec<_> = Facts::built_in().firmwares().iter().map(|it| it.name.as_str()).collect();
    let built_in = vschsm_card::profile::BUILT_IN.iter().chain(vschsm_card::profile::EXTENSIONS);
    assert_eq!(names, built_in.map(|(name, _)| *name).collect::<Vec<_>>());
}
