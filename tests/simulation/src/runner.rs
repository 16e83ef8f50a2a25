//! Sessions from seeds, and again from their steps.

use crate::coverage::Coverage;
use crate::driver::Driver;
use crate::model::firmware::Firmware;
use crate::random::Random;
use crate::session::{Check, Finding, Plan, Session};
use crate::step::Step;

/// What came of a session.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it began with.
    pub plan: Plan,
    /// All that happened, up to what was found.
    pub steps: Vec<Step>,
    /// What should not be so, if something was found.
    pub finding: Option<Finding>,
    /// What was reached.
    pub coverage: Coverage,
    /// How many APDUs the cards have had.
    pub apdus: u64,
    digest: u64,
}

/// How many steps a session has.
pub const STEPS: usize = 2_000;
/// How many of a thorough one, in which each takes longer.
const THOROUGH_STEPS: usize = 400;

impl Plan {
    /// The session of a seed; with that many cards, or as many as the seed likes.
    #[must_use]
    pub fn of_seed(seed: u64, cards: Option<usize>) -> Self {
        let mut random = Random::new(seed ^ 0x5EED);
        let all: Vec<_> = Firmware::all().collect();
        let cards = cards.unwrap_or_else(|| random.pick(&[1, 2, 2, 3]));
        // Half of the cards have the newest firmwares, where there is most to do.
        let pick = |_| if random.once_in(2) { random.pick(&all[9..]) } else { random.pick(&all) };
        let firmwares = (0..cards).map(pick).collect();
        Self { seed, firmwares, thorough: seed.is_multiple_of(16) }
    }
}

/// Runs the session of a plan. Now and then it is run again, which must go the same way.
#[must_use]
pub fn run(plan: &Plan) -> Run {
    let mut session = Session::new(plan);
    let mut driver = Driver::new(plan.seed);
    let steps = if plan.thorough { THOROUGH_STEPS } else { STEPS };
    let mut done = Vec::with_capacity(steps);
    let mut finding = None;
    while done.len() < steps && finding.is_none() {
        let step = driver.next(&session.benches);
        finding = session.perform(&step).err();
        done.push(step);
    }
    let run = finished(plan, session, done, finding);
    if run.finding.is_none() && plan.seed % 32 == 1 {
        let again = replay(plan, &run.steps);
        return compared(run, &again);
    }
    run
}

fn compared(run: Run, again: &Run) -> Run {
    if run.digest == again.digest && again.finding.is_none() {
        return run;
    }
    let what = match &again.finding {
        Some(finding) => finding.to_string(),
        None => "the responses are others".into(),
    };
    let step = run.steps.last().map_or(0, |step| step.number);
    let finding = Finding { step, check: Check::Repetition, act: "all of it again".into(), what };
    Run { finding: Some(finding), ..run }
}

/// Does the steps of a session again, without any randomness but the cards'.
#[must_use]
pub fn replay(plan: &Plan, steps: &[Step]) -> Run {
    let mut session = Session::new(plan);
    let mut done = Vec::with_capacity(steps.len());
    let mut finding = None;
    for step in steps {
        finding = session.perform(step).err();
        done.push(step.clone());
        if finding.is_some() {
            break;
        }
    }
    finished(plan, session, done, finding)
}

fn finished(plan: &Plan, session: Session, steps: Vec<Step>, finding: Option<Finding>) -> Run {
    let Session { coverage, apdus, digest, .. } = session;
    Run { plan: plan.clone(), steps, finding, coverage, apdus, digest }
}
