//! What others may see of this process's memory, which holds keys and prompts: nothing, unless the operator says so.
//!
//! The limit for core files is not enough: a kernel that hands cores to a program (`core_pattern` with a `|`) does not
//! look at it. A process that is not dumpable leaves no core at all, and nobody but root attaches to it or reads its
//! `/proc/PID/mem`. What it does not help against is swap, root, and whoever owns the machine.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Closes the memory. The first thing that happens, before any key is read; a program starts open again, so that each
/// worker does it for itself.
pub fn seal() {
    let limit = getrlimit(Resource::Core);
    limit_cores(Some(0), limit.maximum);
    set_dumpable(false);
}

/// Opens it again where `settings.core_dumps` is set, as far as the limit of the system goes.
pub fn unseal_if(allowed: bool) {
    if allowed {
        let limit = getrlimit(Resource::Core);
        limit_cores(limit.maximum, limit.maximum);
        set_dumpable(true);
    }
}

/// Lowering the soft limit, and raising it to the hard one, is always allowed.
fn limit_cores(current: Option<u64>, maximum: Option<u64>) {
    let _ = setrlimit(Resource::Core, Rlimit { current, maximum });
}

#[cfg(target_os = "linux")]
fn set_dumpable(dumpable: bool) {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    let behaviour = if dumpable {
        DumpableBehavior::Dumpable
    } else {
        DumpableBehavior::NotDumpable
    };
    let _ = set_dumpable_behavior(behaviour);
}

#[cfg(not(target_os = "linux"))]
fn set_dumpable(_dumpable: bool) {}
