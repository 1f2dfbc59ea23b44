//! What is kept while a uring is being opened, and what its two ends then agree on.

use std::sync::Arc;

use ringway_shm::error::Violation;
use ringway_shm::generation::Key;
use ringway_shm::layout::UringLayout;
use ringway_shm::region::PeerRegion;
use ringway_shm::uring::{SubmitEnd, Submitter};

use super::Open;
use crate::remote::account::Decided;
use crate::remote::ops::OpTable;
use crate::remote::owed::Owed;
use crate::rings::RingSpan;
use crate::token::ENTRY_SLOTS_MAX;
use crate::urings::PeerUrings;
use crate::urings::open::entries_max;
use crate::urings::wire::Terms;

/// What is kept while a uring is being opened.
pub(crate) struct Opening {
    pub(crate) peer: Arc<PeerUrings>,
    pub(crate) uring: Key,
    pub(crate) layout: UringLayout,
    pub(crate) submitter: Submitter,
    pub(crate) span: RingSpan,
}

impl Opening {
    /// The peer has made its half, at `theirs`.
    pub(in crate::remote) fn join(
        self,
        theirs: &PeerRegion,
        terms: Terms,
    ) -> Result<Open, (Arc<PeerUrings>, Violation)> {
        let Self {
            peer,
            uring,
            layout,
            submitter,
            span,
        } = self;
        match submitter.open(theirs) {
            Ok(mut ends) => Ok(Open {
                peer,
                uring,
                half: limit(&mut ends.submit, layout, terms).div_ceil(2),
                crowded_until: 0,
                submit: ends.submit,
                reap: ends.reap,
                words: ends.ops,
                ops: OpTable::new(credit(layout)),
                overflow: terms.overflow,
                is_watched: false,
                room_watched: None,
                looks_without_ops: 0,
                due: None,
                ended: None,
                is_judged: false,
                opless_decided: Decided::default(),
                has_left_sums: false,
                is_broken: false,
                owed: Owed::default(),
                _span: span,
            }),
            Err(violation) => Err((peer, violation)),
        }
    }
}

/// Bounds what may lie untaken, and returns how many entries that is. The slots of the entry in hand, which was taken last, are
/// not used again: if its handler does not come to its end, it comes back.
fn limit(submit: &mut SubmitEnd, layout: UringLayout, terms: Terms) -> u64 {
    let limit = submit.limit(terms.bound.min(entries_max(layout)));
    submit.keep_free(ENTRY_SLOTS_MAX);
    limit
}

/// Completions that may be in flight: what the completion queue has room for.
fn credit(layout: UringLayout) -> u32 {
    u32::try_from(layout.cq.get()).unwrap_or(u32::MAX)
}
