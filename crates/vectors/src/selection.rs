//! The firmwares that a vector is for.

use vschsm_card::profile::{BUILT_IN, EXTENSIONS, Profile};

/// The firmwares that names and ranges of names select: `2.6`, `3.0-`, `-2.6`, `3.0-3.2`. An
/// extension is in no range, and has to be named.
///
/// # Errors
/// If a name is not that of a built-in firmware, or a range is empty: a sentence.
pub fn selected(words: &str) -> Result<Vec<&'static str>, String> {
    let [genuine, extensions] =
        [BUILT_IN, EXTENSIONS].map(|known| known.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    select(words, &genuine, &extensions)
}

/// The same among any firmwares: genuine ones, oldest first, and extensions.
pub(crate) fn select<'a>(
    words: &str,
    genuine: &[&'a str],
    extensions: &[&'a str],
) -> Result<Vec<&'a str>, String> {
    let place = |name: &str| {
        let found = genuine.iter().position(|known| *known == name);
        found.ok_or_else(|| format!("no firmware is called {name:?}"))
    };
    let mut selected = Vec::new();
    for word in words.split_whitespace() {
        if let Some(extension) = extensions.iter().find(|known| **known == word) {
            selected.push(*extension);
            continue;
        }
        let (first, last) = match word.split_once('-') {
            None => (place(word)?, place(word)?),
            Some((first, last)) => (
                if first.is_empty() { 0 } else { place(first)? },
                if last.is_empty() { genuine.len().saturating_sub(1) } else { place(last)? },
            ),
        };
        let range = genuine.get(first..=last).filter(|range| !range.is_empty());
        selected.extend(range.ok_or_else(|| format!("no firmware is in {word}"))?);
    }
    Ok(selected)
}

/// The extension of that name.
#[must_use]
pub fn extension(name: &str) -> Option<&'static str> {
    EXTENSIONS.iter().map(|(known, _)| *known).find(|known| *known == name)
}

/// The genuine firmware that is built in for a version: a card of this version is expected to have
/// its responses.
#[must_use]
pub fn of_version(version: (u8, u8)) -> Option<&'static str> {
    let mut names = BUILT_IN.iter().map(|(name, _)| *name);
    names.find(|name| Profile::built_in(name).is_some_and(|known| known.version() == version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_firmwares_has_both_its_ends() {
        let genuine = ["1.2", "2.0", "2.5", "2.6", "3.0", "3.1", "3.4", "4.0", "4.1"];
        let selected = |words| select(words, &genuine, &[]).map(|names| names.join(" "));
        assert_eq!(selected("-2.0 3.4 4.0-"), Ok("1.2 2.0 3.4 4.0 4.1".into()));
        assert_eq!(selected("2.5-3.1"), Ok("2.5 2.6 3.0 3.1".into()));
        assert_eq!(selected("-"), Ok(genuine.join(" ")));
        for nothing in ["3.1-2.5", "9.9", "2.6-9.9", "2.6--"] {
            assert!(selected(nothing).is_err(), "{nothing}");
        }
        assert!(select("-", &[], &[]).is_err());
    }

    #[test]
    fn an_extension_is_selected_by_its_name_alone() {
        for (name, _) in EXTENSIONS {
            assert_eq!(selected(&format!("2.6 {name}")), Ok(vec!["2.6", name]));
            assert!(!selected("-").is_ok_and(|all| all.contains(name)), "{name}");
            assert!(selected(&format!("{name}-")).is_err(), "{name}");
            let version = Profile::built_in(name).map(|profile| profile.version());
            assert_ne!(version.and_then(of_version), Some(*name));
        }
    }

    #[test]
    fn every_firmware_is_that_of_its_version() {
        for (name, _) in BUILT_IN {
            let version = Profile::built_in(name).map(|profile| profile.version());
            assert_eq!(version.and_then(of_version), Some(*name));
        }
        assert_eq!(of_version((9, 9)), None);
    }
}
