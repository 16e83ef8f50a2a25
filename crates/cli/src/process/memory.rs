//! The program's memory, which has keys in it: protected from core dumps, swap and debuggers.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The environment variable for developers: `1` leaves core dumps and debuggers as the system has
/// them.
pub(crate) const VARIABLE: &str = "VSCHSM_DUMPABLE";

/// Closes the memory of this process to core dumps, debuggers and other processes of the user, and
/// locks it, as far as the system permits. Processes that it starts are not affected.
pub(crate) fn close() {
    if !is_to_be_open() {
        refuse_dumps();
    }
    lock();
}

/// Limits core dumps to 0 bytes; processes that this one starts inherit it.
pub(crate) fn limit_dumps() {
    if !is_to_be_open() {
        let maximum = getrlimit(Resource::Core).maximum;
        // A limit that is not above the maximum is always granted.
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum }).ok();
    }
}

fn is_to_be_open() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| value == "1")
}

/// Whether the memory is open to core dumps and debuggers, as text.
pub(crate) fn dumps() -> String {
    if refuses_dumps() {
        "closed to core dumps and debuggers".into()
    } else if is_to_be_open() {
        format!("open to core dumps and debuggers, as {VARIABLE} says")
    } else {
        "open to core dumps and debuggers: this system has no way to close it".into()
    }
}

/// Whether the memory may be swapped, as text.
pub(crate) fn swap() -> &'static str {
    if lock() {
        "locked: it is never swapped"
    } else {
        "not locked, and may be swapped: run `ulimit -l unlimited` first, or give CAP_IPC_LOCK"
    }
}

#[cfg(target_os = "linux")]
fn refuse_dumps() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    // It cannot fail with this value.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).ok();
}

#[cfg(target_os = "linux")]
fn refuses_dumps() -> bool {
    use rustix::process::{DumpableBehavior, dumpable_behavior};
    dumpable_behavior() == Ok(DumpableBehavior::NotDumpable)
}

/// Locks the pages that are used, now and later; whether that was possible.
///
/// Not with a limit on locked memory: it could not grow beyond that, and the program would end when
/// it needs more.
#[cfg(target_os = "linux")]
fn lock() -> bool {
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::thread::{CapabilitySet, capabilities};
    let is_capable = capabilities(None)
        .is_ok_and(|capabilities| capabilities.effective.contains(CapabilitySet::IPC_LOCK));
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    (is_capable || getrlimit(Resource::Memlock).current.is_none()) && mlockall(flags).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn refuse_dumps() {}

#[cfg(not(target_os = "linux"))]
fn refuses_dumps() -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn lock() -> bool {
    false
}
