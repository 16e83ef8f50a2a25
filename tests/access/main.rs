//! Who may use a key, and how often: what attackers have tried, and the rule that stops them.

mod counters;
mod custodians;
mod rule;
