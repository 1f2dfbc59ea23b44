//! Waiting for samples: who waits prepares the lanes, the driver watches those of other nodes.

use std::sync::Arc;

use ringway_shm::sync::Ordering::{AcqRel, Relaxed, SeqCst};
use ringway_shm::sync::fence;

use super::source::{Open, Origin, Phase, Source};
use super::{Sources, SubscriberEnd};

use crate::driver::Job;
use crate::topics::wire::Behind;

impl SubscriberEnd {
    /// Has every lane wake who waits, who has registered; look once more afterwards.
    pub(in crate::topics) fn prepare_to_wait(self: &Arc<Self>) {
        if self.terms.behind == Behind::Newest {
            self.ask_for_newer();
            // SeqCst hoarding: as below.
            fence(SeqCst);
            return;
        }
        let mut watches = false;
        let mut sources = self.sources();
        for source in &mut sources.list {
            if let Phase::Open(open) = &mut source.phase {
                match open.hold.origin() {
                    // Whether it is idle or not: the caller looks at it next.
                    Origin::Here(_) => _ = open.lane.go_idle(),
                    Origin::There(_) => watches |= open.is_awaited(),
                }
            }
        }
        drop(sources);
        // SeqCst hoarding: `is_hoarding` before the look that follows; pairs with the fence in `Claims::release`, which is before
        // the load in `released`.
        fence(SeqCst);
        // AcqRel intake-listed: pairs with the swap in `unlist`.
        if watches
            && !self.is_listed.swap(true, AcqRel)
            && let Some(shared) = self.shared.upgrade()
        {
            let job = Job::Intake(Arc::clone(self));
            shared.jobs.rouse(job, &shared.queue);
        }
    }

    /// A lease was released.
    pub(in crate::topics) fn released(&self) {
        // Relaxed: ordered by the fence in `Claims::release`.
        if self.is_hoarding.load(Relaxed) && self.is_hoarding.swap(false, AcqRel) {
            self.wake();
        }
    }

    /// The driver watches it no more.
    fn unlist(&self) {
        // AcqRel intake-listed: pairs with the swap in `prepare_to_wait`. Before the wake: who is woken may wait again.
        self.is_listed.swap(false, AcqRel);
    }

    /// The driver's look at the lanes of other nodes: `true` if who waits was woken, and the driver looks no more.
    pub(crate) fn watch(&self) -> bool {
        let sources = self.sources();
        let has_sample = sources.is_over || sources.list.iter().any(Source::has_sample);
        drop(sources);
        if has_sample {
            self.unlist();
            self.wake();
        }
        has_sample
    }

    /// The driver is about to sleep: from here on a note wakes who waits. It makes a barrier, and then looks once more:
    /// [`look_when_cool`](Self::look_when_cool).
    pub(crate) fn cool(&self) {
        // Before the look: a lane that is left out of it, and that somebody comes to wait for meanwhile, is listed anew.
        self.unlist();
        let mut sources = self.sources();
        for open in sources.awaited() {
            open.lane.go_idle_before_barrier();
        }
    }

    /// The driver's last look before it sleeps, behind its barrier; wakes who waits if there is something.
    pub(crate) fn look_when_cool(&self) {
        let mut is_idle = true;
        let mut sources = self.sources();
        for open in sources.awaited() {
            // One that was opened, or that somebody waits for, since the barrier is listed.
            is_idle &= !open.lane.is_idle() || open.lane.stays_idle() && !open.ends();
        }
        let rings: Vec<_> = sources.list.iter_mut().filter_map(Source::wanted).collect();
        drop(sources);
        rings.iter().for_each(Origin::ring);
        if !is_idle {
            self.wake();
        }
    }
}

impl Sources {
    /// The lanes of other nodes for whose samples somebody waits.
    fn awaited(&mut self) -> impl Iterator<Item = &mut Open> {
        self.list
            .iter_mut()
            .filter_map(|source| match &mut source.phase {
                Phase::Open(open)
                    if matches!(open.hold.origin(), Origin::There(_)) && open.is_awaited() =>
                {
                    Some(&mut **open)
                }
                _ => None,
            })
    }
}
