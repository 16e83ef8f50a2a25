//! Random sessions with simulated cards, readers and disks, held to a naive model of the card.
//!
//! A seed makes a [`Plan`] of one to three cards; the driver draws steps, and after each of them
//! the response must be explained by the model, and the card must be what the model says. Steps are
//! data: a failing session is done again without randomness, and [shrinks](shrink()).
//!
//! ```
//! use simulation::{Plan, run};
//!
//! let run = run(&Plan::of_seed(1, None));
//! assert_eq!(run.finding, None);
//! ```

mod bench;
mod coverage;
mod driver;
mod known;
mod model;
mod pool;
mod random;
mod runner;
mod script;
mod secrets;
mod session;
mod shrink;
mod step;

pub use coverage::Coverage;
pub use runner::{Run, STEPS, replay, run};
pub use script::Script;
pub use session::{Finding, Plan};
pub use shrink::shrink;
pub use step::Step;
