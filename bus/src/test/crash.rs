//! Failures that a test brings about.

use crate::actor::Actor;
use crate::addr::Addr;
use crate::node::Node;

/// Has an actor of this process panic as it begins the handler of its `nth` message from now, 1 for the next: as if the
/// handler had panicked. The message counts as taken. Another call replaces the one before; `nth` of 0 takes it back.
///
/// It is a matter of this one life: a supervisor's next is not affected.
///
/// # Panics
///
/// When the actor is one of another node.
pub fn panic_at<A: Actor>(actor: &Addr<A>, nth: u64) {
    let core = actor.cell_core();
    core.expect("a test can have an actor of its own process panic, no other")
        .crash_at(nth);
}

/// Kills the child processes of a node that play this role, with SIGKILL; returns how many there were. Does not wait for their
/// ends.
pub fn kill_processes(node: &Node, role: &str) -> usize {
    let wards = node.shared().wards.living();
    let playing = wards.iter().filter(|ward| ward.plays(role));
    playing.inspect(|ward| ward.kill()).count()
}
