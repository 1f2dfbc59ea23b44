//! Child processes: actors in processes of their own, of the same program, that die with their parent.
//!
//! ```text
//! parent                         launcher thread      child (the same program)
//!   | spawn_process::<A>("role")       |                |
//!   |--- reaper: start, lifeline ----->|-- posix_spawn->| main: Roles::run
//!   |                                  |                | takes its role, watches for the parent's death, limits itself,
//!   |                                                   | attaches, builds A from the arguments, starts it
//!   |<-- Ready { node, place } over the lifeline -------|
//!   |=== uring to A ===================================>| handlers
//!   |<-- pidfd readable: reaped ------------------------+ A has ended, or a signal came
//! ```
//!
//! # Invariants
//! - **no orphans**: a child dies with its parent process, whose pidfd it watches; with its parent's node, by the lifeline;
//!   with it die the programs that it has started, which are of its process group. A detached child dies alone.
//! - **no zombies**: every child is waited for, by its own pidfd, as soon as it has ended; no other process is.
//! - **no chains**: a process that was started for a role cannot attach before it takes it, so a program that does not
//!   know its roles never starts children of its own.

mod cgroup;
mod child;
mod conditions;
mod error;
mod lifeline;
mod oom;
mod options;
mod outlet;
mod output;
mod play;
mod reaper;
mod role;
mod roles;
mod spawn;
mod ward;
mod wards;
mod watch;

use std::sync::Arc;
use std::time::Duration;

pub use self::child::ChildProcess;
pub(crate) use self::error::with_causes;
pub use self::error::{SpawnProcessError, Stage};
pub(crate) use self::options::{Options, option_methods};
pub use self::output::{Output, OutputLine, OutputStream};
pub(crate) use self::play::is_role_taken;
pub use self::roles::Roles;
pub use self::spawn::{ArgsOf, Given, NoArgs, SpawnProcess};
pub(crate) use self::ward::Ward;
pub(crate) use self::wards::Wards;
use crate::node::lookup::Deadline;
use crate::shared::Shared;

/// How long the children of a detaching node may take to end before they are killed: longer than they take themselves.
const END_WITHIN: Duration = Duration::from_secs(2);
/// How long a killed child is waited for: longer only if it hangs in the kernel, and then the reaper goes on waiting.
const BURIAL: Duration = Duration::from_secs(1);

/// Tells all children of a node to end.
pub(crate) fn release_all(shared: &Shared) {
    let living = shared.wards.living();
    let bound = living.iter().filter(|ward| ward.ends_with_node());
    bound.for_each(|ward| ward.release());
}

/// Waits until all children of a node, which were told to end, have; kills those that take too long.
pub(crate) async fn all_gone(shared: &Arc<Shared>) {
    let mut living = shared.wards.living();
    living.retain(|ward| ward.ends_with_node());
    for within in [END_WITHIN, BURIAL] {
        let deadline = Deadline::new(shared, within);
        for ward in &living {
            let look = || ward.is_gone().then_some(());
            if deadline.until(&ward.changes, look).await.is_none() {
                ward.kill();
            }
        }
    }
}
