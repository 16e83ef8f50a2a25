//! The corpora that fuzzing begins with: every input goes through its target here as well.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use vschsm_testing::fuzzing::{self, TARGETS};

/// The most that all corpora may have, in bytes.
const MOST: usize = 2 << 20;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The inputs of a target, in the tree, by their names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let inputs = entries.map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    });
    inputs.collect()
}

/// The threads' stacks are those of a fuzzer's.
#[track_caller]
fn replay(target: &str) {
    let inputs = corpus(target);
    assert!(!inputs.is_empty(), "{target} has no corpus");
    for (name, input) in inputs {
        let run = std::panic::catch_unwind(|| fuzzing::run(target, &input));
        assert!(run.is_ok(), "tests/fuzz/corpus/{target}/{name}");
    }
}

/// A test for each target, so that they run beside each other.
macro_rules! replayed {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })*

        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
    };
}

replayed! { apdus protected card_manager tlv certificate blob image profile vpcd pcsc }

#[test]
fn every_target_is_replayed_and_has_its_file_its_line_and_its_corpus() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let lines = manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/"));
    let built: BTreeSet<_> = lines.map(|line| line.trim_end_matches(".rs\"")).collect();
    let known: BTreeSet<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(built, known, "targets of Cargo.toml");
    assert_eq!(REPLAYED.iter().copied().collect::<BTreeSet<_>>(), known);
    let entries = fs::read_dir(fuzz().join("corpus")).unwrap();
    let folders: BTreeSet<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(folders.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
    for target in known {
        let file = fs::read_to_string(fuzz().join(format!("targets/{target}.rs"))).unwrap();
        assert!(file.contains(&format!("run(\"{target}\"")), "{target} runs something else");
    }
}

#[test]
fn the_corpora_stay_small() {
    let inputs = TARGETS.iter().flat_map(|(target, _)| corpus(target));
    let size: usize = inputs.map(|(_, input)| input.len()).sum();
    assert!(size < MOST, "{size} bytes");
}
