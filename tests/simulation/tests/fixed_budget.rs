//! The sessions of the first seeds: nothing is found in them, and every command of the card was
//! done in them and refused.

use simulation::{Coverage, Plan, Script, replay, run};
use vschsm_protocol::instruction::APPLET;

/// Sessions that take a few seconds together.
const SEEDS: u64 = 128;

/// The commands of the applet, but for the one that no genuine firmware has.
fn commands() -> Vec<&'static str> {
    let mut names: Vec<_> = APPLET.iter().map(|row| row.name).collect();
    names.retain(|name| *name != "REFILL QUOTA");
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn nothing_is_found_and_every_command_is_done_and_refused() {
    let mut coverage = Coverage::default();
    for seed in 0..SEEDS {
        let run = run(&Plan::of_seed(seed, None));
        coverage.add(&run.coverage);
        if let Some(finding) = &run.finding {
            panic!("seed {seed}: {finding}\nshorter: simulate --seed {seed} --sessions 1");
        }
    }
    let commands = commands();
    assert_eq!(commands.len(), 26);
    for name in commands {
        let [done, refused] = coverage.of_applet(name);
        assert!(done > 0 && refused > 0, "{name}: {done} times done, {refused} times refused");
    }
}

#[test]
fn a_session_goes_the_same_way_from_its_steps_as_from_its_seed() {
    let plan = Plan::of_seed(6, Some(2));
    let first = run(&plan);
    let script = Script { plan, steps: first.steps };
    let script: Script = script.to_string().parse().unwrap();
    let again = replay(&script.plan, &script.steps);
    assert_eq!((again.finding, again.coverage), (None, first.coverage));
}
