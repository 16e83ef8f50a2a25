//! What was reached: each command with each of its status words.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use vschsm_protocol::instruction::{self, APPLET, CARD_MANAGER};

/// How often which command had which status word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<(Application, &'static str, u16), u64>);

/// Which application was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Application {
    Applet,
    CardManager,
}

/// What stands for bytes that are no command of the card.
const UNKNOWN: &str = "(no command)";

impl Coverage {
    pub(crate) fn count(&mut self, application: Application, header: &[u8], status: u16) {
        let name = match (application, header) {
            (Application::Applet, [_, ins, _, p2, ..]) => instruction::name(APPLET, *ins, *p2),
            (Application::CardManager, [_, ins, ..]) => instruction::name(CARD_MANAGER, *ins, 0),
            _ => None,
        };
        *self.0.entry((application, name.unwrap_or(UNKNOWN), status)).or_default() += 1;
    }

    /// Adds what another simulation has reached.
    pub fn add(&mut self, other: &Self) {
        for (place, count) in &other.0 {
            *self.0.entry(*place).or_default() += count;
        }
    }

    /// How often a command of the applet was done, and how often refused.
    #[must_use]
    pub fn of_applet(&self, name: &str) -> [u64; 2] {
        let mut counts = [0; 2];
        for ((application, known, status), count) in &self.0 {
            if *application == Application::Applet && *known == name {
                counts[usize::from(!is_success(*status))] += count;
            }
        }
        counts
    }
}

fn is_success(status: u16) -> bool {
    matches!(status, 0x9000 | 0x9001 | 0x6282)
}

/// A line for each command: how often it had which status word, successes first.
impl Display for Coverage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut lines: BTreeMap<_, Vec<(u16, u64)>> = BTreeMap::new();
        for ((application, name, status), count) in &self.0 {
            lines.entry((*application, *name)).or_default().push((*status, *count));
        }
        for ((application, name), mut statuses) in lines {
            statuses.sort_by_key(|(status, _)| (!is_success(*status), *status));
            let prefix = if application == Application::Applet { "" } else { "manager: " };
            write!(f, "{:<34}", format!("{prefix}{name}"))?;
            for (status, count) in statuses {
                write!(f, " {status:04X}:{count}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
