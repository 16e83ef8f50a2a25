//! A failing session made as short as it gets: steps are left out as long as the same check fails.

use crate::runner::{Run, replay};
use std::time::{Duration, Instant};

/// The failing session with as few steps as are found within that time.
#[must_use]
pub fn shrink(run: &Run, time: Duration) -> Run {
    let Some(finding) = &run.finding else { return run.clone() };
    let end = Instant::now() + time;
    let steps = shortest(&run.steps, |steps| {
        let again = Instant::now() < end && !steps.is_empty();
        let found = again.then(|| replay(&run.plan, steps).finding).flatten();
        found.is_some_and(|found| found.is_like(finding))
    });
    replay(&run.plan, &steps)
}

/// As few of the items as still fail: none of them can be left out.
///
/// Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input".
fn shortest<T: Clone>(items: &[T], mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut shortest = items.to_vec();
    let mut parts = 2;
    loop {
        let length = shortest.len().div_ceil(parts).max(1);
        let places = (0..shortest.len()).step_by(length).rev();
        let without = places.map(|start| {
            let end = (start + length).min(shortest.len());
            [&shortest[..start], &shortest[end..]].concat()
        });
        match without.into_iter().find(|items| fails(items)) {
            Some(shorter) => {
                shortest = shorter;
                parts = (parts - 1).max(2);
            }
            None if length == 1 => return shortest,
            None => parts *= 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_all_that_is_left() {
        let items: Vec<_> = (0..200).collect();
        for needed in [&[][..], &[0], &[199], &[3, 17], &[0, 1, 100, 198, 199]] {
            let fails = |items: &[i32]| needed.iter().all(|item| items.contains(item));
            assert_eq!(shortest(&items, fails), needed);
        }
    }
}
