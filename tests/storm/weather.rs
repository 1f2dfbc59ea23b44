//! The storm itself: who is killed, and who panics.

use ringway::prelude::*;
use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;
use crate::chance::Chance;
use crate::leaf::{Crash, Job};
use crate::tree::{ACTORS, Forest, PROCESSES};

/// So often something bad happens.
pub(crate) type Storm = fn(&Forest, u64, &Chance) -> Outcome;

/// Kills processes: idle ones, busy ones, those that have just started, sometimes one right after another.
pub(crate) fn kills(forest: &Forest, times: u64, chance: &Chance) -> Outcome {
    block_on(async {
        let mut done = 0;
        while done < times {
            let place = PROCESSES[chance.below(PROCESSES.len())];
            let (tree, leaf) = forest.leaf(place).await?;
            // This life: the next one is not killed if this one dies by another's fault meanwhile.
            let leaf = leaf.pinned();
            let children = tree.which_children();
            let child = children.iter().find(|it| it.actor == Some(leaf.id()));
            let Some(pid) = child.and_then(|child| child.pid) else {
                continue; // it has just ended
            };
            if chance.below(2) == 0 {
                // It has worked before it dies, and so has its uring. It may die earlier by its siblings' fault.
                drop(leaf.ask(Job { number: u64::MAX }).await);
            }
            let pid = Pid::from_raw(pid.cast_signed()).ok_or("no pid")?;
            // Who is a zombie already was somebody else's victim: its sibling's, under 'one for all'.
            if kill_process(pid, Signal::KILL).is_ok() {
                done += 1;
            }
            if chance.below(3) > 0 {
                leaf.closed().await;
            }
        }
        Ok(())
    })
}

/// Has actors of this process panic.
pub(crate) fn panics(forest: &Forest, times: u64, chance: &Chance) -> Outcome {
    block_on(async {
        let mut done = 0;
        while done < times {
            // Those whose siblings are processes seldom, as these are started again with them.
            let place = match chance.below(40) {
                0 => ACTORS[4],
                1 => ACTORS[5],
                other => ACTORS[other % 4],
            };
            let leaf = forest.leaf(place).await?.1.pinned();
            if leaf.tell(Crash).await.is_ok() {
                done += 1;
            }
            if chance.below(3) > 0 {
                leaf.closed().await;
            }
        }
        Ok(())
    })
}
