//! A session as a file: its plan, and a step a line.

use crate::model::firmware::Firmware;
use crate::session::Plan;
use crate::step::Step;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// A session that can be done again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What it begins with.
    pub plan: Plan,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.seed)?;
        self.firmwares.iter().try_for_each(|firmware| write!(f, " {}", firmware.name))?;
        f.write_str(if self.thorough { " thorough" } else { "" })
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("\"{line}\" is no plan such as: session 42 3.4 2.6 thorough");
        let mut words: Vec<_> = line.split_whitespace().collect();
        let thorough = words.last() == Some(&"thorough");
        words.truncate(words.len() - usize::from(thorough));
        let ["session", seed, firmwares @ ..] = words.as_slice() else { return Err(wrong()) };
        let firmwares: Option<Vec<_>> =
            firmwares.iter().map(|name| Firmware::named(name)).collect();
        let firmwares = firmwares.filter(|firmwares| !firmwares.is_empty()).ok_or_else(wrong)?;
        let seed = seed.parse().map_err(|_| wrong())?;
        Ok(Self { seed, firmwares, thorough })
    }
}

impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.plan)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl FromStr for Script {
    type Err = String;

    /// Lines that begin with `#` are passed over.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let plan = lines.next().unwrap_or_default().parse()?;
        let steps = lines.map(|line| line.parse::<Step>().map_err(|error| error.to_string()));
        Ok(Self { plan, steps: steps.collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_printed_is_read_again() {
        let text = "session 7 3.4 1.2 thorough\n1 0 reset\n2 1 send 00200081::\n";
        let script: Script = format!("# found by nobody\n{text}").parse().unwrap();
        assert_eq!(script.to_string(), text);
    }

    #[test]
    fn what_is_no_session_is_refused() {
        for text in ["", "session", "session x 3.4", "session 1", "session 1 9.9", "1 0 reset"] {
            assert!(text.parse::<Script>().is_err(), "{text}");
        }
    }
}
