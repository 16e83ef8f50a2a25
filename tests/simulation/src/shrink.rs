//! A failing session made as short as it gets: steps are left out as long as the same check fails.

use crate::runner::{Run, replay};
use crate::session::Finding;
use crate::step::Step;
use std::time::{Duration, Instant};

/// The failing session with as few steps as are found within that time.
///
/// Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input".
#[must_use]
pub fn shrink(run: &Run, time: Duration) -> Run {
    let Some(finding) = &run.finding else { return run.clone() };
    let end = Instant::now() + time;
    let mut shortest = run.clone();
    let mut parts = 2;
    while Instant::now() < end && shortest.steps.len() > 1 {
        let length = shortest.steps.len().div_ceil(parts);
        match without_a_part(&shortest, length, finding, end) {
            Some(shorter) => {
                shortest = shorter;
                parts = (parts - 1).max(2);
            }
            None if length == 1 => break,
            None => parts = (2 * parts).min(shortest.steps.len()),
        }
    }
    shortest
}

/// A session without some part of that length, which fails in the same way.
fn without_a_part(run: &Run, length: usize, finding: &Finding, end: Instant) -> Option<Run> {
    let parts = run.steps.len().div_ceil(length);
    (0..parts).rev().take_while(|_| Instant::now() < end).find_map(|part| {
        let left_out = part * length..(part + 1) * length;
        let steps = run.steps.iter().enumerate();
        let kept = steps.filter(|(place, _)| !left_out.contains(place));
        let kept: Vec<Step> = kept.map(|(_, step)| step.clone()).collect();
        let shorter = replay(&run.plan, &kept);
        let fails_so = shorter.finding.as_ref().is_some_and(|it| it.is_like(finding));
        fails_so.then_some(shorter)
    })
}
