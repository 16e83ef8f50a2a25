//! Plays every vector to a card of every firmware that it is for: one named test each.

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use vschsm_testing::digits;
use vschsm_testing::test_card::TestCard;
use vschsm_vectors::{BUILT_IN, PlayError, Vector};

fn main() -> ExitCode {
    let trials = BUILT_IN.iter().flat_map(|(name, text)| match Vector::parse(text) {
        Ok(vector) => trials(name, &vector),
        Err(error) => vec![Trial::test(*name, move || Err(Failed::from(error)))],
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn trials(name: &str, vector: &Vector) -> Vec<Trial> {
    let trial = |firmware: &&'static str| {
        let (firmware, vector) = (*firmware, vector.clone());
        Trial::test(format!("{name} on {firmware}"), move || {
            let deliver = || Ok(TestCard::new(firmware).into());
            vector.card.for_each_example(deliver, |card| vector.run(firmware, card)).map_err(told)
        })
    };
    vector.firmwares.iter().map(trial).collect()
}

fn told(error: PlayError) -> Failed {
    match error {
        PlayError::Failed(sentence) => sentence.into(),
        PlayError::Mismatch(mismatch) => format!(
            "{:?}\n> {}\n  wanted {}\n  got    {}",
            mismatch.location,
            digits(&mismatch.command),
            mismatch.expected,
            digits(&mismatch.actual)
        )
        .into(),
    }
}
