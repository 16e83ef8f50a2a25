//! The evidence of a fact, in words.

use super::{AppliedFact, FactSource, SourceKind, Value, base};

/// What of a statement nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guess {
    /// It rests on nothing else.
    Whole,
    /// A part of it, as this says.
    Part(String),
}

impl AppliedFact<'_> {
    /// What the fact is; on a new line where it comes from, and what shows it, whose paths in the
    /// tree are the last words. No line is longer than `width`, in characters, unless a word is.
    #[must_use]
    pub fn lines(&self, width: usize) -> Vec<String> {
        let what = [self.subject(), self.fact.what.clone()];
        let evidence = [Some(self.source()), self.shown_by()];
        let lines = [what, evidence].map(|sentences| {
            wrapped(&sentences.into_iter().flatten().collect::<Vec<_>>().join(" "), width)
        });
        lines.concat()
    }

    /// What of it is a guess, if anything is.
    #[must_use]
    pub fn guess(&self) -> Option<Guess> {
        if self.fact.is_ours() {
            return None;
        }
        let own = || self.fact.sources.iter().filter(|source| self.is_for(source));
        let mut guesses = own().filter(|source| source.kind == SourceKind::Guess);
        if own().all(|source| source.kind == SourceKind::Guess) {
            return Some(Guess::Whole);
        }
        guesses.next().map(|source| Guess::Part(source.text.clone()))
    }

    /// Which members it is about, and since when they are there, unless it is about all firmwares.
    fn subject(&self) -> Option<String> {
        let Value::Members(members) = &self.fact.value else { return None };
        let words = self.fact.range.words.as_str();
        if words == "-" && self.holds {
            return None;
        }
        let plain = |member: &String| member.trim_matches('"').trim_start_matches("0x").to_owned();
        let members = members.iter().map(plain).collect::<Vec<_>>().join(", ");
        Some(match (words.strip_suffix('-'), self.holds) {
            (Some(first), true) => format!("{members} from {first} on."),
            (Some(first), false) => format!("Not {members}, which came with {first}."),
            (None, true) => format!("{members} on {words}."),
            (None, false) => format!("Not {members}, as on {words}."),
        })
    }

    /// Whether the source is for this firmware.
    fn is_for(&self, source: &FactSource) -> bool {
        let Some(range) = &source.range else { return true };
        // What another firmware has and this one has not, is known of that.
        !self.holds || range.names(self.firmware) || range.names(base(self.firmware))
    }

    fn source(&self) -> String {
        if self.fact.is_ours() {
            return "source: our extension.".into();
        }
        let is_known =
            |source: &&FactSource| source.kind != SourceKind::Guess && self.is_for(source);
        let has_own = self.fact.sources.iter().any(|source| is_known(&source));
        let told = self.fact.sources.iter().filter_map(|source| {
            let on = |range: &super::Range| match source.kind {
                SourceKind::Observed => format!(" on {}", range.words),
                _ => format!(" of {}", range.words),
            };
            match (source.kind, self.is_for(source)) {
                (SourceKind::Guess, true) => Some(format!("guess ({})", source.text)),
                (kind, true) => Some(format!("{} ({})", kind.word(), source.text)),
                (SourceKind::Guess, false) => None,
                // Elsewhere it is known, and here guessed from that.
                (kind, false) => (!has_own).then(|| {
                    let on = source.range.as_ref().map(on).unwrap_or_default();
                    format!("{}{on} ({})", kind.word(), source.text)
                }),
            }
        });
        let mut told: Vec<_> = told.collect();
        let has_guess = self.fact.sources.iter().any(|source| self.is_for(source));
        if !has_guess {
            told.push("here a guess".into());
        }
        format!("source: {}.", told.join("; "))
    }

    /// The paths of what shows it, with blanks between.
    fn shown_by(&self) -> Option<String> {
        let vectors = match &self.fact.without {
            Some(vectors) if !self.holds => vectors,
            _ => &self.fact.vectors,
        };
        let vectors = vectors.iter().map(|name| format!("vectors/{name}.apdu"));
        let paths: Vec<_> = vectors.chain(self.fact.tests.iter().cloned()).collect();
        (!paths.is_empty()).then(|| paths.join(" "))
    }
}

impl SourceKind {
    fn word(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Published => "published",
            Self::Derived => "derived",
            Self::Guess => "guess",
        }
    }
}

/// The words of a text in lines, none longer than `width`, in characters, unless a word is.
#[must_use]
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}
