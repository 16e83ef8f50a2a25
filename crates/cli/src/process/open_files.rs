//! How many files the program may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows as many as the administrator does, in this process and its children.
///
/// Each card and each client is an open file, and a card is saved by opening another. The usual
/// 1,024 are meant for programs that know no more than `select`.
pub(crate) fn allow_many() {
    let limit = getrlimit(Resource::Nofile);
    // Where that cannot be, what is allowed already has to do.
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
}
