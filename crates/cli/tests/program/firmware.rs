//! `vschsm firmware`.

use crate::vschsm::Home;
use std::fs;
use vschsm_card::profile::{BUILT_IN, DEFAULT, EXTENSIONS, Profile};

/// What `--diff` says of two firmwares: the heading, and a paragraph for each line that differs.
fn difference(home: &Home, old: &str, new: &str) -> (String, Vec<String>) {
    let text = home.run(&["firmware", "--diff", old, new]).ok();
    let mut paragraphs = text.split("\n\n").map(|paragraph| paragraph.trim_end().to_owned());
    (paragraphs.next().unwrap(), paragraphs.collect())
}

#[test]
fn firmwares_are_listed_one_a_line_with_platform_date_and_the_default() {
    let list = Home::new().run(&["firmware"]).ok();
    let (list, _) = list.split_once("\n\n").unwrap();
    assert_eq!(list.lines().count(), BUILT_IN.len());
    for ((name, _), line) in BUILT_IN.iter().zip(list.lines()) {
        let profile = Profile::built_in(name).unwrap();
        assert!(line.starts_with(name), "{line}");
        assert!(line.contains(profile.platform()), "{line}");
        assert!(line.contains(profile.known_since().unwrap_or_default()), "{line}");
        assert_eq!(line.contains("default"), *name == DEFAULT, "{line}");
    }
    for (name, platform) in [("2.5", "JCOP 2.4.1r3"), ("2.6", "JCOP 2.4.2r3"), ("3.0", "JCOP 3")] {
        assert!(list.contains(&format!("version {name} on {platform}, commands")), "{list}");
    }
    assert!(list.contains("version 4.0 on JCOP 4, commands up to 1454 bytes, known since 2022-11"));
}

#[test]
fn an_extension_is_listed_apart_and_differs_from_its_firmware_by_what_it_adds() {
    let home = Home::new();
    let list = home.run(&["firmware"]).ok();
    let (genuine, extensions) =
        list.split_once("\nOur extensions, which no genuine card has:\n").unwrap();
    for (name, _) in EXTENSIONS {
        assert!(!genuine.contains(name), "{genuine}");
        let version = format!("{name}  version 3.4 on JCOP 3, commands up to 1232 bytes\n");
        assert!(extensions.contains(&version), "{extensions}");
    }
    let (_, lines) = difference(&home, "3.4", "3.4+quota");
    let [instructions, limits] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(instructions.starts_with("instructions\n  + REFILL QUOTA\n"), "{instructions}");
    assert!(limits.starts_with("key-limits\n  + 0xB4\n"), "{limits}");
    for line in &lines {
        assert!(line.contains("our extension. vectors/refill_quota/"), "{line}");
    }
}

#[test]
fn what_differs_is_told_line_by_line_with_what_was_added_and_removed() {
    let home = Home::new();
    let (heading, lines) = difference(&home, "1.2", "2.0");
    assert!(heading.starts_with("--- 1.2: version 1.2 on JCOP 2.4.1r3"), "{heading}");
    assert!(heading.contains("\n+++ 2.0: version 2.0 on JCOP 2.4.1r3"), "{heading}");
    assert!(heading.contains("\n# SmartCard-HSM 2.0 on JCOP 2.4.1r3"), "{heading}");
    for start in [
        "options-in-fci\n  - false\n  + true\n  # Tag 85",
        "initialize\n  + 0x80, 0x93\n  # ",
        "algorithms\n  + 0x40\n  # ",
        "refuse.generate-without-authority\n  - 6A80\n  # The request must name",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(start)), "{start} in {lines:#?}");
    }

    let (_, back) = difference(&home, "2.0", "1.2");
    assert!(back.iter().any(|line| line.starts_with("algorithms\n  - 0x40\n  # ")), "{back:#?}");
    assert_eq!(lines.len(), back.len());
}

#[test]
fn a_file_is_compared_like_a_firmware_that_is_built_in() {
    let home = Home::new();
    let source = home.run(&["firmware", "3.4"]).ok();
    fs::write(home.path("same.toml"), &source).unwrap();
    let (_, lines) = difference(&home, "3.4", "same.toml");
    assert_eq!(lines, ["Nothing else is known to differ."]);

    fs::write(home.path("mine.toml"), source.replace("curves = 521", "curves = 320")).unwrap();
    let (_, lines) = difference(&home, "3.4", "./mine.toml");
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(line.starts_with("curves\n  - 521\n  + 320\n  # The size of"), "{line}");
    assert!(line.contains("\n  # source: published (OpenSC pull request 1463"), "{line}");

    // A user's file has no evidence but its comments, and need not have those.
    let bare: String = source
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(home.path("bare.toml"), bare.replace("curves = 521", "curves = 320")).unwrap();
    let (heading, lines) = difference(&home, "3.4", "bare.toml");
    assert_eq!(lines, ["curves\n  - 521\n  + 320"]);
    assert!(!heading.contains('#'), "{heading}");
    // Towards one that is built in, evidence is that of the facts.
    let (_, lines) = difference(&home, "bare.toml", "3.4");
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(line.starts_with("curves\n  - 320\n  + 521\n  # The size of the largest"), "{line}");

    for arguments in [
        ["firmware", "--diff", "3.4"].as_slice(),
        &["firmware", "--diff", "3.4", "9.9"],
        &["firmware", "3.4", "--diff", "3.4", "3.5"],
    ] {
        assert_eq!(home.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn every_line_in_which_neighbours_differ_says_where_it_comes_from_and_what_shows_it() {
    let home = Home::new();
    for pair in BUILT_IN.windows(2) {
        let [(old, _), (new, _)] = pair else { panic!("a window of two") };
        for (old, new) in [(old, new), (new, old)] {
            let (_, lines) = difference(&home, old, new);
            for line in lines.iter().filter(|line| !line.starts_with("Nothing else")) {
                let shown = ["vectors/", "tests/"].iter().any(|folder| line.contains(folder));
                assert!(line.contains("source: ") && shown, "{old} to {new}: {line}");
            }
        }
    }
}

#[test]
fn a_file_that_is_older_than_the_table_of_behaviours_differs_by_what_it_says_alone() {
    let home = Home::new();
    let source = home.run(&["firmware", "3.4"]).ok();
    let (before, rest) = source.split_once("\n[behaviour]\n").unwrap();
    let (behaviours, refused) = rest.split_once("\n[refuse]\n").unwrap();
    fs::write(home.path("old.toml"), format!("{before}\n{behaviours}\n[refuse]\n{refused}"))
        .unwrap();
    for (old, new) in [("3.4", "old.toml"), ("old.toml", "3.4")] {
        assert_eq!(difference(&home, old, new).1, ["Nothing else is known to differ."]);
    }
    let changed =
        behaviours.replace("unwrap-other-dkek = \"6A88\"", "unwrap-other-dkek = \"6A80\"");
    fs::write(home.path("old.toml"), format!("{before}\n{changed}\n[refuse]\n{refused}")).unwrap();
    let (_, lines) = difference(&home, "3.4", "old.toml");
    let [line] = lines.as_slice() else { panic!("{lines:#?}") };
    assert!(
        line.starts_with("behaviour.unwrap-other-dkek\n  - 6A88\n  + 6A80\n  # UNWRAP"),
        "{line}"
    );
}

#[test]
fn of_a_list_the_evidence_is_that_of_the_members_that_differ() {
    let (_, lines) = difference(&Home::new(), "3.6", "4.0");
    let algorithms = lines.iter().find(|line| line.starts_with("algorithms\n")).unwrap();
    assert!(algorithms.starts_with("algorithms\n  + 0x44, 0x45\n  # 44, 45 from 4.0 on. RSA-PSS"));
    assert_eq!(algorithms.matches("source: ").count(), 1, "{algorithms}");
    let (_, lines) = difference(&Home::new(), "4.0", "3.6");
    let algorithms = lines.iter().find(|line| line.starts_with("algorithms\n")).unwrap();
    assert!(algorithms.contains("# Not 44, 45, which came with 4.0. RSA-PSS"), "{algorithms}");
}

/// The two lists that `--guesses` prints of a firmware: what rests on nothing but a guess, and what
/// has a part that does.
fn guesses(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (whole, part) = text.split_once("\n\n").unwrap();
    let entries = |text| -> Vec<&str> {
        let lines = str::lines(text).filter_map(|line| line.strip_prefix("  "));
        lines.filter(|line| !line.starts_with(' ')).collect()
    };
    (entries(whole), entries(part))
}

#[test]
fn guesses_are_told_of_one_firmware_or_of_each_genuine_one() {
    let home = Home::new();
    let of = |name| home.run(&["firmware", "--guesses", name]).ok();
    let observed = of("3.5");
    let (whole, part) = guesses(&observed);
    // A card of 3.5 has told its memory, and none of 3.4.
    assert!(!whole.contains(&"memory = 78840"), "{observed}");
    assert!(whole.contains(&"platform-id = 0"), "{observed}");
    assert!(part.contains(&"refuse.generate-with-another-signer = \"6A86\""), "{observed}");
    let guessed = of("3.4");
    let (whole, _) = guesses(&guessed);
    assert!(whole.contains(&"memory = 78840"), "{guessed}");
    assert!(guessed.starts_with(&format!("3.4: {} lines rest on a guess alone\n", whole.len())));
    assert!(guessed.contains("observed on 3.5 (Nitrokey support thread 4374)"), "{guessed}");
    // That 1.2 is without these is a guess as well.
    let oldest = of("1.2");
    assert!(guesses(&oldest).1.contains(&"key-limits lacks 0x90, 0x91"), "{oldest}");
    // What is our own is no guess.
    let extension = of("3.4+quota");
    assert_eq!(guesses(&extension), guesses(&guessed));

    let all = home.run(&["firmware", "--guesses"]).ok();
    let each = BUILT_IN.iter().map(|(name, _)| of(name)).collect::<Vec<_>>();
    assert_eq!(all, each.join("\n"));
    assert_eq!(of("Nitrokey HSM 2"), of("4.1"));

    fs::write(home.path("mine.toml"), home.run(&["firmware", "3.4"]).ok() + "# mine\n").unwrap();
    for arguments in [
        ["firmware", "--guesses", "9.9"].as_slice(),
        &["firmware", "--guesses", "mine.toml"],
        &["firmware", "3.4", "--guesses"],
        &["firmware", "--guesses", "--diff", "3.4", "3.5"],
    ] {
        assert_eq!(home.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn no_text_that_is_built_in_says_of_a_guess_that_it_is_known() {
    let home = Home::new();
    for (name, source) in BUILT_IN {
        let all = home.run(&["firmware", "--guesses", name]).ok();
        for line in guesses(&all).0.iter().filter(|line| line.contains(" = ")) {
            let line =
                line.strip_prefix("behaviour.").or(line.strip_prefix("refuse.")).unwrap_or(line);
            let (before, _) = source.split_once(&format!("\n{line}\n")).unwrap();
            let comment: Vec<_> =
                before.lines().rev().take_while(|line| line.starts_with('#')).collect();
            assert!(comment.iter().any(|line| line.contains("guess")), "{name}: {line}");
        }
    }
}
