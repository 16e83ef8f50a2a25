//! How many files the program may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to the maximum, for this process and its children.
///
/// Each card and each client is an open file, and a card is saved by opening another. The usual
/// limit of 1,024 is meant for programs that use `select`.
pub(crate) fn allow_many() {
    let limit = getrlimit(Resource::Nofile);
    // If it fails, the limit stays as it was.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
}
